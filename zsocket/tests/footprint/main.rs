//! What sockets take up, in descriptors, memory and allocations, and what they give back.
//!
//! These are numbers of the whole process, so the tests of this program take turns.

#[allow(dead_code, reason = "shared with the scenarios")]
#[path = "../scenarios/support.rs"]
mod support;

#[allow(dead_code, reason = "shared with the scenarios")]
#[path = "../scenarios/old.rs"]
mod old;

mod uncalled;

use std::{
    fs,
    io::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, SockAddr, Socket, Type};
use support::{
    A_WHILE, COMMAND, MORE, PATIENCE, Raw, Server, WIRES, Wire, eventually, everywhere, header,
    ping, spawn, wait_for,
};
use zsocket::{Context, Dealer, Event, EventKinds, Message, Pull, Push, Rep, Req, Router};

/// What may remain of any number of connections: free lists, timers that are still to come.
const REMAINDER: u64 = 6 << 20;

fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of private memory that are resident.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

fn descriptors() -> usize {
    // One of them is the directory itself.
    fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

#[test]
fn ten_thousand_connections_come_and_go() {
    let _alone = alone();
    for wire in WIRES {
        let server = Server::new(wire);
        let cycle = |count: u64| {
            for at in 0..count {
                // What a peer may do at most before it goes: nothing, half of a handshake, a
                // handshake, a message, half of one.
                let mut raw = Raw::connect(&server.endpoint);
                match at % 5 {
                    0 => {}
                    1 => raw.write_all(&support::greeting()).unwrap(),
                    2 => raw.shake_hands("PUSH"),
                    3 => {
                        raw.shake_hands("PUSH");
                        raw.send(&[b"one message"]);
                        let message = server.pull.recv_timeout(PATIENCE).unwrap();
                        assert_eq!(message[0], "one message");
                    }
                    _ => {
                        raw.shake_hands("PUSH");
                        raw.write_all(&header(MORE, 1 << 20)).unwrap();
                        raw.write_all(&[0; 1000]).unwrap();
                    }
                }
            }
            eventually("all of them are gone", || {
                assert!(server.pull.try_recv().is_err());
                server.pull.stats().connections.open == 1 && server.pull.peers() == 1
            });
            // A receiver that waits for its only peer makes a descriptor for that, which stays.
            assert!(server.pull.recv_timeout(A_WHILE).is_err());
            // Those that never were established leave a moment later.
            let mut settled = descriptors();
            eventually("descriptors are closed", || {
                let now = descriptors();
                std::mem::replace(&mut settled, now) == now
            });
            while server.monitor.try_recv().is_some() {}
        };
        cycle(500);
        let before = (descriptors(), memory());
        cycle(10_000);
        eventually("descriptors are as before", || descriptors() <= before.0);
        let after = memory();
        assert!(
            after < before.1 + REMAINDER,
            "{wire:?}: from {} to {after} bytes",
            before.1
        );
        server.goes_on();
    }
}

/// Connections that are open at the same time.
const BURST: usize = 4000;
/// Memory that is given back some time after a burst of connections. The allocator keeps 4 MiB at the end of
/// its heap for the next large messages.
const REMAINDER_OF_BURST: u64 = 10 << 20;

#[test]
fn memory_goes_back_after_a_burst_of_connections() {
    let _alone = alone();
    let limit = getrlimit(Resource::Nofile);
    let enough = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, enough).unwrap();
    for wire in WIRES {
        let server = Server::with(wire, |pull| pull.handshake_interval(None));
        let burst = |count: usize| {
            let raws: Vec<Raw> = (0..count)
                .map(|_| {
                    let mut raw = Raw::connect_as(&server.endpoint, "PUSH");
                    raw.send(&[b"one message"]);
                    let message = server.pull.recv_timeout(PATIENCE).unwrap();
                    assert_eq!(message[0], "one message");
                    raw
                })
                .collect();
            let most = memory();
            drop(raws);
            eventually("all of them are gone", || {
                assert!(server.pull.try_recv().is_err());
                server.pull.stats().connections.open == 1 && server.pull.peers() == 1
            });
            while server.monitor.try_recv().is_some() {}
            most
        };
        burst(100);
        // What other tests have left behind would be used first.
        zpipe::trim_heap(0);
        let before = memory();
        let most = burst(BURST);
        assert!(most > before + 3 * REMAINDER_OF_BURST / 2, "{most} bytes");
        eventually("memory is given back", || {
            memory() < before + REMAINDER_OF_BURST
        });
        server.goes_on();
    }
    setrlimit(Resource::Nofile, limit).unwrap();
}

