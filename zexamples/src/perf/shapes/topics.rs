//! One PUB and one SUB with very many topics.
//!
//! | | the publisher | the subscriber | measured |
//! |---|---|---|---|
//! | 1 | publishes probes | subscribes to all topics, and then to the probe's | until the probe comes: all topics stand; memory of both |
//! | 2 | publishes what nobody wants | | time for each message |
//! | 3 | publishes what is wanted, one topic after the other | receives it | time for each message |
//! | 4 | publishes other probes | takes all topics back, then subscribes to the probe's | until the probe comes |
//! | 5 | publishes other probes | subscribes to all topics again, and is killed | |
//! | 6 | publishes what nobody wants | | the longest call |
//!
//! The parent says `go` for the next step, and `stop` at the end of the last. All topics are as long, and what nobody wants
//! differs from a topic in its last byte alone. Subscriptions have no high-water mark: libzmq drops those beyond it.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::kit::{End, Kit, Publishes, Receives, Sends, Subscribes};
use super::{Shape, expect};
use crate::{Footprint, Parent, Result};

/// What the topics are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Form {
    /// Names with a hierarchy, 30 bytes long
    #[default]
    Names,
    /// 180 bytes that all have in common, and 8 of their own
    Long,
    /// 16 random bytes
    Binary,
}

const PROBE: [&[u8]; 3] = [b"\xffa", b"\xffbb", b"\xffccc"];

/// To whom the first probe is of interest, this is as well.
const END: &[u8] = b"\xffa the end";

/// Short: a publisher takes in what its subscriber asks for when it is called.
const BETWEEN_PROBES: Duration = Duration::from_micros(20);

/// Messages between two looks at the clock.
const LOOK: usize = 64;

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Names => "names",
            Self::Long => "long",
            Self::Binary => "binary",
        })
    }
}

impl Form {
    /// The topic with a number, always of the same length.
    fn topic(self, n: u32) -> Vec<u8> {
        match self {
            Self::Names => format!("market/{:03}/instrument/{n:07}/", n / 10 % 1000).into_bytes(),
            Self::Long => format!("{:/<180}{n:08x}", "all/have/this/in/common/").into_bytes(),
            Self::Binary => {
                // Two rounds of a mixing function that is one to one.
                let mix = |seed: u64| {
                    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    z ^ (z >> 31)
                };
                let first = mix(u64::from(n));
                [first.to_be_bytes(), mix(first).to_be_bytes()].concat()
            }
        }
    }
}

/// All topics, or all bodies, one behind the other, so that making them is not measured and takes no memory later.
struct Series {
    bytes: Vec<u8>,
    each: usize,
}

impl Series {
    fn new(order: impl Iterator<Item = u32>, make: impl Fn(u32) -> Vec<u8>) -> Self {
        let (mut bytes, mut each) = (Vec::new(), 1);
        for n in order {
            let one = make(n);
            each = one.len();
            bytes.extend(one);
        }
        Self { bytes, each }
    }

    fn topics(shape: &Shape) -> Self {
        Self::new(0..shape.peers, |n| shape.form.topic(n))
    }

    /// In another order than that in which the topics are subscribed to.
    fn bodies(shape: &Shape) -> Self {
        let stride = 1_000_003;
        let order = 0..u64::from(shape.peers);
        let order = order.map(|n| (n * stride % u64::from(shape.peers)) as u32);
        Self::new(order, |n| {
            let mut body = shape.form.topic(n);
            body.resize((shape.size as usize).max(body.len() + 1), 0);
            body
        })
    }

    fn all(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.bytes.chunks_exact(self.each)
    }

    /// Changes the last byte of the topic in each body, to what no topic has there, or back.
    fn turn(&mut self, topic: usize) {
        for body in self.bytes.chunks_exact_mut(self.each) {
            body[topic - 1] ^= 0x80;
        }
    }
}

/// Publishes something again and again until the parent says `go`.
fn publish_probes<S: Sends>(publisher: &S, probe: &[u8], parent: &Parent) -> Result<()> {
    loop {
        match parent.try_hear()?.as_deref() {
            None => drop(publisher.offer(probe)?),
            Some("go") => return Ok(()),
            Some(heard) => {
                return Err(format!("the parent said {heard:?} instead of \"go\"").into());
            }
        }
        thread::sleep(BETWEEN_PROBES);
    }
}

