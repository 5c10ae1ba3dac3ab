//! What a call or an event costs beside many links and endpoints: no more than beside few.
//!
//! Counted in processor time of the thread, which others that are busy do not change, as the best of
//! several rounds. What is linear takes ten times as long beside ten times as many, and what is linear
//! for each of them a hundred times as long.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use zsocket::{Context, Error, Pull, Push, Socket};

const FEW: usize = 500;
const MANY: usize = 10 * FEW;
const ROUNDS: usize = 3;

/// A call beside ten times as many may take this many times as long: memory is farther away.
const SAME: u32 = 4;
/// Ten times as many calls may take this many times as long.
const PROPORTIONAL: u32 = 30;

fn cpu_time(run: impl FnOnce()) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let begin = now();
    run();
    now() - begin
}

/// The least time that `run` takes with what `prepare` makes of this number.
fn best<T>(count: usize, prepare: impl Fn(usize) -> T, run: impl Fn(&mut T)) -> Duration {
    let rounds = (0..ROUNDS).map(|_| {
        let mut prepared = prepare(count);
        cpu_time(|| run(&mut prepared))
    });
    rounds.min().unwrap()
}

fn check<T>(at_most: u32, prepare: impl Fn(usize) -> T, run: impl Fn(&mut T)) {
    let few = best(FEW, &prepare, &run);
    let many = best(MANY, &prepare, &run);
    println!("{few:?} beside {FEW}, {many:?} beside {MANY}");
    assert!(
        many <= few * at_most,
        "{few:?} beside {FEW}, {many:?} beside {MANY}"
    );
}

fn push(context: &Context) -> Socket<Push> {
    let push = context.build_socket::<Push>();
    push.send_hwm(1)
        .linger(Some(Duration::ZERO))
        .build()
        .unwrap()
}

/// A context without threads: everything happens on this one.
fn quiet() -> Context {
    Context::builder().io_threads(0).build().unwrap()
}

fn connect(push: &Socket<Push>, count: usize) {
    for at in 0..count {
        push.connect(format!("inproc://nobody/{at}")).unwrap();
    }
}

fn connected(count: usize) -> Socket<Push> {
    let push = push(&quiet());
    connect(&push, count);
    push
}

#[test]
fn a_refused_message() {
    let full = |count| {
        let push = connected(count);
        for _ in 0..count {
            push.try_send("fill").unwrap();
        }
        assert!(push.try_send("too many").is_err());
        push
    };
    check(SAME, full, |push| {
        for _ in 0..1000 {
            let refused = push.try_send("too many").unwrap_err();
            assert!(matches!(refused.error, Error::WouldBlock(_)));
        }
    });
}

#[test]
fn connecting_to_nobody() {
    let prepare = |count| (count, push(&quiet()));
    check(PROPORTIONAL, prepare, |(count, push)| connect(push, *count));
}

#[test]
fn closing_a_socket_that_is_connected_to_nobody() {
    let prepare = |count| Some(connected(count));
    check(PROPORTIONAL, prepare, |push| drop(push.take()));
}

#[test]
fn disconnecting_from_nobody() {
    let prepare = |count| (count, connected(count));
    check(PROPORTIONAL, prepare, |(count, push)| {
        for at in 0..*count {
            push.disconnect(format!("inproc://nobody/{at}")).unwrap();
        }
    });
}

#[test]
fn losing_all_peers() {
    let prepare = |count| {
        let context = quiet();
        let (push, pull) = (push(&context), context.socket::<Pull>().unwrap());
        for at in 0..count {
            let endpoint = format!("inproc://peer/{at}");
            pull.bind(&endpoint).unwrap();
            push.connect(&endpoint).unwrap();
        }
        drop(pull);
        push
    };
    check(PROPORTIONAL, prepare, |push| assert_eq!(push.peers(), 0));
}

#[test]
fn unbinding_names() {
    let prepare = |count| {
        let pull = quiet().socket::<Pull>().unwrap();
        for at in 0..count {
            pull.bind(format!("inproc://name/{at}")).unwrap();
        }
        (count, pull)
    };
    check(PROPORTIONAL, prepare, |(count, pull)| {
        for at in 0..*count {
            pull.unbind(format!("inproc://name/{at}")).unwrap();
        }
    });
}

#[test]
fn binding_names_that_somebody_waits_for() {
    let prepare = |count| {
        let context = quiet();
        let push = push(&context);
        connect(&push, count);
        (count, context.socket::<Pull>().unwrap(), push)
    };
    check(PROPORTIONAL, prepare, |(count, pull, _)| {
        for at in 0..*count {
            pull.bind(format!("inproc://nobody/{at}")).unwrap();
        }
    });
}

/// Endpoints whose connections have no link now, beside as many that have one.
#[test]
fn closing_a_socket_whose_connections_have_no_links() {
    let prepare = |count| {
        let context = Context::new();
        let push = push(&context);
        connect(&push, count);
        push.set_immediate(true).unwrap();
        push.set_reconnect_interval(Some(Duration::from_secs(3600)))
            .unwrap();
        for _ in 0..count {
            push.connect("ipc:///nonexistent/socket").unwrap();
        }
        Some(push)
    };
    check(PROPORTIONAL, prepare, |push| drop(push.take()));
}
