//! Those who publish, in scenes of publishers and subscribers.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::Result;
use zsocket::{Blocked, CanPublish, CanSend, Error, Message, Pub, Socket, TypedPattern, XPub};

use super::kit::{Explain, WAIT, lifetime};
use super::publish::{Leaves, Rule, Set, TOPICS, WELCOME};
use crate::sender::pause;

/// PUB or XPUB.
pub(super) trait Publisher: CanPublish + CanSend + TypedPattern {
    /// What it has heard of its subscribers, if that is for it to hear.
    fn hear(socket: &Socket<Self>) -> Result<Option<Message>>
    where
        Self: Sized;

    fn configure(socket: &Socket<Self>, rule: Rule) -> Result<(), Error>
    where
        Self: Sized;

    /// Gives who has asked last what it has asked for.
    fn grant(socket: &Socket<Self>, begins: bool, topic: &[u8]) -> Result<(), Error>
    where
        Self: Sized,
    {
        if begins {
            socket.subscribe_last(topic)?;
        } else {
            socket.unsubscribe_last(topic)?;
        }
        Ok(())
    }
}

impl Publisher for Pub {
    fn hear(_: &Socket<Self>) -> Result<Option<Message>> {
        Ok(None)
    }

    fn configure(_: &Socket<Self>, _: Rule) -> Result<(), Error> {
        Ok(())
    }
}

impl Publisher for XPub {
    fn hear(socket: &Socket<Self>) -> Result<Option<Message>> {
        match socket.try_recv() {
            Ok(message) => Ok(Some(message)),
            Err(Error::WouldBlock(_)) => Ok(None),
            Err(error) => Err(error).explain("hearing of subscriptions", socket),
        }
    }

    fn configure(socket: &Socket<Self>, rule: Rule) -> Result<(), Error> {
        match rule {
            Rule::Plain | Rule::Inverted => Ok(()),
            Rule::Verbose => socket.set_verbose(true),
            Rule::Verboser => socket.set_verboser(true),
            Rule::Manual => socket.set_manual(true),
        }
    }
}

/// A publisher that is bound.
pub(super) fn open<P: Publisher>(set: &Set<'_>, number: usize, rng: &mut Rng) -> Result<Socket<P>> {
    let socket = set.scene.socket::<P>(rng)?;
    P::configure(&socket, set.options.rule)?;
    socket.set_no_drop(set.options.no_drop)?;
    socket.set_invert_publishing(set.options.rule == Rule::Inverted)?;
    if set.options.welcome {
        socket.set_welcome_message(Some(WELCOME.into()))?;
    }
    set.scene.bind(&socket, &set.places[number])?;
    Ok(socket)
}

/// Publishes until the scene is over, and stays until all subscribers have left.
pub(super) fn publish<P: Publisher>(
    set: &Set<'_>,
    mut socket: Socket<P>,
    number: usize,
    mut rng: Rng,
) -> Result<()> {
    let scene = set.scene;
    loop {
        let mut heard = Heard::new(set.options.rule);
        await_subscribers(set, &socket, &mut heard)?;
        let stream = set.issues.begin();
        let end = lifetime(&mut rng);
        for seq in 0..rng.u64(1..2000) {
            if scene.over() || set.options.leaves == Leaves::Publishers && Instant::now() > end {
                break;
            }
            heard.listen(&socket)?;
            let topic = rng.usize(..TOPICS.len());
            let mut message = scene.message(stream, seq, &mut rng);
            message.push_front(TOPICS[topic]);
            set.issues.publish(stream, topic);
            socket.send(message).explain("publishing", &socket)?;
            pause(&mut rng);
            if rng.u32(..30) == 0 {
                // It never waits otherwise, and most would be dropped.
                thread::sleep(Duration::from_micros(rng.u64(..2000)));
            }
        }
        if set.options.leaves != Leaves::Publishers || scene.over() {
            set.dropped
                .fetch_add(dropped_for_those_who_stay(&socket), Ordering::Relaxed);
            scene.done();
            return see_them_off(set, &socket, &mut heard);
        }
        let counted = dropped_for_those_who_stay(&socket);
        let report = socket.close_and_wait(WAIT);
        let dropped = counted + report.discarded();
        set.dropped.fetch_add(dropped, Ordering::Relaxed);
        if !report.is_complete() {
            return Err(format!("the subscribers are there, and yet: {report}").into());
        }
        scene.came_back();
        scene.pause(&mut rng, Duration::from_millis(50));
        socket = open(set, number, &mut rng)?;
    }
}

/// What those who stay say of themselves.
pub(super) const STAYS: &str = "X-Stays";

fn dropped_for_those_who_stay<P: Publisher>(socket: &Socket<P>) -> u64 {
    let peers = socket.peer_list().into_iter();
    peers
        .filter(|peer| peer.properties.get(STAYS).is_some())
        .filter_map(|peer| socket.peer_stats(peer.id))
        .map(|stats| stats.dropped_hwm)
        .sum()
}