#[test]
fn old_peers_come_and_go() {
    let _alone = alone();
    let large = old::DIALECTS.map(|dialect| dialect.message(&[b"part", &[0; 100_000]]));
    for wire in WIRES {
        let server = Server::new(wire);
        let cycle = |count: usize| {
            for at in 0..count {
                let dialect = old::DIALECTS[at % old::DIALECTS.len()];
                let greeting = dialect.greeting("PUSH");
                let large = &large[at % old::DIALECTS.len()];
                let mut raw = Raw::connect(&server.endpoint);
                match at % 4 {
                    0 => raw.write_all(&greeting[..greeting.len() - 1]).unwrap(),
                    1 => raw.write_all(&greeting).unwrap(),
                    2 => {
                        let message = dialect.message(&[b"one message"]);
                        raw.write_all(&[greeting, message].concat()).unwrap();
                        raw.finish();
                        let message = server.pull.recv_timeout(PATIENCE).unwrap();
                        assert_eq!(message[0], "one message");
                    }
                    _ => raw
                        .write_all(&[&greeting, &large[..90_000]].concat())
                        .unwrap(),
                }
            }
            eventually("all of them are gone", || {
                assert!(server.pull.try_recv().is_err());
                server.pull.stats().connections.open == 1 && server.pull.peers() == 1
            });
            // A receiver that waits for its only peer makes a descriptor for that, which stays.
            assert!(server.pull.recv_timeout(A_WHILE).is_err());
            while server.monitor.try_recv().is_some() {}
        };
        cycle(500);
        let mut settled = descriptors();
        eventually("descriptors are closed", || {
            let now = descriptors();
            std::mem::replace(&mut settled, now) == now
        });
        let before = (settled, memory());
        cycle(3000);
        eventually("descriptors are as before", || descriptors() <= before.0);
        let after = memory();
        assert!(
            after < before.1 + REMAINDER,
            "{wire:?}: from {} to {after} bytes",
            before.1
        );
        server.goes_on();
    }
}

#[test]
fn sockets_and_contexts_come_and_go() {
    let _alone = alone();
    let cycle = |count: u32| {
        for _ in 0..count {
            for anywhere in everywhere() {
                let context = Context::new();
                let pull = context.socket::<Pull>().unwrap();
                let push = context.socket::<Push>().unwrap();
                push.connect(pull.bind(anywhere).unwrap()).unwrap();
                push.send("hello").unwrap();
                assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "hello");
            }
        }
    };
    cycle(20);
    let before = (descriptors(), memory());
    cycle(300);
    assert_eq!(descriptors(), before.0);
    assert!(memory() < before.1 + REMAINDER);
}

#[test]
fn an_announcement_takes_no_memory() {
    let _alone = alone();
    for wire in WIRES {
        let server = Server::new(wire);
        let before = memory();
        let boasters: Vec<Raw> = [0, MORE]
            .into_iter()
            .cycle()
            .take(20)
            .map(|flags| {
                let mut raw = Raw::connect_as(&server.endpoint, "PUSH");
                raw.write_all(&header(flags, 1 << 62)).unwrap();
                raw.write_all(&[0; 10_000]).unwrap();
                raw
            })
            .collect();
        // Answers come to those who ask, so what they announced has been seen by then.
        for _ in 0..10 {
            server.goes_on();
        }
        eventually("the boasters are connected", || {
            server.pull.stats().connections.open as usize > boasters.len()
        });
        assert!(memory() < before + 8 * 1024 * 1024);
        assert_eq!(server.pull.stats().connections.oversize, 0);
        // They may go on for as long as they like.
        for mut raw in boasters {
            raw.write_all(&[0; 10_000]).unwrap();
        }
        eventually("the boasters are gone", || {
            let _ = server.pull.try_recv();
            server.pull.stats().connections.open == 1
        });
        server.goes_on();
    }
}

