//! Who watches a socket, and who does not look at what there is to see; and what is counted for either.

use zsocket::{CloseReason, Context, Event, EventKinds, Monitor, PeerAddress, PeerId, Pull, Push};

use crate::support::{PATIENCE, Raw, WIRES, eventually, loopback, wait_for};

fn is_listening(event: &Event) -> bool {
    matches!(event, Event::Listening { .. })
}

fn is_last(event: &Event) -> bool {
    matches!(event, Event::MonitorStopped)
}

/// How many events there are now.
fn drain(monitor: &Monitor) -> u64 {
    let events = std::iter::from_fn(|| monitor.try_recv());
    let is_real = |event: &Event| !matches!(event, Event::Lagged { .. });
    events.filter(is_real).map(|_| 1).sum()
}

#[test]
fn a_monitor_that_nobody_reads_misses_events_and_holds_nothing_up() {
    // More than a monitor holds, and two events for each.
    const TIMES: u64 = 3000;
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect(pull.bind("ipc://*").unwrap()).unwrap();
    push.send("hello").unwrap();
    pull.recv_timeout(PATIENCE).unwrap();

    let monitor = pull.monitor();
    for at in 0..TIMES {
        let endpoint = pull.bind(loopback()).unwrap();
        pull.unbind(endpoint).unwrap();
        // What the socket is for goes on.
        push.send(at.to_be_bytes()).unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], at.to_be_bytes());
    }
    let lagged = || pull.stats().monitor_lagged;
    assert!(lagged() > 0);
    let mut seen = 0;
    eventually("each event is seen or counted", || {
        seen += drain(&monitor);
        // More, if another test tries to reach a port that it had before.
        seen + lagged() >= 2 * TIMES
    });
    // Once it is read again it misses nothing.
    let before = lagged();
    pull.bind(loopback()).unwrap();
    wait_for(&monitor, "a new event", is_listening);
    assert_eq!(lagged(), before);
}

#[test]
fn every_monitor_is_told_what_happens_after_it_began() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let first = pull.monitor();
    pull.bind(loopback()).unwrap();
    wait_for(&first, "the first event", is_listening);
    let second = pull.monitor();
    let bound = pull.bind(loopback()).unwrap();
    for monitor in [&first, &second] {
        let event = wait_for(monitor, "the second event", is_listening);
        assert!(matches!(event, Event::Listening { endpoint, .. } if endpoint == bound));
    }
    drop(first);
    pull.bind(loopback()).unwrap();
    wait_for(&second, "the third event", is_listening);
    assert_eq!(pull.stats().monitor_lagged, 0);
}

#[test]
fn the_last_event_of_a_monitor_tells_that_it_is_the_last() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let push = context.socket::<Push>().unwrap();
        let [here, there] = [pull.monitor(), push.monitor()];
        push.connect(pull.bind(wire.anywhere()).unwrap()).unwrap();
        push.send("hello").unwrap();
        pull.recv_timeout(PATIENCE).unwrap();
        drop(push);
        // Each connection that was established is said to have ended, by whom.
        wait_for(&there, "our end", |event| {
            matches!(
                event,
                Event::Disconnected {
                    reason: CloseReason::Local,
                    ..
                }
            )
        });
        wait_for(&there, "the last event", is_last);
        wait_for(&here, "the peer's end", |event| {
            matches!(
                event,
                Event::Disconnected {
                    reason: CloseReason::PeerClosed,
                    ..
                }
            )
        });
        drop(pull);
        wait_for(&here, "the last event", is_last);
        for monitor in [here, there] {
            assert!(monitor.recv().is_none());
            assert!(monitor.recv_timeout(PATIENCE).is_none());
        }
    }
}

#[test]
fn what_was_missed_is_told_in_its_place() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let monitor = pull.monitor();
    while pull.stats().monitor_lagged == 0 {
        let endpoint = pull.bind(loopback()).unwrap();
        pull.unbind(endpoint).unwrap();
    }
    let last = pull.bind(loopback()).unwrap();
    // A call that comes back after the I/O thread has done all that was before.
    let other = pull.bind(loopback()).unwrap();
    pull.unbind(other).unwrap();
    let missed_so_far = pull.stats().monitor_lagged;
    let (mut seen, mut told) = (0, 0);
    while let Some(event) = monitor.try_recv() {
        match event {
            Event::Lagged { missed } => told += missed,
            _ => seen += 1,
        }
    }
    assert_eq!(told, missed_so_far);
    assert_eq!(seen, 4096);
    pull.unbind(last).unwrap();
    wait_for(&monitor, "the next event", |event| {
        matches!(event, Event::ListenerClosed { .. })
    });
}

