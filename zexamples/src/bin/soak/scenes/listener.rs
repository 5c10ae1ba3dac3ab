//! Those who subscribe, in scenes of publishers and subscribers.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::Result;
use zsocket::{Blocked, CanReceive, CanSubscribe, Error, Message, Socket, Sub, TypedPattern, XSub};

use super::kit::{Explain, Quiet, glance, lifetime};
use super::publish::{Leaves, Rule, Set, TOPICS, WELCOME};
use super::publisher::{STAYS, mark};
use crate::sender::pause;
use crate::stage::lock;
use crate::wire;

/// SUB or XSUB.
pub(super) trait Listener: CanSubscribe + CanReceive + TypedPattern {
    /// Whether what has come is looked at again, so that nothing is received that is not subscribed to any more.
    const FILTERS: bool;

    /// Subscribes by a message, where that is possible.
    fn ask(socket: &Socket<Self>, topic: &str) -> Result<(), Error>
    where
        Self: Sized;
}

impl Listener for Sub {
    const FILTERS: bool = true;

    fn ask(socket: &Socket<Self>, topic: &str) -> Result<(), Error> {
        socket.subscribe(topic)
    }
}

impl Listener for XSub {
    const FILTERS: bool = false;

    fn ask(socket: &Socket<Self>, topic: &str) -> Result<(), Error> {
        Ok(socket.send([&[1], topic.as_bytes()].concat())?)
    }
}

/// Receives until all that comes is here, leaves and comes back perhaps.
pub(super) fn listen<S: Listener>(set: &Set<'_>, number: usize, mut rng: Rng) -> Result<()> {
    let scene = set.scene;
    loop {
        let mut life = Life::<S>::begin(set, number, &mut rng)?;
        let end = lifetime(&mut rng);
        let mut quiet = Quiet::now();
        loop {
            if let Some(message) = glance(&life.socket)? {
                life.take_in(set, message)?;
                quiet = Quiet::now();
                pause(&mut rng);
            } else if scene.failed() {
                return Ok(());
            } else if scene.all_done() && has_all(set) {
                life.check_welcome(set)?;
                drop(life);
                set.gone.fetch_add(1, Ordering::Release);
                return Ok(());
            } else if quiet.too_long() && scene.over() {
                return Err(Error::WouldBlock(Blocked::TimeOut))
                    .explain("waiting for the rest", &life.socket);
            }
            if life.stays || scene.over() {
                continue;
            }
            if rng.u32(..100) == 0 {
                life.change(set.prefixes(), &mut rng)?;
            }
            if Instant::now() > end {
                break;
            }
        }
        drop(life);
        scene.came_back();
        scene.pause(&mut rng, Duration::from_millis(50));
    }
}

/// Whether those who stay have got everything.
fn has_all(set: &Set<'_>) -> bool {
    let dropped = set.dropped.load(Ordering::Relaxed);
    set.arrived.load(Ordering::Relaxed) + dropped >= set.expected()
}

/// A subscriber from its birth to its end.
struct Life<S: Listener> {
    socket: Socket<S>,
    stays: bool,
    now: Vec<&'static str>,
    /// What it has ever subscribed to.
    ever: Vec<&'static str>,
    /// The last message of each stream.
    last: HashMap<u32, u64>,
    welcomes: usize,
}

impl<S: Listener> Life<S> {
    fn begin(set: &Set<'_>, number: usize, rng: &mut Rng) -> Result<Self> {
        let socket = set.scene.socket::<S>(rng)?;
        if set.options.rule == Rule::Inverted {
            // An XSUB, which filters nothing, never has it.
            socket.set_option("invert_matching", true)?;
        }
        let stays = set.stays(number);
        let mut prefixes = set.prefixes().to_vec();
        rng.shuffle(&mut prefixes);
        prefixes.truncate(rng.usize(1..=4));
        if stays {
            socket.set_metadata(STAYS, "yes")?;
            lock(&set.interests).push((number, prefixes.clone()));
        }
        if set.options.welcome {
            socket.subscribe(WELCOME)?;
        }
        let before = rng.bool();
        if !before {
            set.scene.connect(&socket, &set.places)?;
        }
        for prefix in &prefixes {
            S::ask(&socket, prefix)?;
        }
        S::ask(&socket, &mark(number))?;
        if before {
            set.scene.connect(&socket, &set.places)?;
        }
        Ok(Self {
            socket,
            stays,
            ever: prefixes.clone(),
            now: prefixes,
            last: HashMap::new(),
            welcomes: 0,
        })
    }

    /// Subscribes to something else, or to less.
    fn change(&mut self, prefixes: &[&'static str], rng: &mut Rng) -> Result<()> {
        let prefix = prefixes[rng.usize(..prefixes.len())];
        if let Some(at) = self.now.iter().position(|&own| own == prefix) {
            self.now.remove(at);
            self.socket.unsubscribe(prefix)?;
        } else {
            self.now.push(prefix);
            self.ever.push(prefix);
            self.socket.subscribe(prefix)?;
        }
        Ok(())
    }

    fn take_in(&mut self, set: &Set<'_>, mut message: Message) -> Result<()> {
        let topic = message.pop_front().ok_or("a message without frames")?;
        if topic == *WELCOME && message.is_empty() {
            self.welcomes += 1;
            return if set.options.welcome {
                Ok(())
            } else {
                Err("nobody has said welcome".into())
            };
        }
        let (stream, seq) = wire::check(&message)
            .ok_or_else(|| format!("a damaged message about {topic:?}: {message:?}"))?;
        let published = set.issues.topic(stream, seq).map(|number| TOPICS[number]);
        if published.map(str::as_bytes) != Some(&topic[..]) {
            return Err(format!(
                "message {seq} of stream {stream} is about {published:?} and came as {topic:?}"
            )
            .into());
        }
        let wanted = if S::FILTERS { &self.now } else { &self.ever };
        if !published.is_some_and(|topic| set.is_for(wanted, topic)) {
            return Err(
                format!("a message about {topic:?} came to one who wants {wanted:?}").into(),
            );
        }
        if let Some(last) = self.last.insert(stream, seq)
            && last >= seq
        {
            return Err(format!("message {seq} of stream {stream} came after {last}").into());
        }
        if self.stays {
            set.arrived.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Each publisher has said so once, and before everything else.
    fn check_welcome(&self, set: &Set<'_>) -> Result<()> {
        let once = if set.options.welcome {
            set.options.publishers
        } else {
            0
        };
        if set.options.leaves == Leaves::Nobody && self.welcomes != once {
            let welcomes = self.welcomes;
            return Err(format!(
                "{once} publishers have said welcome {welcomes} times"
            ))
            .or_else(|what: String| {
                Err(Error::WouldBlock(Blocked::TimeOut)).explain(&what, &self.socket)
            });
        }
        Ok(())
    }
}