#[test]
fn a_flood_of_commands_takes_no_memory() {
    let _alone = alone();
    for wire in WIRES {
        let server = Server::new(wire);
        let mut raw = Raw::connect_as(&server.endpoint, "PUSH");
        raw.send(&[b"begin"]);
        server.pull.recv_timeout(PATIENCE).unwrap();
        let before = memory();
        let burst = [
            ping(b"0123456789abcdef").repeat(1000),
            support::frame(COMMAND, &[b"\x07UNKNOWN", &[b' '; 60_000][..]].concat()),
        ]
        .concat();
        for _ in 0..300 {
            raw.write_all(&burst).unwrap();
        }
        raw.send(&[b"end"]);
        assert_eq!(server.pull.recv_timeout(PATIENCE).unwrap()[0], "end");
        assert!(memory() < before + REMAINDER);
    }
}

#[test]
fn bursts_do_not_pile_up() {
    let _alone = alone();
    for anywhere in everywhere() {
        let context = Context::new();
        let pull = context.build_socket::<Pull>().recv_hwm(0).build().unwrap();
        let push = context.build_socket::<Push>().send_hwm(0).build().unwrap();
        push.connect(pull.bind(anywhere).unwrap()).unwrap();
        let mut message = Message::new();
        let mut burst = |count: u32| {
            for at in 0..count {
                push.send(at.to_be_bytes().repeat(25)).unwrap();
            }
            for at in 0..count {
                pull.recv_into(&mut message).unwrap();
                assert_eq!(message[0][..4], at.to_be_bytes());
            }
        };
        // The allocator may keep what one burst of 30 MB has taken, but the next ones take it again.
        burst(1000);
        let before = memory();
        for _ in 0..5 {
            burst(300_000);
        }
        let after = memory();
        assert!(
            after < before + (64 << 20),
            "{anywhere}: from {before} to {after} bytes"
        );
    }
}

/// One allocation for this many messages is allowed: a pipe takes a chunk now and then.
const PER: u64 = 10;

#[test]
fn receiving_into_the_same_message_does_not_allocate() {
    let _alone = alone();
    for anywhere in everywhere() {
        for size in [1, 20, 200, 2000] {
            let context = Context::new();
            let pull = context.socket::<Pull>().unwrap();
            let push = context.socket::<Push>().unwrap();
            push.connect(pull.bind(anywhere).unwrap()).unwrap();
            let sender = spawn(move || {
                let body = vec![7; size];
                for _ in 0..20_000 {
                    push.send(&body[..]).unwrap();
                }
            });
            let mut message = Message::new();
            for _ in 0..10_000 {
                pull.recv_into(&mut message).unwrap();
            }
            let counted = allocation_counter::measure(|| {
                for _ in 0..10_000 {
                    pull.recv_into(&mut message).unwrap();
                    assert_eq!(message[0].len(), size);
                }
            });
            sender.join();
            let allocations = counted.count_total;
            assert!(
                allocations <= 10_000 / PER,
                "{anywhere}, {size} bytes: {allocations}"
            );
        }
    }
}

#[test]
fn sending_a_slice_does_not_allocate() {
    let _alone = alone();
    for anywhere in everywhere() {
        for size in [1, 20, 200, 2000] {
            let context = Context::new();
            let pull = context.socket::<Pull>().unwrap();
            let push = context.socket::<Push>().unwrap();
            push.connect(pull.bind(anywhere).unwrap()).unwrap();
            let receiver = spawn(move || {
                let mut message = Message::new();
                for _ in 0..20_000 {
                    pull.recv_into(&mut message).unwrap();
                }
            });
            let body = vec![7; size];
            for _ in 0..10_000 {
                push.send(&body[..]).unwrap();
            }
            let counted = allocation_counter::measure(|| {
                for _ in 0..10_000 {
                    push.send(&body[..]).unwrap();
                }
            });
            receiver.join();
            let allocations = counted.count_total;
            assert!(
                allocations <= 10_000 / PER,
                "{anywhere}, {size} bytes: {allocations}"
            );
        }
    }
}

