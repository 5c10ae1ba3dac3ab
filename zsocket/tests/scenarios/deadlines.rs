//! Calls come back in time, and messages have their time, whatever peers send.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use zsocket::{CloseReason, Context, Error, Event, Push, Rep, Req};

use crate::{
    old::{DIALECTS, Old},
    support::{
        COMMAND, MORE, PATIENCE, Raw, RawListener, Server, Task, WIRES, eventually, frame, header,
        message, ping, spawn,
    },
};

const TIMEOUT: Duration = Duration::from_millis(100);
/// How long a call with that timeout may take on a machine that is busy with the flood as well; without
/// a bound it takes as long as the flood lasts, which is ten times this.
const IN_TIME: Duration = Duration::from_secs(3);

/// Sends these bytes again and again until it is told to stop, or the other end is gone.
fn flood(mut raw: Raw, bytes: Vec<u8>) -> (Arc<AtomicBool>, Task<()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let task = spawn(move || {
        let begin = Instant::now();
        while !stopped.load(Ordering::Relaxed) && begin.elapsed() < IN_TIME * 8 {
            if raw.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    (stop, task)
}

fn assert_in_time<T>(what: &str, call: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = call();
    assert!(begin.elapsed() < IN_TIME, "{what}: {:?}", begin.elapsed());
    result
}

#[test]
fn a_flood_of_what_is_no_reply_does_not_hold_a_req() {
    for wire in WIRES {
        let context = Context::new();
        let req = context.socket::<Req>().unwrap();
        let listener = RawListener::anywhere(wire);
        req.connect(listener.endpoint()).unwrap();
        req.send("question").unwrap();
        let mut raw = listener.accept_as("REP");
        raw.read_message();
        let (stop, flood) = flood(raw, message(&[b"no reply"]).repeat(1000));
        for _ in 0..3 {
            let result = assert_in_time("recv", || req.recv_timeout(TIMEOUT));
            assert!(matches!(result, Err(Error::WouldBlock(_))));
            let result = assert_in_time("try_recv", || req.try_recv());
            assert!(matches!(result, Err(Error::WouldBlock(_))));
        }
        assert!(req.stats().dropped.unexpected > 0);
        stop.store(true, Ordering::Relaxed);
        drop(req);
        flood.join();
    }
}

#[test]
fn a_flood_of_late_replies_does_not_hold_the_next_request() {
    for wire in WIRES {
        let context = Context::new();
        let req = context.socket::<Req>().unwrap();
        let listener = RawListener::anywhere(wire);
        req.connect(listener.endpoint()).unwrap();
        req.send("question").unwrap();
        let mut raw = listener.accept_as("REP");
        raw.read_message();
        let (stop, flood) = flood(raw, message(&[b"", b"reply"]).repeat(1000));
        req.recv_timeout(PATIENCE).unwrap();
        for _ in 0..3 {
            // It may find the end of what is there at one moment.
            if assert_in_time("send", || req.send_timeout("next", TIMEOUT).is_ok()) {
                req.recv_timeout(PATIENCE).unwrap();
            }
            if assert_in_time("try_send", || req.try_send("next").is_ok()) {
                req.recv_timeout(PATIENCE).unwrap();
            }
        }
        stop.store(true, Ordering::Relaxed);
        drop(req);
        flood.join();
    }
}

#[test]
fn a_flood_of_what_is_no_request_does_not_hold_a_rep() {
    for wire in WIRES {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let endpoint = rep.bind(wire.anywhere()).unwrap();
        let raw = Raw::connect_as(&endpoint, "REQ");
        let (stop, flood) = flood(raw, message(&[b"no request"]).repeat(1000));
        for _ in 0..3 {
            let result = assert_in_time("recv", || rep.recv_timeout(TIMEOUT));
            assert!(matches!(result, Err(Error::WouldBlock(_))));
            let result = assert_in_time("try_recv", || rep.try_recv());
            assert!(matches!(result, Err(Error::WouldBlock(_))));
        }
        // Nor is a request lost among them.
        let mut client = Raw::connect_as(&endpoint, "REQ");
        client.send(&[b"", b"request"]);
        assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "request");
        stop.store(true, Ordering::Relaxed);
        drop(rep);
        flood.join();
    }
}

#[test]
fn a_large_message_at_full_speed_does_not_hold_a_receiver() {
    for wire in WIRES {
        let server = Server::new(wire);
        // One peer, so that the receiver may read for itself.
        drop(server.good);
        eventually("no other peer", || server.pull.peers() == 0);
        let mut raw = Raw::connect_as(&server.endpoint, "PUSH");
        raw.write_all(&header(0, 1 << 40)).unwrap();
        let (stop, flood) = flood(raw, vec![0; 1 << 20]);
        let took = (0..6).map(|_| {
            let begin = Instant::now();
            let result = server.pull.recv_timeout(TIMEOUT / 4);
            assert!(matches!(result, Err(Error::WouldBlock(_))));
            begin.elapsed()
        });
        // The machine may be busy with something else, but not each time.
        let best = took.min().unwrap();
        stop.store(true, Ordering::Relaxed);
        drop(server.pull);
        flood.join();
        assert!(best < TIMEOUT * 3 / 2, "{best:?} for {:?}", TIMEOUT / 4);
    }
}

const MESSAGE_TIMEOUT: Duration = Duration::from_millis(300);

/// Sends a byte now and then until the connection ends.
fn trickle(raw: &mut Raw) {
    eventually("the end of a connection", || raw.write_all(b"x").is_err());
}

#[test]
fn a_message_that_takes_too_long_to_arrive_costs_its_connection() {
    for wire in WIRES {
        for beginning in [
            header(0, 1 << 20),
            header(MORE, 200),
            [frame(MORE, b"part"), header(COMMAND, 200)].concat(),
            frame(MORE, &[0; 20_000]),
        ] {
            let limit = Some(MESSAGE_TIMEOUT);
            let server = Server::with(wire, |pull| pull.message_timeout(limit));
            let mut raw = Raw::connect_as(&server.endpoint, "PUSH");
            raw.send(&[b"whole"]);
            assert_eq!(server.pull.recv_timeout(PATIENCE).unwrap()[0], "whole");
            let begin = Instant::now();
            raw.write_all(&beginning).unwrap();
            if beginning.len() < 1000 {
                raw.write_all(b"x").unwrap();
            }
            raw.expect_close();
            assert!(begin.elapsed() >= MESSAGE_TIMEOUT);
            let event = server.wait_for("a disconnection", |event| {
                matches!(event, Event::Disconnected { .. })
            });
            let Event::Disconnected { reason, .. } = event else {
                unreachable!("waited for")
            };
            assert_eq!(reason, CloseReason::MessageTimeout);
            assert_eq!(server.pull.stats().connections.message_timeout, 1);
            server.goes_on();
        }
    }
}

#[test]
fn bytes_that_trickle_in_do_not_prolong_the_time_of_a_message() {
    for wire in WIRES {
        let limit = Some(MESSAGE_TIMEOUT);
        let server = Server::with(wire, |pull| pull.message_timeout(limit));
        let mut raw = Raw::connect_as(&server.endpoint, "PUSH");
        raw.write_all(&header(0, 1 << 40)).unwrap();
        trickle(&mut raw);
        eventually("its end is counted", || {
            server.pull.stats().connections.message_timeout == 1
        });
        // Those of an old dialect are taken apart elsewhere.
        let mut old = Old::connect(&server.endpoint, DIALECTS[0], "PUSH");
        let message = DIALECTS[0].message(&[&[0; 300]]);
        old.write(&message[..100]);
        old.raw.expect_close();
        eventually("its end is counted", || {
            server.pull.stats().connections.message_timeout == 2
        });
        server.goes_on();
    }
}

#[test]
fn silence_between_messages_and_a_full_pipe_are_not_the_peers_fault() {
    for wire in WIRES {
        let limit = Some(MESSAGE_TIMEOUT);
        let server = Server::with(wire, |pull| pull.message_timeout(limit).recv_hwm(1));
        let mut raw = Raw::connect_as(&server.endpoint, "PUSH");
        raw.write_all(&ping(b"")).unwrap();
        assert_eq!(raw.read_frame().0, COMMAND);
        raw.write_all(&message(&[b"message"]).repeat(3)).unwrap();
        raw.write_all(&frame(0, b"the last")[..4]).unwrap();
        std::thread::sleep(MESSAGE_TIMEOUT * 2);
        for _ in 0..3 {
            assert_eq!(server.pull.recv_timeout(PATIENCE).unwrap()[0], "message");
        }
        raw.write_all(&frame(0, b"the last")[4..]).unwrap();
        assert_eq!(server.pull.recv_timeout(PATIENCE).unwrap()[0], "the last");
        std::thread::sleep(MESSAGE_TIMEOUT * 2);
        raw.send(&[b"still here"]);
        assert_eq!(server.pull.recv_timeout(PATIENCE).unwrap()[0], "still here");
        assert_eq!(server.pull.stats().connections.message_timeout, 0);
        server.goes_on();
    }
}

/// While a socket streams, no message wakes anybody. What it has left then goes out soon all the same: 200
/// microseconds are documented.
#[test]
fn a_small_message_behind_a_stream_of_large_ones_is_not_late() {
    // So few that the system takes them at once.
    const LARGE: usize = 32 * 1024;
    const COUNT: usize = 4;
    const SOON: Duration = Duration::from_millis(4);
    for wire in WIRES {
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        let mut raw = listener.accept_as("PULL");
        let mut late: Vec<Duration> = (0..40)
            .map(|_| {
                for _ in 0..COUNT {
                    push.send(vec![0; LARGE]).unwrap();
                }
                push.send("small").unwrap();
                let begin = Instant::now();
                for _ in 0..COUNT {
                    assert_eq!(raw.read_message()[0].len(), LARGE);
                }
                assert_eq!(raw.read_message(), [b"small"]);
                begin.elapsed()
            })
            .collect();
        late.sort_unstable();
        // Each alone may have waited for a processor.
        assert!(late[late.len() / 2] < SOON, "{late:?}");
    }
}
