use std::sync::mpsc;

use super::*;

/// Never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

fn question(number: u64) -> Question {
    let Ok(crate::Endpoint::Tcp(endpoint)) = format!("tcp://name{number}:1").parse() else {
        panic!("not tcp");
    };
    Question {
        endpoint,
        ipv6: false,
    }
}

fn nothing() -> Resolved {
    Resolved {
        addresses: Vec::new(),
        source: None,
    }
}

/// A resolver whose name server answers when the test lets it, and the questions it has been asked.
fn scripted() -> (Resolver, mpsc::Receiver<Question>, mpsc::Sender<()>) {
    let (asked, questions) = mpsc::channel();
    let (go, permits) = mpsc::channel();
    let permits = Guarded::new(permits);
    let resolver = Resolver::new(move |question| {
        asked.send(question.clone()).unwrap();
        // One that is let go lets the others wait.
        permits.lock().recv_timeout(PATIENCE).unwrap();
        Ok(nothing())
    });
    (resolver, questions, go)
}

fn workers(resolver: &Resolver) -> usize {
    resolver.handle.shared.state.lock().workers
}

#[test]
fn a_silent_name_server_holds_a_few_threads_and_names_keep_their_order() {
    let (resolver, questions, go) = scripted();
    let (answers, answered) = mpsc::channel();
    const NAMES: u64 = 600;
    for number in 0..NAMES {
        let answers = answers.clone();
        resolver.ask(number, question(number), move |_| {
            answers.send(number).unwrap();
        });
        assert!(workers(&resolver) <= MAX_WORKERS);
    }
    let first: Vec<_> = (0..MAX_WORKERS)
        .map(|_| questions.recv_timeout(PATIENCE).unwrap())
        .collect();
    assert!(questions.try_recv().is_err(), "more at a time");
    assert!((0..MAX_WORKERS as u64).all(|number| first.contains(&question(number))));
    for number in MAX_WORKERS as u64..NAMES {
        go.send(()).unwrap();
        assert_eq!(questions.recv_timeout(PATIENCE).unwrap(), question(number));
    }
    for _ in 0..MAX_WORKERS {
        go.send(()).unwrap();
    }
    let mut numbers: Vec<_> = (0..NAMES)
        .map(|_| answered.recv_timeout(PATIENCE).unwrap())
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..NAMES));
    assert!(workers(&resolver) <= MAX_WORKERS);
}

#[test]
fn a_name_is_looked_up_once_for_all_who_ask() {
    let (resolver, questions, go) = scripted();
    let (answers, answered) = mpsc::channel();
    for connection in 0..10 {
        let answers = answers.clone();
        resolver.ask(connection, question(0), move |_| {
            answers.send(connection).unwrap();
        });
    }
    questions.recv_timeout(PATIENCE).unwrap();
    // While it is under way, too.
    let last = answers.clone();
    resolver.ask(10, question(0), move |_| {
        last.send(10).unwrap();
    });
    go.send(()).unwrap();
    for connection in 0..=10 {
        assert_eq!(answered.recv_timeout(PATIENCE).unwrap(), connection);
    }
    assert!(questions.try_recv().is_err());
    // And again when it has been answered.
    resolver.ask(0, question(0), move |_| {
        answers.send(0).unwrap();
    });
    questions.recv_timeout(PATIENCE).unwrap();
    go.send(()).unwrap();
    answered.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn what_nobody_waits_for_any_more_is_not_looked_up() {
    let (resolver, questions, go) = scripted();
    for number in 0..100 {
        resolver.ask(number, question(number), |_| ());
    }
    for _ in 0..MAX_WORKERS {
        questions.recv_timeout(PATIENCE).unwrap();
    }
    for number in 0..99 {
        resolver.forget(number);
    }
    {
        let state = resolver.handle.shared.state.lock();
        assert_eq!((state.queue.len(), state.asked.len()), (1, 1));
        assert_eq!(state.entries.len(), 1 + MAX_WORKERS);
    }
    go.send(()).unwrap();
    assert_eq!(questions.recv_timeout(PATIENCE).unwrap(), question(99));
    // The threads end, though nobody waits for them.
    let shared = Arc::downgrade(&resolver.handle.shared);
    drop(resolver);
    for _ in 0..MAX_WORKERS {
        go.send(()).unwrap();
    }
    let begun = Instant::now();
    while shared.strong_count() > 0 {
        assert!(begun.elapsed() < PATIENCE, "a thread has stayed");
        thread::yield_now();
    }
}

#[test]
fn failures_reach_everybody() {
    let resolver = Resolver::new(|_| Err(io::Error::new(io::ErrorKind::NotFound, "no such name")));
    let (answers, answered) = mpsc::channel();
    for connection in 0..3 {
        let answers = answers.clone();
        resolver.ask(connection, question(0), move |found| {
            answers.send(found).unwrap();
        });
    }
    for _ in 0..3 {
        let error = answered.recv_timeout(PATIENCE).unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(error.to_string(), "no such name");
    }
}