#[test]
fn asking_and_answering_does_not_allocate() {
    let _alone = alone();
    // Inline, in a buffer, and larger than a pipe's first chunk.
    for (anywhere, size) in everywhere()
        .into_iter()
        .flat_map(|at| [50, 200, 3000].map(|n| (at, n)))
    {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let req = context.socket::<Req>().unwrap();
        req.connect(rep.bind(anywhere).unwrap()).unwrap();
        let body = vec![7; size];
        let answer = body[..size / 2].to_vec();
        let server = spawn(move || {
            let serve = |count: u32| {
                let mut message = Message::new();
                for _ in 0..count {
                    rep.recv_into(&mut message).unwrap();
                    rep.send(&answer[..]).unwrap();
                }
            };
            serve(200);
            allocation_counter::measure(|| serve(1000)).count_total
        });
        let ask = |count: u32| {
            let mut message = Message::new();
            for _ in 0..count {
                req.send(&body[..]).unwrap();
                req.recv_into(&mut message).unwrap();
            }
        };
        ask(200);
        let client = allocation_counter::measure(|| ask(1000)).count_total;
        let server = server.join();
        let few = 1000 / PER;
        assert!(
            client <= few && server <= few,
            "{anywhere}, {size} B: {client}, {server}"
        );
    }
}

#[test]
fn routing_does_not_allocate() {
    let _alone = alone();
    for (anywhere, size) in everywhere()
        .into_iter()
        .flat_map(|at| [50, 200, 3000].map(|n| (at, n)))
    {
        let context = Context::new();
        let router = context.socket::<Router>().unwrap();
        let dealer = context.socket::<Dealer>().unwrap();
        dealer.connect(router.bind(anywhere).unwrap()).unwrap();
        let body = vec![7; size];
        let server = spawn(move || {
            let serve = |count: u32| {
                let mut message = Message::new();
                for _ in 0..count {
                    router.recv_into(&mut message).unwrap();
                    // The message goes on its way, so that its body is a new one each time.
                    router.send(std::mem::take(&mut message)).unwrap();
                }
            };
            serve(200);
            allocation_counter::measure(|| serve(1000)).count_total
        });
        let ask = |count: u32| {
            let mut message = Message::new();
            for _ in 0..count {
                dealer.send(&body[..]).unwrap();
                dealer.recv_into(&mut message).unwrap();
            }
        };
        ask(200);
        let client = allocation_counter::measure(|| ask(1000)).count_total;
        let server = server.join();
        let few = 1000 / PER;
        // The frames of a message, and a body that is not inline.
        let taken = 1000 * (1 + u64::from(size > 70));
        assert!(
            client <= few && server <= taken + few,
            "{anywhere}, {size} B: {client}, {server}"
        );
    }
}

#[test]
fn accepting_pauses_when_descriptors_run_out() {
    let _alone = alone();
    let server = Server::new(Wire::Ipc);
    let limit = getrlimit(Resource::Nofile);
    // Descriptors are given out from below, so a few more than now is the limit to come.
    let low = Rlimit {
        current: Some(descriptors() as u64 + 12),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, low).unwrap();
    // One that is there can be given back when none is left.
    let mut raws = Vec::new();
    while let Ok(stream) = std::os::unix::net::UnixStream::connect(
        server.endpoint.to_string().trim_start_matches("ipc://"),
    ) {
        raws.push(stream);
    }
    let paused = wait_for(&server.monitor, "the pause", |event| {
        matches!(event, Event::AcceptPaused { .. })
    });
    // Room again, before anything else here needs some.
    setrlimit(Resource::Nofile, limit).unwrap();
    assert!(matches!(paused, Event::AcceptPaused { reason, .. } if !reason.is_empty()));
    assert!(server.pull.stats().connections.accept_paused >= 1);
    server.goes_on();
    drop(raws);
}

