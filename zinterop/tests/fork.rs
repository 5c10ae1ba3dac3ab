//! What a forked child can do with the sockets that it has inherited: nothing, and that at once.

use std::{
    future::Future,
    io,
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    process::{Child, Command},
    sync::{Arc, Mutex},
    time::Duration,
};

use zsocket::{Context, Error, Pull, Push, Requester, Responder, Socket};

const DEADLINE: Duration = Duration::from_secs(30);

/// Forks, runs this in the child, and then a program that keeps the child for this many seconds. Fails if
/// it returns `false`.
fn fork(seconds: &str, in_child: impl FnMut() -> bool + Send + Sync + 'static) -> Child {
    let mut in_child = in_child;
    let mut command = Command::new("sleep");
    command.arg(seconds);
    let check = move || {
        if in_child() {
            Ok(())
        } else {
            Err(io::ErrorKind::Other.into())
        }
    };
    // SAFETY: the child uses what it has inherited, which is what is tested here: it must be refused
    // before any lock is taken. It allocates, which the C library allows after a fork.
    unsafe { command.pre_exec(check) };
    command.spawn().expect("all calls are refused in the child")
}

type Sockets = (Socket<Pull>, Socket<Push>, Context);

fn sockets() -> (Arc<Mutex<Option<Sockets>>>, String) {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let push = context.socket::<Push>().unwrap();
    push.connect(endpoint.as_str()).unwrap();
    push.send("before").unwrap();
    assert_eq!(pull.recv_timeout(DEADLINE).unwrap()[0], "before");
    (Arc::new(Mutex::new(Some((pull, push, context)))), endpoint)
}

#[test]
fn every_call_is_refused_and_dropping_waits_for_nothing() {
    let (sockets, _) = sockets();
    let inherited = Arc::clone(&sockets);
    let in_parent = sockets.lock().unwrap();
    in_parent
        .as_ref()
        .unwrap()
        .1
        .send("for the parent")
        .unwrap();
    drop(in_parent);
    let mut child = fork("0", move || {
        let Some((pull, push, context)) = inherited.lock().unwrap().take() else {
            return false;
        };
        let forked = |error| matches!(error, Error::Forked);
        let refused = [
            pull.recv().is_err_and(forked),
            pull.try_recv().is_err_and(forked),
            push.send("x").is_err_and(|refused| forked(refused.error)),
            push.try_send("x")
                .is_err_and(|refused| forked(refused.error)),
            pull.bind("inproc://x").is_err_and(forked),
            push.connect("inproc://x").is_err_and(forked),
            context.socket::<Pull>().is_err_and(forked),
            context.term().is_err_and(forked),
        ];
        drop((pull, push, context));
        // A context of its own works.
        let own = Context::new().socket::<Pull>().is_ok();
        own && refused.iter().all(|refused| *refused)
    });
    assert!(child.wait().unwrap().success());
    // The parent goes on.
    let in_parent = sockets.lock().unwrap();
    let (pull, push, _) = in_parent.as_ref().unwrap();
    assert_eq!(pull.recv_timeout(DEADLINE).unwrap()[0], "for the parent");
    push.send("after").unwrap();
    assert_eq!(pull.recv_timeout(DEADLINE).unwrap()[0], "after");
}

/// A child neither dispatches nor gives up what its parent leads.
#[test]
fn a_leader_is_left_to_the_parent() {
    let (sockets, _) = sockets();
    let guard = sockets.lock().unwrap();
    let (pull, push, context) = guard.as_ref().unwrap();
    let leader = Arc::new(Mutex::new(Some(context.lead().unwrap())));
    let inherited = Arc::clone(&leader);
    let in_child = context.clone();
    let mut child = fork("0", move || {
        let Some(leader) = inherited.lock().unwrap().take() else {
            return false;
        };
        let forked = |error| matches!(error, Error::Forked);
        let refused = [
            leader.dispatch(64).is_err_and(forked),
            in_child.lead().is_err_and(forked),
        ];
        drop(leader);
        refused.iter().all(|refused| *refused)
    });
    assert!(child.wait().unwrap().success());
    let leader = leader.lock().unwrap().take().unwrap();
    assert!(matches!(context.lead(), Err(Error::Led)));
    for _ in 0..10 {
        push.send("after").unwrap();
        leader.dispatch(64).unwrap();
        assert_eq!(pull.recv_timeout(DEADLINE).unwrap()[0], "after");
    }
    drop(leader);
    context.lead().unwrap();
}

#[test]
fn requests_are_refused_and_handles_are_left_to_the_parent() {
    let context = Context::new();
    let responder = Responder::builder()
        .answer_abandoned("dropped")
        .build(&context)
        .unwrap();
    let endpoint = responder.bind("tcp://127.0.0.1:*").unwrap();
    let requester = Requester::new(&context).unwrap();
    requester.connect(&endpoint).unwrap();
    let tickets = ["first", "second"].map(|body| requester.send(body, DEADLINE).unwrap());
    // Sent as soon as there is a connection. A future sets an alarm, which is inherited as well.
    let mut waits = Box::pin(requester.wait_async(tickets[0]));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut requests = Vec::new();
    while requests.len() < 2 {
        assert!(waits.as_mut().poll(&mut cx).is_pending());
        requests.extend(responder.recv_timeout(Duration::from_millis(1)).ok());
    }
    drop(waits);
    let inherited = Arc::new(Mutex::new(Some((requester, responder, requests))));
    let in_child = Arc::clone(&inherited);
    let mut child = fork("0", move || {
        let Some((requester, responder, mut requests)) = in_child.lock().unwrap().take() else {
            return false;
        };
        let forked = |error| matches!(error, Error::Forked);
        let request = requests.pop().unwrap();
        let refused = [
            requester.request("x", DEADLINE).is_err_and(forked),
            requester
                .send("x", DEADLINE)
                .is_err_and(|refused| forked(refused.error)),
            requester.recv().is_err_and(forked),
            responder.recv().is_err_and(forked),
            responder.flush().is_err_and(forked),
            request
                .answer("x")
                .is_err_and(|refused| forked(refused.error)),
        ];
        drop((requester, responder, requests));
        refused.iter().all(|refused| *refused)
    });
    assert!(child.wait().unwrap().success());
    // In the parent they are still at work, and answered once.
    let (requester, responder, requests) = inherited.lock().unwrap().take().unwrap();
    assert_eq!(responder.stats().at_work, 2);
    for mut request in requests {
        let body = request.take_body();
        responder.answer(request, body).unwrap();
    }
    for (ticket, body) in tickets.into_iter().zip(["first", "second"]) {
        assert_eq!(requester.wait(ticket).unwrap()[0], body);
    }
}

/// The descriptors of the child are closed when it executes a program, so one that does not is needed:
/// it holds its copies for as long as it runs the closure.
#[test]
fn a_child_does_not_hold_the_port() {
    let (sockets, endpoint) = sockets();
    let address = endpoint.trim_start_matches("tcp://").to_owned();
    let gate = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = gate.local_addr().unwrap();
    let child = std::thread::spawn(move || {
        fork("0", move || {
            // The parent accepts, unbinds, and then closes this.
            use io::Read;
            TcpStream::connect(at).is_ok_and(|mut stream| stream.read(&mut [0]).is_ok())
        })
    });
    let (stream, _) = gate.accept().unwrap();
    let taken = sockets.lock().unwrap().take();
    let (pull, push, context) = taken.unwrap();
    pull.unbind(endpoint.as_str()).unwrap();
    TcpListener::bind(&address).unwrap();
    drop((pull, push, context, stream));
    assert!(child.join().unwrap().wait().unwrap().success());
}
