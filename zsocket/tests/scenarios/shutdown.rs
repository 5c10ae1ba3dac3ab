//! `shutdown` reaches every call, blocked or to come.

use zsocket::{CanReceive, CanSend, Context, Error, Pull, Push, Rep, Req, Socket};

use crate::support::{A_WHILE, PATIENCE, Task, WIRES, everywhere, spawn, wait_for};
use crate::{futures::block_on, support::Raw};

fn blocked_recv<P: CanReceive>(socket: Socket<P>) -> Task<Error> {
    spawn(move || {
        let error = socket.recv().unwrap_err();
        // It stays so, for every call.
        assert!(matches!(socket.recv(), Err(Error::Terminated)));
        assert!(matches!(socket.try_recv(), Err(Error::Terminated)));
        assert!(matches!(
            socket.recv_timeout(PATIENCE),
            Err(Error::Terminated)
        ));
        assert!(matches!(
            block_on(socket.recv_async()),
            Err(Error::Terminated)
        ));
        error
    })
}

fn blocked_send<P: CanSend>(socket: Socket<P>) -> Task<Error> {
    spawn(move || {
        let error = loop {
            match socket.send("more") {
                Ok(()) => {}
                Err(refused) => {
                    assert_eq!(refused.message[0], "more");
                    break refused.error;
                }
            }
        };
        assert!(matches!(
            socket.try_send("x").unwrap_err().error,
            Error::Terminated
        ));
        assert!(matches!(
            block_on(socket.send_async("x")).unwrap_err().error,
            Error::Terminated
        ));
        assert!(matches!(
            socket.bind("inproc://too-late"),
            Err(Error::Terminated)
        ));
        error
    })
}

#[test]
fn sockets_without_peers() {
    let context = Context::new();
    let blocked = [
        blocked_recv(context.socket::<Pull>().unwrap()),
        blocked_recv(context.socket::<Rep>().unwrap()),
        blocked_send(context.socket::<Push>().unwrap()),
        blocked_send(context.socket::<Req>().unwrap()),
    ];
    context.shutdown();
    for task in blocked {
        assert!(matches!(task.join(), Error::Terminated));
    }
    assert!(matches!(context.socket::<Push>(), Err(Error::Terminated)));
    context.term_timeout(PATIENCE).unwrap();
}

#[test]
fn sockets_with_peers_that_do_nothing() {
    for anywhere in everywhere() {
        let context = Context::new();
        let named = |name: &str| anywhere.replace("anywhere", name);
        let pull = context.socket::<Pull>().unwrap();
        let push = context.socket::<Push>().unwrap();
        push.connect(pull.bind(anywhere).unwrap()).unwrap();
        let [(silent, waiting), (idle, client)] = ["silent", "idle"].map(|name| {
            let rep = context.socket::<Rep>().unwrap();
            let req = context.socket::<Req>().unwrap();
            req.connect(rep.bind(named(name).as_str()).unwrap())
                .unwrap();
            (rep, req)
        });
        // They have talked, so that they wait in the way of those who have.
        push.send("hello").unwrap();
        pull.recv_timeout(PATIENCE).unwrap();
        for (rep, req) in [(&silent, &waiting), (&idle, &client)] {
            req.send("hello").unwrap();
            rep.recv_timeout(PATIENCE).unwrap();
            rep.send("hello").unwrap();
            req.recv_timeout(PATIENCE).unwrap();
        }
        waiting.send("no answer").unwrap();
        silent.recv_timeout(PATIENCE).unwrap();
        let blocked = [
            blocked_recv(pull),
            blocked_recv(waiting),
            blocked_recv(idle),
        ];
        context.shutdown();
        for task in blocked {
            let error = task.join();
            assert!(matches!(error, Error::Terminated), "{anywhere}: {error:?}");
        }
        drop((push, silent, client));
        context.term_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_sender_whose_peer_does_not_read() {
    for wire in WIRES {
        let context = Context::new();
        let push = context
            .build_socket::<Push>()
            .send_hwm(2)
            .linger(Some(std::time::Duration::ZERO))
            .build()
            .unwrap();
        let monitor = push.monitor();
        let endpoint = push.bind(wire.anywhere()).unwrap();
        let _raw = Raw::connect_as(&endpoint, "PULL");
        wait_for(&monitor, "the peer", |event| {
            matches!(event, zsocket::Event::HandshakeSucceeded { .. })
        });
        let blocked = blocked_send(push);
        std::thread::yield_now();
        context.shutdown();
        assert!(matches!(blocked.join(), Error::Terminated));
        context.term_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn futures_that_are_pending() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let push = context.socket::<Push>().unwrap();
    let receiver = spawn(move || block_on(pull.recv_async()).unwrap_err());
    let sender = spawn(move || block_on(push.send_async("x")).unwrap_err().error);
    context.shutdown();
    assert!(matches!(receiver.join(), Error::Terminated));
    assert!(matches!(sender.join(), Error::Terminated));
}

#[test]
fn again_and_again_at_any_moment() {
    // The shutdown falls into every phase of a wait.
    for round in 0..100u32 {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let push = context.socket::<Push>().unwrap();
        // What is left in it finds nobody any more.
        push.set_linger(Some(std::time::Duration::ZERO)).unwrap();
        let endpoint = pull.bind("ipc://*").unwrap();
        push.connect(&endpoint).unwrap();
        let receiver = spawn(move || while pull.recv().is_ok() {});
        let sender = spawn(move || while push.send("work").is_ok() {});
        for _ in 0..round % 50 {
            std::thread::yield_now();
        }
        context.shutdown();
        receiver.join();
        sender.join();
    }
}

#[test]
fn the_report_of_a_thousand_connections_fits_on_a_screen() {
    let context = Context::new();
    let directory = tempfile::tempdir().unwrap();
    let (mut endpoints, mut sockets) = (Vec::new(), Vec::new());
    for number in 0..1000 {
        let push = context.socket::<Push>().unwrap();
        // Nobody is there, at one endpoint of fifty.
        let path = directory.path().join((number % 50).to_string());
        endpoints.push(format!("ipc://{}", path.display()));
        push.connect(endpoints[number].as_str()).unwrap();
        push.send("waits").unwrap();
        if number % 50 == 7 {
            push.send("waits too").unwrap();
        }
        sockets.push(push);
    }
    drop(sockets);
    let open = context.socket::<Push>().unwrap();
    let report = context.term_timeout(A_WHILE).unwrap_err();
    assert_eq!(report.connections.len(), 1000);
    let text = report.to_string();
    assert!(text.lines().count() <= 24, "{text}");
    let most = format!(
        "PUSH to {} (20 connections): 40 messages queued",
        endpoints[7]
    );
    assert!(text.lines().nth(1).unwrap().ends_with(&most), "{text}");
    let last = "and 760 connections at 38 endpoints: 760 messages queued";
    assert!(text.ends_with(last), "{text}");
    drop(open);
    // Now somebody comes, so that the context can end.
    let others = Context::new();
    let bind = |endpoint: &String| {
        let pull = others.socket::<Pull>().unwrap();
        pull.bind(endpoint.as_str()).unwrap();
        pull
    };
    let _pulls: Vec<_> = endpoints[..50].iter().map(bind).collect();
    context.term_timeout(PATIENCE).unwrap();
}