/// Publishes bodies for as long as the shape says; how many, and in what time.
fn publish_all<S: Sends>(
    shape: &Shape,
    publisher: &S,
    bodies: &Series,
) -> Result<(usize, Duration)> {
    let limit = Duration::from_millis(shape.count);
    let start = Instant::now();
    let mut sent = 0;
    let mut bodies = bodies.all().cycle();
    while start.elapsed() < limit {
        for body in bodies.by_ref().take(LOOK) {
            publisher.send(body)?;
            sent += 1;
        }
    }
    Ok((sent, start.elapsed()))
}

fn say_memory(parent: &Parent, before: Footprint) -> Result<()> {
    let taken = Footprint::now()?.anonymous.saturating_sub(before.anonymous);
    parent.say("memory", &taken.to_string())
}

fn say_time(parent: &Parent, key: &str, time: Duration) -> Result<()> {
    parent.say(key, &time.as_secs_f64().to_string())
}

pub(super) fn publish<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let mut bodies = Series::bodies(&shape);
    let topic = shape.form.topic(0).len();
    let context = K::context();
    let publisher = K::Pub::open(&context, shape.hwm)?;
    publisher.limit(shape.hwm, 0)?;
    shape.bind(&publisher, endpoint, 1, parent)?;
    let before = Footprint::now()?;
    publish_probes(&publisher, PROBE[0], parent)?;
    say_memory(parent, before)?;

    bodies.turn(topic);
    let (sent, elapsed) = publish_all(&shape, &publisher, &bodies)?;
    say_time(parent, "unwanted", elapsed.div_f64(sent as f64))?;

    expect(parent, "go")?;
    publisher.drop_nothing()?;
    bodies.turn(topic);
    let (sent, _) = publish_all(&shape, &publisher, &bodies)?;
    publisher.send(END)?;
    parent.say("sent", &sent.to_string())?;

    publish_probes(&publisher, PROBE[1], parent)?;
    publish_probes(&publisher, PROBE[2], parent)?;
    bodies.turn(topic);
    let mut longest = Duration::ZERO;
    let mut unwanted = bodies.all().cycle();
    while parent.try_hear()?.is_none() {
        for body in unwanted.by_ref().take(LOOK) {
            let start = Instant::now();
            publisher.send(body)?;
            longest = longest.max(start.elapsed());
        }
    }
    say_time(parent, "longest", longest)?;
    expect(parent, "close")
}

pub(super) fn subscribe<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let topics = Series::topics(&shape);
    let context = K::context();
    let subscriber = K::Sub::open(&context, shape.hwm)?;
    subscriber.limit(0, shape.hwm)?;
    subscriber.establish(1, |subscriber| subscriber.connect(endpoint))?;
    parent.say("ready", "")?;
    expect(parent, "go")?;
    let mut message = K::message(&[])?;
    let mut receive = || subscriber.receive(&mut message);
    let before = Footprint::now()?;
    let start = Instant::now();
    topics
        .all()
        .try_for_each(|topic| subscriber.subscribe(topic))?;
    subscriber.subscribe(PROBE[0])?;
    receive()?;
    say_time(parent, "stand", start.elapsed())?;
    say_memory(parent, before)?;

    // More probes come first.
    let mut size = receive()?;
    while size == PROBE[0].len() {
        size = receive()?;
    }
    let start = Instant::now();
    let mut received = 0;
    while size != END.len() {
        received += 1;
        size = receive()?;
    }
    if received == 0 {
        return Err("nothing was received".into());
    }
    let each = start.elapsed().div_f64(f64::from(received));
    say_time(parent, "wanted", each)?;
    parent.say("received", &received.to_string())?;

    expect(parent, "go")?;
    let start = Instant::now();
    topics
        .all()
        .try_for_each(|topic| subscriber.unsubscribe(topic))?;
    subscriber.subscribe(PROBE[1])?;
    receive()?;
    say_time(parent, "gone", start.elapsed())?;

    topics
        .all()
        .try_for_each(|topic| subscriber.subscribe(topic))?;
    subscriber.subscribe(PROBE[2])?;
    while receive()? != PROBE[2].len() {}
    parent.say("again", "")?;
    // The end comes without notice.
    expect(parent, "")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn topics_differ_and_are_as_long() {
        for form in Form::value_variants() {
            let topics: HashSet<Vec<u8>> = (0..20_000).map(|n| form.topic(n)).collect();
            assert_eq!(topics.len(), 20_000);
            let length = form.topic(999_999).len();
            assert!(topics.iter().all(|topic| topic.len() == length));
            // No probe is for them, and none of them is for a probe.
            assert!(length > END.len() && PROBE.iter().all(|probe| probe.len() < END.len()));
        }
    }
}
