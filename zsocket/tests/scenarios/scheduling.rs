//! Which I/O thread does what, and how the operating system runs it.

use std::{
    fs,
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use zsocket::{Context, Error, InvalidOption, Pull, Push, RealTime, Rep, Req, SchedulingError};

use crate::support::{PATIENCE, Raw, eventually, invalid, loopback, message, spawn};

/// The threads of this process with names that begin so: their folders in `/proc`.
fn threads(prefix: &str) -> Vec<std::path::PathBuf> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let tasks = tasks.filter_map(|task| Some(task.ok()?.path()));
    let is_one = |task: &std::path::PathBuf| {
        fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with(prefix))
    };
    tasks.filter(is_one).collect()
}

/// A field of a thread's `stat`, counted from one as proc(5) does.
fn stat(task: &std::path::Path, field: usize) -> i64 {
    let stat = fs::read_to_string(task.join("stat")).unwrap();
    // The second field is a name in brackets, which may hold anything.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let field = rest.split_whitespace().nth(field - 3).unwrap();
    field.parse().unwrap()
}

#[test]
fn a_socket_is_served_by_the_threads_of_its_affinity_or_not_at_all() {
    let context = Context::builder().io_threads(2).build().unwrap();
    for affinity in [0, 1, 2, 3, u64::MAX, 1 << 63 | 2] {
        let (pull, push) = (
            context.socket::<Pull>().unwrap(),
            context.socket::<Push>().unwrap(),
        );
        pull.set_affinity(affinity).unwrap();
        push.set_affinity(affinity).unwrap();
        assert_eq!(pull.affinity(), affinity);
        push.connect(pull.bind(loopback()).unwrap()).unwrap();
        push.send("hello").unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "hello");
    }
    for affinity in [4, 1 << 63] {
        let pull = context.socket::<Pull>().unwrap();
        pull.set_affinity(affinity).unwrap();
        let bound = pull.bind(loopback());
        let connected = pull.connect("tcp://127.0.0.1:1").map(|()| "connected");
        for refused in [bound.map(|_| "bound"), connected] {
            let is_told = matches!(
                refused,
                Err(Error::NoSuchIoThread { affinity: at, io_threads: 2 }) if at == affinity
            );
            assert!(is_told, "{refused:?}");
        }
        // Which needs no thread.
        pull.bind("inproc://needs-no-thread").unwrap();
    }
}

#[test]
fn threads_have_the_names_that_they_are_given() {
    let context = Context::builder()
        .io_threads(2)
        .thread_name_prefix("broker");
    let context = context.build().unwrap();
    // A thread takes its name when it begins to run.
    eventually("both have their names", || threads("broker-io-").len() == 2);
    drop(context);
    for bad in ["a name of many bytes", "zero\0"] {
        let made = Context::builder().thread_name_prefix(bad).build();
        let is_told = matches!(
            invalid(made),
            InvalidOption::Value {
                option: "thread_name_prefix",
                ..
            }
        );
        assert!(is_told, "{bad}");
    }
    // Ten bytes are enough for ten threads, and not for eleven.
    let build = |threads| {
        let builder = Context::builder().io_threads(threads);
        builder.thread_name_prefix("0123456789").build()
    };
    assert!(build(10).is_ok());
    assert!(build(11).is_err());
}

#[test]
fn threads_run_on_the_processors_that_they_are_given() {
    // One that this process may use.
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = |status: &str| {
        let line = status.lines().find(|l| l.starts_with("Cpus_allowed_list:"));
        line.unwrap().split_whitespace().nth(1).unwrap().to_owned()
    };
    let all = allowed(&own);
    let digits = |c: char| !c.is_ascii_digit();
    let first = all.split(digits).next().unwrap();
    let builder = Context::builder().thread_name_prefix("cpus");
    let context = builder.clone().thread_cpus([first.parse().unwrap()]);
    let _context = context.build().unwrap();
    let [task] = &threads("cpus-io-")[..] else {
        panic!()
    };
    let status = fs::read_to_string(task.join("status")).unwrap();
    assert_eq!(allowed(&status), first);
    // This thread goes on as before.
    assert_eq!(
        allowed(&fs::read_to_string("/proc/thread-self/status").unwrap()),
        all
    );
    for absent in [1000, 1 << 20] {
        let made = builder.clone().thread_cpus([absent]).build();
        assert!(
            matches!(made, Err(Error::Scheduling(ref error)) if matches!(**error, SchedulingError::Cpus(_))),
            "{made:?}"
        );
    }
}