#[test]
fn a_monitor_hears_of_what_it_has_asked_for_alone() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let kinds = EventKinds::BIND_FAILED | EventKinds::LISTENER_CLOSED;
    let monitor = pull.monitor_only(kinds);
    let bound = pull.bind(loopback()).unwrap();
    pull.bind(&bound).unwrap_err();
    let failed = monitor.recv_timeout(PATIENCE);
    let Some(Event::BindFailed {
        endpoint, errno, ..
    }) = failed
    else {
        panic!("{failed:?}")
    };
    assert_eq!(endpoint, bound);
    assert_eq!(errno, rustix::io::Errno::ADDRINUSE.raw_os_error());
    pull.unbind(&bound).unwrap();
    let closed = monitor.recv_timeout(PATIENCE);
    assert!(
        matches!(closed, Some(Event::ListenerClosed { .. })),
        "{closed:?}"
    );
    drop(pull);
    assert!(
        monitor.recv_timeout(PATIENCE).is_none(),
        "not even of its end"
    );
}

#[test]
fn what_a_listener_cannot_clean_up_is_told() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let monitor = pull.monitor_only(EventKinds::CLOSE_FAILED);
    let bound = pull.bind("ipc://*").unwrap();
    // Somebody else has removed the directory that was made for it.
    let path = bound.to_string().replace("ipc://", "");
    std::fs::remove_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
    pull.unbind(&bound).unwrap();
    let event = monitor.recv_timeout(PATIENCE);
    let Some(Event::CloseFailed {
        endpoint, errno, ..
    }) = event
    else {
        panic!("{event:?}")
    };
    assert_eq!(endpoint, bound);
    assert_eq!(errno, rustix::io::Errno::NOENT.raw_os_error());
}

#[test]
fn an_attempt_to_connect_is_told_from_its_beginning_to_its_end() {
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    let monitor = push.monitor();
    let next = || monitor.recv_timeout(PATIENCE).unwrap();
    // A port that nobody listens on, and nobody takes meanwhile.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    push.connect(format!("tcp://127.0.0.1:{port}").as_str())
        .unwrap();
    for _ in 0..2 {
        assert!(matches!(next(), Event::ConnectDelayed { .. }));
        let failed = next();
        let Event::ConnectFailed {
            errno, descriptor, ..
        } = failed
        else {
            panic!("{failed:?}")
        };
        assert_eq!(errno, rustix::io::Errno::CONNREFUSED.raw_os_error());
        assert!(descriptor.is_some());
        assert!(matches!(next(), Event::ConnectRetried { .. }));
    }
}

#[test]
fn events_of_a_connection_tell_its_two_ends_and_the_peer() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let push = context.socket::<Push>().unwrap();
        let [here, there] = [pull.monitor(), push.monitor()];
        push.connect(pull.bind(wire.anywhere()).unwrap()).unwrap();
        push.send("hello").unwrap();
        let (_, sender) = pull.recv_from().unwrap();
        let came = wait_for(&here, "accepted", |e| matches!(e, Event::Accepted { .. }));
        let Event::Accepted {
            peer,
            connection: came,
            ..
        } = came
        else {
            panic!()
        };
        let went = wait_for(&there, "connected", |e| {
            matches!(e, Event::Connected { .. })
        });
        let Event::Connected {
            connection: went, ..
        } = went
        else {
            panic!()
        };
        assert!(went.outgoing && !came.outgoing);
        assert_eq!(PeerId::from(&came), sender);
        assert!(came.descriptor >= 0 && went.descriptor >= 0);
        if let PeerAddress::Tcp(_) = peer {
            assert_eq!(
                went.local, peer,
                "what is here for one is there for the other"
            );
        }
        push.close();
        let end = wait_for(&here, "the end", |e| {
            matches!(e, Event::Disconnected { .. })
        });
        let Event::Disconnected {
            connection: end, ..
        } = end
        else {
            panic!()
        };
        assert_eq!(end, came, "from the first event to the last");
    }
}

#[test]
fn each_connection_is_counted_by_who_has_ended_it() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let connections = || pull.stats().connections;
        let [first, mut second, mut third] = [(); 3].map(|()| Raw::connect_as(&endpoint, "PUSH"));
        eventually("all of them are there", || connections().open == 3);
        first.finish();
        drop(first);
        eventually("one is gone", || connections().closed_peer == 1);
        pull.unbind(&endpoint).unwrap();
        second.expect_close();
        third.expect_close();
        eventually("two are closed", || connections().closed_local == 2);
        let ended = connections();
        assert_eq!((ended.open, ended.established), (0, 3));
        assert_eq!((ended.closed_peer, ended.closed_io), (1, 0));
    }
}
