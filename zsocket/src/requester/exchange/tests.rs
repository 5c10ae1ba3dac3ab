//! A model that looks at all requests each time, against which random operations are tried.

use proptest::prelude::*;

use super::*;

const FIRST: u64 = u64::MAX - 3;
const LIMIT: usize = 6;

fn reply_to(id: u64, body: &str) -> Message {
    Message::from([
        Frame::from(id.to_be_bytes()),
        Frame::new(),
        Frame::from(body),
    ])
}

fn at(start: Instant, ms: u64) -> Instant {
    start + Duration::from_millis(ms)
}

/// Sends one message, if there is one to send, and returns its id and body.
fn send(exchange: &mut Exchange, now: Instant) -> Option<(u64, Message)> {
    let mut message = exchange.outgoing()?.clone();
    exchange.sent(now);
    let envelope: Vec<_> = message.drain_front(2).collect();
    assert!(envelope[1].is_empty());
    let id = u64::from_be_bytes(envelope[0][..].try_into().unwrap());
    Some((id, message))
}

#[test]
fn a_request_travels_behind_its_id_and_an_empty_frame() {
    let mut exchange = Exchange::new(0x0102_0304_0506_0708, 1);
    let body = Message::from(["", "two"]);
    exchange
        .begin(body, None, Retries::default(), false)
        .unwrap();
    let message = exchange.outgoing().unwrap();
    assert_eq!(message.frames()[0], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(message.frames()[1..], ["", "", "two"]);
}

#[test]
fn what_is_not_a_reply_is_told_apart() {
    let now = Instant::now();
    let mut exchange = Exchange::new(FIRST, 9);
    let begin =
        |exchange: &mut Exchange| exchange.begin("x".into(), None, Retries::default(), false);
    let id = begin(&mut exchange).unwrap();
    // It was not even sent, so nobody can know of it.
    exchange.on_message(reply_to(id, "guessed"));
    assert_eq!(exchange.stats().unknown, 0);
    assert_eq!(exchange.stats().late, 1);
    send(&mut exchange, now).unwrap();
    exchange.on_message(reply_to(id.wrapping_add(1), "to the next one"));
    exchange.on_message(reply_to(FIRST - 1, "to an earlier run"));
    assert_eq!(exchange.stats().unknown, 2);
    let envelope = |last: &[&str]| {
        let mut message = Message::from([Frame::from(id.to_be_bytes())]);
        last.iter().for_each(|frame| message.push_back(*frame));
        message
    };
    for malformed in [
        envelope(&[]),
        envelope(&[""]),
        envelope(&["no delimiter", "x"]),
        Message::from(["short", "", "x"]),
        Message::from(["", "x"]),
    ] {
        exchange.on_message(malformed);
    }
    assert_eq!(exchange.stats().malformed, 5);
    assert!(exchange.take(id).is_none());
    exchange.on_message(reply_to(id, "at last"));
    exchange.on_message(reply_to(id, "again"));
    assert_eq!(exchange.take(id), Some(Outcome::Reply("at last".into())));
    exchange.on_message(reply_to(id, "and again"));
    assert_eq!(exchange.stats().late, 3);
    assert_eq!(exchange.stats().answered, 1);
}

#[test]
fn a_body_that_may_be_sent_again_is_not_copied() {
    let mut exchange = Exchange::new(0, 1);
    let retries = Retries {
        times: 1,
        after: Duration::from_millis(1),
    };
    let now = Instant::now();
    let body = vec![7; 5000];
    let place = body.as_ptr();
    let id = exchange.begin(body.into(), None, retries, false).unwrap();
    for attempt in 0..2 {
        let now = at(now, 10 * attempt);
        exchange.on_time(now);
        let (sent, body) = send(&mut exchange, now).unwrap();
        assert_eq!((sent, body[0].as_ptr()), (id, place));
    }
    exchange.on_time(at(now, 100));
    assert!(exchange.outgoing().is_none());
}

#[test]
fn what_is_given_up_leaves_nothing_behind() {
    let mut exchange = Exchange::new(0, 4);
    let now = Instant::now();
    let retries = Retries {
        times: 3,
        after: Duration::from_millis(1),
    };
    for round in 0..1000u64 {
        let body = Message::from(vec![0; 100]);
        let deadline = (round % 2 == 0).then(|| at(now, 50));
        let id = exchange.begin(body, deadline, retries, round % 3 == 0);
        let id = id.unwrap();
        if round % 5 != 0 {
            exchange.outgoing();
        }
        if round % 4 > 1 {
            send(&mut exchange, now).unwrap();
        }
        if round % 7 == 0 {
            exchange.on_message(reply_to(id, "x"));
        }
        assert!(exchange.forget(id));
        assert!(!exchange.forget(id));
        exchange.spent().clear();
        assert!(exchange.requests.is_empty() && exchange.queued.is_empty());
        assert!(exchange.times.is_empty() && exchange.over.is_empty());
        assert!(exchange.outgoing.is_none());
        assert_eq!(exchange.unclaimed(), 0);
    }
    assert_eq!(exchange.stats().forgotten, 1000);
}

#[test]
fn many_that_are_due_take_several_turns() {
    let mut exchange = Exchange::new(0, 1000);
    let now = Instant::now();
    for _ in 0..1000 {
        let begun = exchange.begin("x".into(), Some(now), Retries::default(), false);
        begun.unwrap();
    }
    for turn in 1..=4 {
        assert_eq!(exchange.next_time(), Some(now));
        exchange.on_time(now);
        let expected = (turn * u64::from(DUE_AT_ONCE)).min(1000);
        assert_eq!(exchange.stats().overdue, expected);
    }
    assert_eq!(exchange.next_time(), None);
}

#[test]
fn a_request_that_was_not_sent_is_given_back() {
    let retries = Retries {
        times: 1,
        after: Duration::from_millis(1),
    };
    let body = Message::from(["some", "body"]);
    let mut exchange = Exchange::new(FIRST, 1);
    for (looked_at, retries) in [
        (false, Retries::default()),
        (true, Retries::default()),
        (false, retries),
        (true, retries),
    ] {
        let id = exchange.begin(body.clone(), None, retries, false).unwrap();
        assert!(!looked_at || exchange.outgoing().is_some());
        assert_eq!(exchange.withdraw(id), Some(body.clone()));
        assert!(exchange.outgoing().is_none());
        assert_eq!(exchange.stats(), RequesterStats::default());
    }
    let id = exchange.begin(body, None, retries, false).unwrap();
    send(&mut exchange, Instant::now());
    assert_eq!(exchange.withdraw(id), None);
}

#[derive(Clone, Debug)]
enum Step {
    Begin {
        timeout: Option<u64>,
        times: u32,
        after: u64,
        claimed: bool,
    },
    /// What is first in the queue is looked at, and maybe sent.
    Send(bool),
    /// A reply to one of the last requests, whatever became of it.
    Reply(u64),
    Pass(u64),
    Forget(u64),
    Take(u64),
    TakeAny,
    Claim(u64, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let begin = (
        proptest::option::of(0..40u64),
        0..3u32,
        1..20u64,
        any::<bool>(),
    );
    prop_oneof![
        4 => begin.prop_map(|(timeout, times, after, claimed)| {
            Step::Begin { timeout, times, after, claimed }
        }),
        5 => any::<bool>().prop_map(Step::Send),
        3 => (0..8u64).prop_map(Step::Reply),
        3 => (0..15u64).prop_map(Step::Pass),
        1 => (0..8u64).prop_map(Step::Forget),
        2 => (0..8u64).prop_map(Step::Take),
        2 => Just(Step::TakeAny),
        2 => (0..8u64, any::<bool>()).prop_map(|(back, claimed)| Step::Claim(back, claimed)),
    ]
}

/// A request as the model knows it.
#[derive(Debug)]
struct Known {
    id: u64,
    deadline: Option<u64>,
    times: u32,
    after: u64,
    /// When it was sent last.
    last: u64,
    attempts: u32,
    queued: bool,
    outcome: Option<Outcome>,
    claimed: bool,
}

#[derive(Default)]
struct Model {
    now: u64,
    known: Vec<Known>,
    /// Ids that wait to be sent, and those that are over and unclaimed.
    queue: Vec<u64>,
    over: Vec<u64>,
    begun: u64,
    stats: RequesterStats,
}

impl Model {
    fn find(&mut self, id: u64) -> Option<&mut Known> {
        self.known.iter_mut().find(|known| known.id == id)
    }

    fn end(&mut self, id: u64, outcome: Outcome) {
        self.queue.retain(|queued| *queued != id);
        let known = self.find(id).unwrap();
        known.outcome = Some(outcome);
        if !known.claimed {
            self.over.push(id);
        }
    }

    fn pass(&mut self, ms: u64) {
        // Millisecond by millisecond would give the same, but for the order within one call.
        self.now += ms;
        let now = self.now;
        let mut due: Vec<(u64, u64)> = Vec::new();
        for known in self.known.iter().filter(|known| known.outcome.is_none()) {
            let retry = (known.times > 0 && !known.queued && known.attempts > 0)
                .then_some(known.last + known.after);
            let first = retry.into_iter().chain(known.deadline).min();
            due.extend(first.filter(|at| *at <= now).map(|at| (at, known.id)));
        }
        due.sort_unstable();
        for (_, id) in due {
            let known = self.find(id).unwrap();
            if known.deadline.is_some_and(|deadline| deadline <= now) {
                let attempts = known.attempts;
                self.stats.overdue += 1;
                self.end(id, Outcome::Overdue { attempts });
            } else {
                known.times -= 1;
                known.queued = true;
                self.stats.retried += 1;
                self.queue.push(id);
            }
        }
    }

    fn remove(&mut self, id: u64) -> Known {
        self.queue.retain(|queued| *queued != id);
        self.over.retain(|over| *over != id);
        let at = self.known.iter().position(|known| known.id == id).unwrap();
        self.known.remove(at)
    }
}

proptest! {
    #[test]
    fn agrees_with_a_model(steps in proptest::collection::vec(step(), 0..120)) {
        let start = Instant::now();
        let mut exchange = Exchange::new(FIRST, LIMIT);
        let mut model = Model::default();
        for step in steps {
            let now = at(start, model.now);
            // One of the requests that there have been, counted from the last.
            let back = |model: &Model, back: u64| {
                FIRST.wrapping_add(model.begun).wrapping_sub(1 + back)
            };
            match step {
                Step::Begin { timeout, times, after, claimed } => {
                    let deadline = timeout.map(|ms| model.now + ms);
                    let body = Message::from(model.begun.to_string());
                    let retries = Retries { times, after: Duration::from_millis(after) };
                    let begun = exchange.begin(
                        body.clone(), deadline.map(|ms| at(start, ms)), retries, claimed,
                    );
                    if model.known.len() == LIMIT {
                        prop_assert_eq!(begun, Err(body));
                        continue;
                    }
                    let id = FIRST.wrapping_add(model.begun);
                    prop_assert_eq!(begun, Ok(id));
                    model.begun += 1;
                    model.queue.push(id);
                    model.known.push(Known {
                        id, deadline, times, after, last: 0, attempts: 0, queued: true,
                        outcome: None, claimed,
                    });
                }
                Step::Send(false) => {
                    prop_assert_eq!(exchange.outgoing().is_some(), !model.queue.is_empty());
                }
                Step::Send(true) => {
                    let sent = send(&mut exchange, now);
                    let expected = (!model.queue.is_empty()).then(|| model.queue.remove(0));
                    prop_assert_eq!(sent.as_ref().map(|(id, _)| *id), expected);
                    if let Some((id, body)) = sent {
                        let number = id.wrapping_sub(FIRST).to_string();
                        prop_assert_eq!(body, Message::from(number));
                        let now = model.now;
                        let known = model.find(id).unwrap();
                        known.attempts += 1;
                        known.queued = false;
                        known.last = now;
                        model.stats.sent += 1;
                    }
                }
                Step::Reply(which) => {
                    let id = back(&model, which);
                    exchange.on_message(reply_to(id, "reply"));
                    let is_own = id.wrapping_sub(FIRST) < model.begun;
                    match model.find(id) {
                        Some(known) if known.attempts > 0 && known.outcome.is_none() => {
                            model.stats.answered += 1;
                            model.end(id, Outcome::Reply("reply".into()));
                        }
                        _ if is_own => model.stats.late += 1,
                        _ => model.stats.unknown += 1,
                    }
                }
                Step::Pass(ms) => {
                    model.pass(ms);
                    exchange.on_time(at(start, model.now));
                }
                Step::Forget(which) => {
                    let id = back(&model, which);
                    let is_known = model.find(id).is_some();
                    prop_assert_eq!(exchange.forget(id), is_known);
                    if is_known {
                        model.remove(id);
                        model.stats.forgotten += 1;
                    }
                }
                Step::Take(which) => {
                    let id = back(&model, which);
                    let outcome = model.find(id).and_then(|known| known.outcome.clone());
                    prop_assert_eq!(exchange.take(id), outcome.clone());
                    if outcome.is_some() {
                        model.remove(id);
                    }
                }
                Step::TakeAny => {
                    let first = model.over.first().copied();
                    let expected = first.map(|id| (id, model.remove(id).outcome.unwrap()));
                    prop_assert_eq!(exchange.take_any(), expected);
                }
                Step::Claim(which, claimed) => {
                    let id = back(&model, which);
                    let is_known = model.find(id).is_some();
                    prop_assert_eq!(exchange.claim(id, claimed), is_known);
                    let Some(known) = model.find(id) else { continue };
                    let (before, is_over) = (known.claimed, known.outcome.is_some());
                    known.claimed = claimed;
                    if is_over && before && !claimed {
                        model.over.push(id);
                    } else if claimed {
                        model.over.retain(|over| *over != id);
                    }
                }
            }
            // Due at the same time or not, everything is looked at when it is.
            let next = model.known.iter().filter(|known| known.outcome.is_none()).filter_map(|known| {
                let retry = (known.times > 0 && !known.queued && known.attempts > 0)
                    .then_some(known.last + known.after);
                retry.into_iter().chain(known.deadline).min()
            });
            prop_assert_eq!(exchange.next_time(), next.min().map(|ms| at(start, ms)));
            let unclaimed = model.known.iter().filter(|known| !known.claimed).count();
            prop_assert_eq!(exchange.unclaimed(), unclaimed);
            let in_flight = model.known.len();
            prop_assert_eq!(exchange.stats(), RequesterStats { in_flight, ..model.stats });
            exchange.spent().clear();
        }
    }
}