#[test]
fn threads_have_the_nice_value_that_they_are_given() {
    let builder = Context::builder().thread_name_prefix("nice");
    let _context = builder.clone().thread_nice(17).build().unwrap();
    let [task] = &threads("nice-io-")[..] else {
        panic!()
    };
    assert_eq!(stat(task, 19), 17);
    for bad in [-21, 20, i32::MAX] {
        let made = builder.clone().thread_nice(bad).build();
        let is_told = matches!(
            invalid(made),
            InvalidOption::Value {
                option: "thread_nice",
                ..
            }
        );
        assert!(is_told, "{bad}");
    }
}

/// It takes a privilege, which whoever runs this may have or not: then the answer is an error, and never silence.
#[test]
fn threads_have_the_real_time_policy_or_the_context_is_not_made() {
    for (number, policy) in [
        (1, RealTime::Fifo { priority: 1 }),
        (2, RealTime::RoundRobin { priority: 1 }),
    ] {
        let builder = Context::builder().thread_name_prefix(format!("rt{number}"));
        match builder.thread_real_time(policy).build() {
            Ok(_context) => {
                let [task] = &threads(&format!("rt{number}-io-"))[..] else {
                    panic!()
                };
                assert_eq!(stat(task, 41), number);
                assert_eq!(stat(task, 40), 1);
            }
            Err(Error::Scheduling(error)) => match *error {
                SchedulingError::RealTime(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
                }
                other => panic!("{other}"),
            },
            Err(other) => panic!("{other}"),
        }
    }
    for priority in [0, 100] {
        let policy = RealTime::Fifo { priority };
        let made = Context::builder().thread_real_time(policy).build();
        let is_told = matches!(
            invalid(made),
            InvalidOption::Value {
                option: "thread_real_time",
                ..
            }
        );
        assert!(is_told, "{priority}");
    }
}

#[test]
fn a_connection_at_full_speed_leaves_others_of_its_thread_their_turn() {
    // All in one thread: what comes at full speed, and requests.
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let rep = context.socket::<Rep>().unwrap();
    let hot = pull.bind(loopback()).unwrap();
    let calm = rep.bind(loopback()).unwrap();
    let is_over = std::sync::Arc::new(AtomicBool::new(false));
    let is_over_too = std::sync::Arc::clone(&is_over);
    let flood = spawn(move || {
        let mut raw = Raw::connect_as(&hot, "PUSH");
        let burst = message(&[&[7; 1000]]).repeat(1000);
        while !is_over_too.load(Ordering::Relaxed) && raw.write_all(&burst).is_ok() {}
    });
    let answers = spawn(move || {
        while let Ok(request) = rep.recv_timeout(PATIENCE) {
            let is_last = request[0] == "last";
            rep.send(request).unwrap();
            if is_last {
                return;
            }
        }
    });
    let asks = std::thread::spawn(move || {
        let req = Context::new().socket::<Req>().unwrap();
        req.connect(&calm).unwrap();
        let mut times = Vec::new();
        for at in 0..=100 {
            let begin = Instant::now();
            req.send(if at == 100 { "last" } else { "?" }).unwrap();
            req.recv_timeout(PATIENCE).unwrap();
            times.push(begin.elapsed());
        }
        times.sort_unstable();
        times[times.len() / 2]
    });
    // Polled, so that the I/O thread does the reading.
    let mut received = 0u64;
    while !asks.is_finished() {
        while pull.try_recv().is_ok() {
            received += 1;
        }
        std::thread::yield_now();
    }
    let median = asks.join().unwrap();
    is_over.store(true, Ordering::Relaxed);
    drop(pull);
    flood.join();
    answers.join();
    assert!(received > 1000, "{received}: not at full speed");
    assert!(median < Duration::from_millis(100), "{median:?}");
}