/// Waits for the subscriptions of those who stay, which come again by themselves when a publisher comes back.
fn await_subscribers<P: Publisher>(
    set: &Set<'_>,
    socket: &Socket<P>,
    heard: &mut Heard,
) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    for subscriber in (0..set.options.subscribers).filter(|&number| set.stays(number)) {
        while !stands(set, socket, subscriber)? {
            heard.listen(socket)?;
            if set.scene.failed() {
                return Err("somebody else failed".into());
            }
            if Instant::now() > deadline {
                return Err(Error::WouldBlock(Blocked::TimeOut))
                    .explain(&format!("waiting for subscriber {subscriber}"), socket);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

/// Whether its last subscription is here, and all that have to do with it.
fn stands<P: Publisher>(set: &Set<'_>, socket: &Socket<P>, subscriber: usize) -> Result<bool> {
    let count = socket.subscriber_count(mark(subscriber))?;
    let everyone = set.options.subscribers;
    Ok(set.wanted(subscriber).is_some_and(|wanted| {
        if set.options.rule == Rule::Inverted {
            // A message about it is for all the others.
            socket.peers() == everyone && count == everyone - wanted
        } else {
            count == wanted
        }
    }))
}

/// What a subscriber subscribes to last.
pub(super) fn mark(subscriber: usize) -> String {
    format!("~{subscriber}.")
}

/// When all have left, nobody is subscribed to anything, and an XPUB has heard so.
fn see_them_off<P: Publisher>(set: &Set<'_>, socket: &Socket<P>, heard: &mut Heard) -> Result<()> {
    let scene = set.scene;
    let mut deadline = Instant::now() + WAIT;
    loop {
        heard.listen(socket)?;
        let all_gone = set.gone.load(Ordering::Acquire) == set.options.subscribers;
        if scene.failed() || all_gone && socket.published_topics()? == 0 && heard.is_even() {
            return Ok(());
        }
        if !all_gone {
            deadline = Instant::now() + WAIT;
        }
        if Instant::now() > deadline {
            let topics = socket.published_topics()?;
            return Err(Error::WouldBlock(Blocked::TimeOut)).explain(
                &format!(
                    "waiting for the end of {topics} topics, heard: {:?}",
                    heard.open
                ),
                socket,
            );
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// What an XPUB has heard of its subscribers.
struct Heard {
    rule: Rule,
    /// Beginnings without an end, by topic.
    open: HashMap<Vec<u8>, u64>,
}

impl Heard {
    fn new(rule: Rule) -> Self {
        Self {
            rule,
            open: HashMap::new(),
        }
    }

    fn listen<P: Publisher>(&mut self, socket: &Socket<P>) -> Result<()> {
        while let Some(message) = P::hear(socket)? {
            let first = &message[0];
            let (begins, topic) = match first.split_first() {
                Some((1, topic)) if message.len() == 1 => (true, topic),
                Some((0, topic)) if message.len() == 1 => (false, topic),
                _ => return Err(format!("this is no subscription: {message:?}").into()),
            };
            if self.rule == Rule::Manual {
                P::grant(socket, begins, topic)?;
                continue;
            }
            self.note(begins, topic)?;
        }
        Ok(())
    }

    fn note(&mut self, begins: bool, topic: &[u8]) -> Result<()> {
        let open = self.open.entry(topic.to_vec()).or_default();
        let before = *open;
        let is_right = match (self.rule, begins) {
            (Rule::Verboser, true) => {
                *open += 1;
                true
            }
            (Rule::Verbose, true) => {
                *open = 1;
                true
            }
            (_, true) => {
                *open = 1;
                before == 0
            }
            (_, false) => {
                *open = before.saturating_sub(1);
                before > 0
            }
        };
        if is_right {
            return Ok(());
        }
        let what = if begins { "a beginning" } else { "an end" };
        let topic = topic.escape_ascii();
        Err(format!("{what} of topic {topic}, which was open {before} times").into())
    }

    /// Whether each beginning has an end.
    fn is_even(&self) -> bool {
        self.open.values().all(|&open| open == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_right(rule: Rule, heard: &[bool]) -> bool {
        let mut state = Heard::new(rule);
        heard.iter().all(|&begins| state.note(begins, b"a").is_ok())
    }

    #[test]
    fn beginnings_and_ends_have_to_fit_the_rule() {
        for rule in [Rule::Plain, Rule::Verbose, Rule::Verboser] {
            assert!(is_right(rule, &[true, false, true, false]));
            assert!(!is_right(rule, &[false]));
            assert!(!is_right(rule, &[true, false, false]));
        }
        assert!(!is_right(Rule::Plain, &[true, true]));
        assert!(is_right(Rule::Verbose, &[true, true, false]));
        assert!(!is_right(Rule::Verbose, &[true, true, false, false]));
        assert!(is_right(Rule::Verboser, &[true, true, false, false]));
    }

    #[test]
    fn topics_are_apart() {
        let mut heard = Heard::new(Rule::Plain);
        heard.note(true, b"a").unwrap();
        heard.note(true, b"b").unwrap();
        heard.note(false, b"a").unwrap();
        assert!(!heard.is_even());
        heard.note(false, b"b").unwrap();
        assert!(heard.is_even());
    }
}
