//! PUB, XPUB, SUB and XSUB: who gets what, and what a publisher hears of its subscribers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use fastrand::Rng;
use zexamples::Result;
use zsocket::{Pub, Socket, Sub, XPub, XSub};

use super::books::Issues;
use super::kit::{Part, Scene, part};
use super::listener;
use super::publisher::{self, Publisher};
use crate::stage::lock;

/// What messages are about: their first frames.
pub(super) const TOPICS: [&str; 8] = ["a", "ab", "abc", "b", "bc", "c", "cd", "d"];
/// What is subscribed to, each the beginning of some topics.
pub(super) const PREFIXES: [&str; 7] = ["", "a", "ab", "abc", "b", "c", "dx"];
/// What newcomers are sent.
pub(super) const WELCOME: &str = "~welcome";

/// What the publishers are set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Plain,
    Inverted,
    Verbose,
    Verboser,
    Manual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaves {
    Nobody,
    Publishers,
    Subscribers,
}

#[derive(Debug)]
pub(super) struct Options {
    pub(super) leaves: Leaves,
    pub(super) rule: Rule,
    pub(super) no_drop: bool,
    pub(super) welcome: bool,
    pub(super) publishers: usize,
    pub(super) subscribers: usize,
}

pub(super) struct Set<'s> {
    pub(super) scene: &'s Scene,
    pub(super) options: Options,
    pub(super) places: Vec<String>,
    /// What was published, a stream for each life of a publisher.
    pub(super) issues: Issues,
    /// What subscribers that stay have subscribed to.
    pub(super) interests: Mutex<Vec<(usize, Vec<&'static str>)>>,
    /// Messages that those who stay have received.
    pub(super) arrived: AtomicU64,
    /// Messages, one for each of those who stay, that publishers have counted as dropped.
    pub(super) dropped: AtomicU64,
    /// Subscribers that have left for good.
    pub(super) gone: AtomicUsize,
}

pub(super) fn play(scene: &Scene, rng: &mut Rng) -> Result<()> {
    let leaves = match rng.u32(..3) {
        0 => Leaves::Nobody,
        // Over inproc a connector does not notice that a binder is there again.
        1 if !scene.is_inproc() => Leaves::Publishers,
        _ => Leaves::Subscribers,
    };
    let rule = match rng.u32(..6) {
        0 => Rule::Verbose,
        1 => Rule::Verboser,
        2 => Rule::Manual,
        // Who is to be waited for is not known while others come and go.
        3 if leaves != Leaves::Subscribers => Rule::Inverted,
        _ => Rule::Plain,
    };
    let set = Set {
        scene,
        options: Options {
            leaves,
            rule,
            no_drop: rng.bool(),
            welcome: rule != Rule::Inverted && rng.bool(),
            publishers: rng.usize(1..=2),
            subscribers: rng.usize(1..=5),
        },
        places: (0..2).map(|_| scene.place()).collect(),
        issues: Issues::default(),
        interests: Mutex::default(),
        arrived: AtomicU64::new(0),
        dropped: AtomicU64::new(0),
        gone: AtomicUsize::new(0),
    };
    let options = format!("{:?}", set.options);
    run(set, rng).map_err(|error| format!("{options}: {error}").into())
}

fn run(mut set: Set<'_>, rng: &mut Rng) -> Result<()> {
    let scene = set.scene;
    let (publishers, subscribers) = (set.options.publishers, set.options.subscribers);
    // An XPUB can do what these rules say, a PUB the rest.
    let xpubs = !matches!(set.options.rule, Rule::Plain | Rule::Inverted) || rng.bool();
    let mut born: Vec<Box<dyn Born>> = Vec::new();
    set.places.truncate(publishers);
    for number in 0..publishers {
        if xpubs {
            born.push(Box::new(publisher::open::<XPub>(&set, number, rng)?));
        } else {
            born.push(Box::new(publisher::open::<Pub>(&set, number, rng)?));
        }
    }
    for (number, publisher) in born.iter().enumerate() {
        set.places[number] = publisher.place();
    }
    scene.expect(publishers);
    let set = &set;
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (number, publisher) in born.into_iter().enumerate() {
        let rng = Rng::with_seed(rng.u64(..));
        parts.push(part(format!("publisher {number}"), move || {
            publisher.publish(set, number, rng)
        }));
    }
    for number in 0..subscribers {
        let mut rng = Rng::with_seed(rng.u64(..));
        // An XSUB does not look at what comes, so it does not see that it is for others.
        let xsub = set.options.rule != Rule::Inverted && rng.bool();
        parts.push(part(format!("subscriber {number}"), move || {
            if xsub {
                listener::listen::<XSub>(set, number, rng)
            } else {
                listener::listen::<Sub>(set, number, rng)
            }
        }));
    }
    scene.play(parts)?;
    set.check()
}

