//! I/O threads sleep while others have work. Alone in its program, because it looks at all threads.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use zmtp::SocketType;
use zpipe::ReadySet;
use ztransport::{Options, Reactor, SocketHandle};

const THREADS: usize = 4;
const CONNECTIONS: u64 = 100;

/// How often each I/O thread has gone to sleep so far.
fn sleeps() -> Vec<u64> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let all = tasks.map(|task| task.unwrap().path());
    let mut io: Vec<_> = all
        .filter(|task| {
            let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
            name.starts_with("zlayers-io-")
        })
        .collect();
    io.sort();
    let counts = io.iter().map(|task| {
        let status = fs::read_to_string(task.join("status")).unwrap();
        let line = "voluntary_ctxt_switches:";
        let line = status.lines().find_map(|text| text.strip_prefix(line));
        line.unwrap().trim().parse().unwrap()
    });
    counts.collect()
}

#[test]
fn disconnecting_concerns_one_thread() {
    let reactor = Reactor::new(THREADS).unwrap();
    let ready = ReadySet::new();
    let (letters, _mailbox) = zpipe::mailbox(ready.notifier(0));
    let handle = SocketHandle::new(letters, ready.notifier(0));
    let mut options = Options::new(SocketType::Push);
    options.immediate = true;
    options.reconnect_interval = Some(Duration::from_secs(3600));
    let options = Arc::new(options);
    let endpoint = "ipc:///nonexistent/socket".parse().unwrap();
    let connected = (0..CONNECTIONS).map(|_| {
        let (id, _) = reactor.connect(&endpoint, &options, &handle).unwrap();
        id
    });
    let connected: Vec<u64> = connected.collect();
    let deadline = Instant::now() + Duration::from_secs(60);
    while handle.counters().connect_failed.value() < CONNECTIONS {
        assert!(Instant::now() < deadline, "the attempts do not fail");
        std::thread::yield_now();
    }

    let before = sleeps();
    assert_eq!(before.len(), THREADS);
    for (at, id) in connected.into_iter().enumerate() {
        reactor.disconnect(id, Some(Duration::ZERO));
        while reactor.holding().len() + at + 1 > CONNECTIONS as usize {
            assert!(Instant::now() < deadline, "a connection stays");
            std::thread::yield_now();
        }
    }
    let woken: u64 = sleeps()
        .iter()
        .zip(before)
        .map(|(now, then)| now - then)
        .sum();
    // One each, and some to spare for what the system does with them.
    assert!(woken <= CONNECTIONS * 2, "{woken} times");
}