/// Each connection that comes while none can be accepted announces itself.
#[test]
fn accepting_pauses_ten_times_a_second_whoever_comes() {
    let _alone = alone();
    let server = Server::new(Wire::Ipc);
    let path = server.endpoint.to_string().replace("ipc://", "");
    let address = SockAddr::unix(path).unwrap();
    let raws: Vec<_> = (0..90)
        .map(|_| Socket::new(Domain::UNIX, Type::STREAM, None).unwrap())
        .collect();
    let limit = getrlimit(Resource::Nofile);
    let low = Rlimit {
        current: Some(3),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, low).unwrap();
    let begun = Instant::now();
    for raw in &raws {
        raw.connect(&address).unwrap();
        // Apart, so that each is an event of its own.
        std::thread::sleep(Duration::from_millis(4));
    }
    let paused = server.pull.stats().connections.accept_paused;
    let tenths = begun.elapsed().as_millis() as u64 / 100;
    setrlimit(Resource::Nofile, limit).unwrap();
    assert!(
        paused >= 1 && paused <= tenths + 1,
        "{paused} pauses in {tenths} tenths of a second"
    );
    for _ in &raws {
        server.wait_for("all who waited", |event| {
            matches!(event, Event::Accepted { .. })
        });
    }
    server.goes_on();
}

#[test]
fn a_monitor_takes_memory_for_the_events_that_it_holds() {
    let _alone = alone();
    let server = Server::new(Wire::Tcp);
    let mut monitor = None;
    let made = allocation_counter::measure(|| monitor = Some(server.pull.monitor()));
    assert!(made.bytes_total < 2000, "{} bytes", made.bytes_total);
    server.goes_on();
    drop(monitor);
}

/// What strangers make a listener keep for each of them, whatever half of a handshake they send. What CURVE adds is counted
/// in zmtp, as are the operations with keys that it takes.
#[test]
fn a_stranger_costs_four_kibibytes_at_most() {
    const STRANGERS: u64 = 2000;
    let _alone = alone();
    let limit = getrlimit(Resource::Nofile);
    let enough = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, enough).unwrap();
    // Whatever is given back would be memory for the next ones.
    let mut kept = Vec::new();
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let come = |count: u64| {
            let raws = (0..count).map(|at| {
                let mut raw = Raw::connect(&endpoint);
                match at % 3 {
                    0 => {}
                    1 => raw.write_all(&support::greeting()).unwrap(),
                    _ => {
                        raw.write_all(&support::greeting()).unwrap();
                        // The largest part of a READY command that is no error yet.
                        raw.write_all(&[6, 0, 0, 0, 0, 0, 0, 0x10, 0]).unwrap();
                        raw.write_all(b"\x05READY").unwrap();
                    }
                }
                raw
            });
            raws.collect::<Vec<_>>()
        };
        // Tables and the allocator's arenas are there.
        drop(come(200));
        eventually("they are gone", || {
            pull.stats().connections.closed_peer + pull.stats().connections.closed_io >= 200
        });
        let monitor = pull.monitor_only(EventKinds::ACCEPTED);
        let before = memory();
        let raws = come(STRANGERS);
        for _ in 0..STRANGERS {
            assert!(monitor.recv_timeout(PATIENCE).is_some());
        }
        let after = memory();
        let each = after.saturating_sub(before) / STRANGERS;
        println!("{wire:?}: {each} bytes for each stranger");
        assert!(each <= 4096, "{wire:?}: {each} bytes for each stranger");
        kept.push((pull, raws));
    }
    drop(kept);
    setrlimit(Resource::Nofile, limit).unwrap();
}

#[test]
fn a_context_that_cannot_be_made_gives_all_back_at_once() {
    let _alone = alone();
    // Not those of other tests, which wait for their turn.
    let threads = || {
        let all = fs::read_dir("/proc/self/task").unwrap();
        let names =
            all.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
        names.filter(|name| name.starts_with("zlayers-io")).count()
    };
    let limit = getrlimit(Resource::Nofile);
    let before = (descriptors(), threads());
    for more in [0, 1, 2, 3, 5, 60] {
        let low = Rlimit {
            current: Some(before.0 as u64 + more),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, low).unwrap();
        let made = Context::builder().io_threads(100).build();
        setrlimit(Resource::Nofile, limit).unwrap();
        assert!(
            matches!(made, Err(zsocket::Error::Io(_))),
            "{more}: {made:?}"
        );
        assert_eq!(descriptors(), before.0, "{more}");
        // A thread that was joined is listed for a moment longer.
        eventually("the threads are gone", || threads() <= before.1);
    }
    for threads in [1025, usize::MAX] {
        let Err(error) = Context::builder().io_threads(threads).build() else {
            panic!("{threads} threads");
        };
        assert!(error.to_string().contains("io_threads"), "{error}");
        assert!(error.to_string().contains("1024"), "{error}");
    }
}