/// A publisher whose type is no matter any more.
trait Born: Send {
    fn place(&self) -> String;
    fn publish(self: Box<Self>, set: &Set<'_>, number: usize, rng: Rng) -> Result<()>;
}

impl<P: Publisher> Born for Socket<P>
where
    Self: Send,
{
    fn place(&self) -> String {
        self.last_endpoint()
            .map_or_else(String::new, |at| at.to_string())
    }

    fn publish(self: Box<Self>, set: &Set<'_>, number: usize, rng: Rng) -> Result<()> {
        publisher::publish(set, *self, number, rng)
    }
}

impl Set<'_> {
    /// Whether a message about this is for somebody with these subscriptions.
    pub(super) fn is_for(&self, interests: &[&str], topic: &str) -> bool {
        let matches = interests.iter().any(|prefix| topic.starts_with(prefix));
        matches != (self.options.rule == Rule::Inverted)
    }

    /// What can be subscribed to. To everything only where it is known who does.
    pub(super) fn prefixes(&self) -> &'static [&'static str] {
        match self.options.leaves {
            Leaves::Nobody | Leaves::Publishers => &PREFIXES,
            Leaves::Subscribers => &PREFIXES[1..],
        }
    }

    /// How many have subscribed to what begins the mark of this one who stays, when all subscriptions stand; `None`
    /// while not all have said what they want.
    pub(super) fn wanted(&self, subscriber: usize) -> Option<usize> {
        let interests = lock(&self.interests);
        let everyone = match self.options.leaves {
            Leaves::Nobody | Leaves::Publishers => self.options.subscribers,
            Leaves::Subscribers => 1,
        };
        let takes_all = |own: &&(usize, Vec<&str>)| own.0 == subscriber || own.1.contains(&"");
        (interests.len() == everyone).then(|| interests.iter().filter(takes_all).count())
    }

    /// Those who stay, whose subscriptions stand before anything is published.
    pub(super) fn stays(&self, subscriber: usize) -> bool {
        self.options.leaves != Leaves::Subscribers || subscriber == 0
    }

    /// How many messages those who stay ought to have received, if none was dropped.
    pub(super) fn expected(&self) -> u64 {
        let interests = lock(&self.interests);
        let published = self.issues.by_topic(TOPICS.len());
        let of = |(_, interests): &(usize, Vec<&'static str>)| -> u64 {
            let topics = TOPICS.iter().zip(&published);
            topics
                .filter(|(topic, _)| self.is_for(interests, topic))
                .map(|(_, count)| count)
                .sum()
        };
        interests.iter().map(of).sum()
    }

    fn check(&self) -> Result<()> {
        let (expected, arrived, dropped) = (
            self.expected(),
            self.arrived.load(Ordering::Relaxed),
            self.dropped.load(Ordering::Relaxed),
        );
        let missing = expected.checked_sub(arrived).ok_or_else(|| {
            format!("{arrived} messages came, and {expected} were published for those who got them")
        })?;
        self.scene.missing.fetch_add(missing, Ordering::Relaxed);
        let explained = missing == dropped && !(self.options.no_drop && dropped > 0);
        if explained {
            return Ok(());
        }
        Err(format!(
            "{missing} of {expected} messages are missing, {dropped} were counted as dropped"
        )
        .into())
    }
}
