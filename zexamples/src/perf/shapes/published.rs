//! One PUB and many SUB.
//!
//! Nothing is dropped: the publisher waits for whoever is full. Before the clock starts it publishes *probes*, the topics
//! alone, until each subscriber has got one and the parent says `go`.

use std::thread;
use std::time::{Duration, Instant};

use super::kit::{End, Kit, Publishes, Receives, Sends, Subscribes};
use super::{Shape, expect, say_result};
use crate::{Parent, Result};

/// Bytes of a topic: the number of the subscriber.
const TOPIC: usize = 4;

/// So rare that those who have theirs do not have to read many more.
const BETWEEN_PROBES: Duration = Duration::from_millis(20);

/// Messages that a subscriber receives before the next one has its turn.
const TURN: u64 = 50;

/// What each subscriber subscribes to: its number, or all.
fn topics(shape: &Shape, own: bool) -> Vec<Vec<u8>> {
    let topic = |n: u32| {
        if own {
            n.to_be_bytes().to_vec()
        } else {
            Vec::new()
        }
    };
    (0..shape.peers).map(topic).collect()
}

/// How many messages each subscriber gets.
fn share(shape: &Shape) -> u64 {
    shape.count.div_ceil(u64::from(shape.peers))
}

pub(super) fn publish<K: Kit>(
    shape: Shape,
    own: bool,
    endpoint: &str,
    parent: &Parent,
) -> Result<()> {
    let context = K::context();
    let publisher = K::Pub::open(&context, shape.hwm)?;
    shape.bind(&publisher, endpoint, shape.peers, parent)?;
    let topics = topics(&shape, own);
    loop {
        match parent.try_hear()?.as_deref() {
            None => topics.iter().try_for_each(|topic| publisher.send(topic))?,
            Some("go") => break,
            Some(heard) => {
                return Err(format!("the parent said {heard:?} instead of \"go\"").into());
            }
        }
        thread::sleep(BETWEEN_PROBES);
    }
    // Probes may be lost: whoever waits for its first one does not read, and must not be waited for.
    publisher.drop_nothing()?;
    let mut body = vec![0; (shape.size as usize).max(TOPIC + 1)];
    let each = if own { &topics[..] } else { &[] };
    for _ in 0..share(&shape) {
        if each.is_empty() {
            publisher.send(&body)?;
        }
        for topic in each {
            body[..TOPIC].copy_from_slice(topic);
            publisher.send(&body)?;
        }
    }
    let sent = share(&shape) * u64::from(shape.peers);
    parent.say("sent", &sent.to_string())?;
    expect(parent, "close")
}

pub(super) fn subscribe<K: Kit>(
    shape: Shape,
    own: bool,
    endpoint: &str,
    parent: &Parent,
) -> Result<()> {
    let context = K::context();
    let subscribers: Vec<K::Sub> = shape.connect_all(&context, endpoint)?;
    let mut message = K::message(&[])?;
    for (subscriber, topic) in subscribers.iter().zip(topics(&shape, own)) {
        subscriber.subscribe(&topic)?;
    }
    for subscriber in &subscribers {
        shape.check_probe(own, subscriber.receive(&mut message)?)?;
    }
    parent.say("ready", "")?;
    // What came before the first message are more probes.
    let probe = if own { TOPIC } else { 0 };
    let size = (shape.size as usize).max(TOPIC + 1);
    let mut start = None;
    for subscriber in &subscribers {
        while subscriber.receive(&mut message)? == probe {}
        start = start.or_else(|| Some(Instant::now()));
    }
    let mut left = share(&shape) - 1;
    while left > 0 {
        let turn = left.min(TURN);
        for subscriber in &subscribers {
            for _ in 0..turn {
                let received = subscriber.receive(&mut message)?;
                if received != size {
                    return Err(format!("a message of {received} B instead of {size} B").into());
                }
            }
        }
        left -= turn;
    }
    say_result(
        parent,
        start.map_or(Duration::ZERO, |start| start.elapsed()),
    )?;
    let received = share(&shape) * u64::from(shape.peers);
    parent.say("received", &received.to_string())?;
    expect(parent, "close")
}

impl Shape {
    fn check_probe(&self, own: bool, size: usize) -> Result<()> {
        let expected = if own { TOPIC } else { 0 };
        if size == expected {
            Ok(())
        } else {
            Err(format!("a probe of {size} B").into())
        }
    }
}
