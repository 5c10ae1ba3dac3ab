//! Steering by a handle and by a control socket.

use std::{thread, time::Duration};

use zproxy::{Ended, Proxy, ProxyHandle, ProxyThread, Role};
use zsocket::{Context, Message, Pair, Pub, Pull, Push, Rep, Req, Socket, Sub};

use crate::support::{
    PATIENCE, bound, connected, eventually, fill, is_silent, limit, proxy_of, to_backend,
};

/// Tasks go through the proxy when they should, and only then.
struct Tasks {
    push: Socket<Push>,
    pull: Socket<Pull>,
}

impl Tasks {
    fn flow(&self) {
        self.push.send("flows").unwrap();
        assert_eq!(self.pull.recv_timeout(PATIENCE).unwrap()[0], "flows");
    }

    fn are_stopped_until(&self, resume: impl FnOnce()) {
        self.push.send("waits").unwrap();
        assert!(is_silent(&self.pull));
        resume();
        assert_eq!(self.pull.recv_timeout(PATIENCE).unwrap()[0], "waits");
        self.flow();
    }
}

#[test]
fn a_handle_pauses_resumes_and_terminates_from_any_thread() {
    let context = Context::new();
    let (front, back, proxy) = proxy_of::<Pull, Push>(&context, "tcp://127.0.0.1:*");
    let tasks = Tasks {
        push: connected(&context, &front),
        pull: connected(&context, &back),
    };
    let handle = proxy.handle().clone();
    for _ in 0..10 {
        tasks.flow();
        handle.pause();
        eventually("it is paused", || handle.is_paused());
        tasks.are_stopped_until(|| {
            let handle = handle.clone();
            thread::spawn(move || handle.resume()).join().unwrap();
        });
    }
    eventually("all is counted", || to_backend(&handle) == 30);
    assert!(!handle.has_ended());
    thread::spawn({
        let handle = handle.clone();
        move || handle.terminate()
    })
    .join()
    .unwrap();
    assert_eq!(proxy.join().unwrap(), Ended::ByHandle);
    assert!(handle.has_ended());
    // What comes too late changes nothing.
    handle.pause();
    handle.terminate();
    assert_eq!(to_backend(&handle), 30);
}

#[test]
fn orders_before_the_proxy_runs_count() {
    let context = Context::new();
    let (frontend, front) = bound::<Pull>(&context, "inproc://front");
    let (backend, back) = bound::<Push>(&context, "inproc://back");
    let tasks = Tasks {
        push: connected(&context, &front),
        pull: connected(&context, &back),
    };
    let proxy = Proxy::new(&frontend, &backend);
    proxy.handle().terminate();
    assert_eq!(proxy.run().unwrap(), Ended::ByHandle);
    // The sockets were only lent: the next proxy goes on with them.
    let proxy = Proxy::new(frontend, backend);
    let handle = proxy.handle();
    handle.pause();
    let proxy = proxy.spawn().unwrap();
    tasks.are_stopped_until(|| handle.resume());
    handle.terminate();
    proxy.join().unwrap();
}

/// A proxy with a control socket of this type, and who steers it.
fn steered<K>(context: &Context) -> (Tasks, ProxyThread, zsocket::Endpoint)
where
    K: zproxy::CanControl + zsocket::TypedPattern,
{
    let (frontend, front) = bound::<Pull>(context, "tcp://127.0.0.1:*");
    let (backend, back) = bound::<Push>(context, "tcp://127.0.0.1:*");
    let (control, steer) = bound::<K>(context, "inproc://control");
    let proxy = Proxy::new(frontend, backend).control(control);
    let proxy = proxy.spawn().unwrap();
    let tasks = Tasks {
        push: connected(context, &front),
        pull: connected(context, &back),
    };
    (tasks, proxy, steer)
}

/// The reply to `STATISTICS`.
fn numbers(reply: &Message) -> Vec<u64> {
    let number = |frame: &zsocket::Frame| u64::from_ne_bytes(frame[..].try_into().unwrap());
    reply.iter().map(number).collect()
}

fn tell_pause(handle: &ProxyHandle, is_paused: bool) {
    eventually("the command is obeyed", || handle.is_paused() == is_paused);
}

#[test]
fn a_pair_steers_and_is_answered_with_statistics_only() {
    let context = Context::new();
    let (tasks, proxy, steer) = steered::<Pair>(&context);
    let control = connected::<Pair>(&context, &steer);
    for _ in 0..5 {
        tasks.flow();
        control.send("PAUSE").unwrap();
        tell_pause(proxy.handle(), true);
        tasks.are_stopped_until(|| control.send("RESUME").unwrap());
    }
    eventually("all is counted", || to_backend(proxy.handle()) == 15);
    for unknown in ["", "pause", "STATISTICS "] {
        control.send(unknown).unwrap();
    }
    control.send("STATISTICS").unwrap();
    let reply = control.recv_timeout(PATIENCE).unwrap();
    assert_eq!(numbers(&reply), [15, 75, 0, 0, 0, 0, 15, 75]);
    assert!(is_silent(&control));
    control.send("TERMINATE").unwrap();
    assert_eq!(proxy.join().unwrap(), Ended::ByControl);
}

#[test]
fn a_rep_answers_everything() {
    let context = Context::new();
    let (tasks, proxy, steer) = steered::<Rep>(&context);
    let control = connected::<Req>(&context, &steer);
    let ask = |command: &str| {
        control.send(command).unwrap();
        control.recv_timeout(PATIENCE).unwrap()
    };
    tasks.flow();
    assert_eq!(ask("PAUSE"), Message::from(""));
    tasks.are_stopped_until(|| assert_eq!(ask("RESUME"), Message::from("")));
    eventually("all is counted", || to_backend(proxy.handle()) == 3);
    assert_eq!(numbers(&ask("STATISTICS")), [3, 15, 0, 0, 0, 0, 3, 15]);
    assert_eq!(ask("NO SUCH COMMAND"), Message::from(""));
    assert_eq!(ask("TERMINATE"), Message::from(""));
    assert_eq!(proxy.join().unwrap(), Ended::ByControl);
}

#[test]
fn a_sub_hears_commands() {
    let context = Context::new();
    let (frontend, front) = bound::<Pull>(&context, "inproc://front");
    let (backend, back) = bound::<Push>(&context, "inproc://back");
    let (control, steer) = bound::<Sub>(&context, "inproc://control");
    control.subscribe("").unwrap();
    let publisher = connected::<Pub>(&context, &steer);
    let proxy = Proxy::new(frontend, backend).control(control);
    let proxy = proxy.spawn().unwrap();
    publisher.wait_subscribed("", 1, PATIENCE).unwrap();
    let tasks = Tasks {
        push: connected(&context, &front),
        pull: connected(&context, &back),
    };
    publisher.send("PAUSE").unwrap();
    tell_pause(proxy.handle(), true);
    publisher.send("STATISTICS").unwrap();
    tasks.are_stopped_until(|| publisher.send("RESUME").unwrap());
    publisher.send("TERMINATE").unwrap();
    assert_eq!(proxy.join().unwrap(), Ended::ByControl);
}

const SHUT_DOWN: Ended = Ended::ContextShutDown(Role::Frontend);

#[test]
fn commands_are_obeyed_with_a_blocked_backend_and_a_blocked_capture() {
    for by in [Ended::ByHandle, Ended::ByControl, SHUT_DOWN] {
        let context = Context::new();
        let frontend = context.socket::<Pull>().unwrap();
        limit(&frontend, 2);
        let front = frontend.bind("tcp://127.0.0.1:*").unwrap();
        let backend = context.socket::<Push>().unwrap();
        limit(&backend, 2);
        let back = backend.bind("tcp://127.0.0.1:*").unwrap();
        let (capture, _) = bound::<Push>(&context, "tcp://127.0.0.1:*");
        let (control, steer) = bound::<Pair>(&context, "tcp://127.0.0.1:*");
        let push = context.socket::<Push>().unwrap();
        limit(&push, 2);
        push.connect(&front).unwrap();
        let stuck = context.socket::<Pull>().unwrap();
        limit(&stuck, 2);
        stuck.connect(&back).unwrap();
        let steering = connected::<Pair>(&context, &steer);
        let proxy = Proxy::new(frontend, backend)
            .capture(capture)
            .control(control);
        let proxy = proxy.spawn().unwrap();
        // What is not forwarded in the end does not keep the context.
        push.set_linger(Some(Duration::ZERO)).unwrap();
        assert!(fill(&push, &[7; 1 << 20]) > 4);
        let handle = proxy.handle();
        let sent = to_backend(handle);
        assert!(sent > 1);
        assert_eq!(handle.statistics().capture_dropped, sent);
        steering.send("STATISTICS").unwrap();
        assert_eq!(numbers(&steering.recv_timeout(PATIENCE).unwrap())[6], sent);
        match by {
            Ended::ByHandle => handle.terminate(),
            Ended::ByControl => steering.send("TERMINATE").unwrap(),
            _ => context.shutdown(),
        }
        let ended = proxy.join().unwrap();
        if by == SHUT_DOWN {
            // Whichever of its sockets has heard of that first.
            assert!(matches!(ended, Ended::ContextShutDown(_)), "{ended}");
        } else {
            assert_eq!(ended, by);
        }
    }
}
