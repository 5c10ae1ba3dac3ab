//! Sockets that conflate: the last message always comes, order never goes backwards, and what was replaced is counted.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::Result;
use zsocket::{
    Blocked, CanConflate, CanReceive, CanSend, Dealer, Error, Message, Pub, Pull, Push, Socket,
    Sub, TypedPattern,
};

use super::books::Books;
use super::kit::{Explain, Part, Quiet, Scene, WAIT, glance, lifetime, part};
use crate::stage::lock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    PushPull,
    PubSub,
    Dealers,
}

#[derive(Debug)]
struct Options {
    way: Way,
    /// Who conflates; at least one of them.
    sender: bool,
    receiver: bool,
    /// How many topics wait at most, if the receiver keeps the last of each.
    by_topic: Option<u32>,
    topics: u32,
    /// Whether senders leave and come back.
    leave: bool,
    senders: usize,
}

struct Set<'s> {
    scene: &'s Scene,
    options: Options,
    place: String,
    /// A stream for each topic of each life of a sender.
    books: Books,
    /// The streams that have ended, or stand at their end, with the number of the last message.
    last: Mutex<HashMap<u32, u64>>,
    /// Messages that senders have counted as replaced.
    conflated: AtomicU64,
}

pub(super) fn play(scene: &Scene, rng: &mut Rng) -> Result<()> {
    let way = [Way::PushPull, Way::PubSub, Way::Dealers][rng.usize(..3)];
    let (sender, receiver) = [(true, false), (false, true), (true, true)][rng.usize(..3)];
    let topics = rng.u32(1..=5);
    let by_topic = (receiver && way != Way::Dealers && rng.bool()).then(|| rng.u32(1..=8));
    let options = Options {
        way,
        sender: sender && by_topic.is_none(),
        receiver,
        by_topic,
        topics: if by_topic.is_some() { topics } else { 1 },
        leave: rng.bool(),
        senders: rng.usize(1..=3),
    };
    let mut set = Set {
        scene,
        options,
        place: String::new(),
        books: Books::default(),
        last: Mutex::default(),
        conflated: AtomicU64::new(0),
    };
    let played = match way {
        Way::PushPull => set.run::<Push, Pull>(rng, |socket, by_topic| {
            socket.set_conflate_by_topic(by_topic)
        }),
        Way::PubSub => set.run::<Pub, Sub>(rng, |socket, by_topic| {
            socket.subscribe("")?;
            socket.set_conflate_by_topic(by_topic)
        }),
        Way::Dealers => set.run::<Dealer, Dealer>(rng, |_, _| Ok(())),
    };
    played.map_err(|error| format!("{:?}: {error}", set.options).into())
}

/// Waits until it is known who gets what is sent.
trait Sender: CanSend + CanConflate + TypedPattern {
    fn wait(socket: &Socket<Self>) -> Result<(), Error>
    where
        Self: Sized,
    {
        socket.wait_connected(1, WAIT)
    }
}

impl Sender for Push {}

impl Sender for Dealer {}

impl Sender for Pub {
    fn wait(socket: &Socket<Self>) -> Result<(), Error> {
        socket.wait_subscribed("", 1, WAIT)
    }
}

impl Set<'_> {
    /// The receiver binds, the senders connect.
    fn run<S, R>(
        &mut self,
        rng: &mut Rng,
        configure: fn(&Socket<R>, Option<u32>) -> Result<(), Error>,
    ) -> Result<()>
    where
        S: Sender,
        R: CanReceive + CanConflate + TypedPattern,
    {
        let scene = self.scene;
        let receiver = scene.socket::<R>(rng)?;
        receiver.set_conflate(self.options.receiver)?;
        receiver.set_departed_hwm(0)?;
        receiver.set_departed_bytes(0)?;
        configure(&receiver, self.options.by_topic)?;
        self.place = scene.bind(&receiver, &scene.place())?;
        scene.expect(self.options.senders);
        let set = &*self;
        let mut parts: Vec<Part<'_>> = Vec::new();
        for number in 0..set.options.senders {
            let rng = Rng::with_seed(rng.u64(..));
            parts.push(part(format!("sender {number}"), move || set.send::<S>(rng)));
        }
        let rng = Rng::with_seed(rng.u64(..));
        parts.push(part("receiver", move || set.receive(&receiver, rng)));
        scene.play(parts)
    }

    fn send<S: Sender>(&self, mut rng: Rng) -> Result<()> {
        let scene = self.scene;
        loop {
            let socket = scene.socket::<S>(&mut rng)?;
            socket.set_conflate(self.options.sender)?;
            if self.options.way == Way::PubSub {
                // At its mark a publisher drops the latest.
                socket.set_send_hwm(0)?;
            }
            scene.connect(&socket, &[&self.place])?;
            S::wait(&socket).explain("waiting for the receiver", &socket)?;
            let streams: Vec<u32> = (0..self.options.topics)
                .map(|_| self.books.begin())
                .collect();
            let end = lifetime(&mut rng);
            let mut left = rng.u64(1..2000);
            while left > 0 && !scene.over() && !(self.options.leave && Instant::now() > end) {
                for _ in 0..rng.u64(1..50).min(left) {
                    let topic = rng.usize(..streams.len());
                    let stream = streams[topic];
                    let mut message = scene.message(stream, self.books.sent_by(stream), &mut rng);
                    message.push_front(format!("topic {topic}"));
                    self.books.sent(stream);
                    socket.send(message).explain("sending", &socket)?;
                    left -= 1;
                }
                thread::sleep(Duration::from_micros(rng.u64(..3000)));
            }
            for &stream in &streams {
                if let Some(last) = self.books.sent_by(stream).checked_sub(1) {
                    lock(&self.last).insert(stream, last);
                }
            }
            if !self.options.leave || scene.over() {
                // What it counts is complete when all that it has not replaced is gone.
                let gone = Instant::now() + WAIT;
                while socket.stats().queued_out > 0 && Instant::now() < gone && !scene.failed() {
                    thread::sleep(Duration::from_millis(1));
                }
                self.conflated
                    .fetch_add(socket.stats().dropped.conflated, Ordering::Relaxed);
                let report = socket.close_and_wait(WAIT);
                if report.discarded() > 0 {
                    return Err(format!("the receiver is there, and yet: {report}").into());
                }
                scene.done();
                return Ok(());
            }
            socket.set_linger(Some(WAIT))?;
            socket.close();
            scene.came_back();
            scene.pause(&mut rng, Duration::from_millis(50));
        }
    }

    fn receive<R: CanReceive>(&self, socket: &Socket<R>, mut rng: Rng) -> Result<()> {
        let scene = self.scene;
        let path = self.books.path();
        let mut newest: HashMap<u32, u64> = HashMap::new();
        let mut received = 0;
        let mut quiet = Quiet::now();
        loop {
            if let Some(message) = glance(socket)? {
                let (stream, seq) = self.take_in(path, message)?;
                received += 1;
                quiet = Quiet::now();
                if let Some(before) = newest.insert(stream, seq)
                    && before >= seq
                {
                    return Err(
                        format!("message {seq} of stream {stream} came after {before}").into(),
                    );
                }
                if rng.u32(..10) == 0 {
                    thread::sleep(Duration::from_micros(rng.u64(..2000)));
                }
                continue;
            }
            if scene.failed() {
                return Ok(());
            }
            if scene.all_done() && self.has_last(&newest) && self.has_all(socket, &quiet) {
                return self.check(socket, received);
            }
            if quiet.too_long() && scene.over() {
                let last = lock(&self.last);
                let missing: Vec<_> = last
                    .iter()
                    .filter(|(stream, last)| newest.get(stream) != Some(last))
                    .collect();
                return Err(Error::WouldBlock(Blocked::TimeOut))
                    .explain(&format!("the last ones do not come: {missing:?}"), socket);
            }
        }
    }

    fn take_in(&self, path: usize, mut message: Message) -> Result<(u32, u64)> {
        let topic = message.pop_front();
        let (stream, seq) = self.books.arrived(path, &message)?;
        let named = topic
            .as_deref()
            .is_some_and(|topic| topic.starts_with(b"topic "));
        if !named {
            return Err(format!("message {seq} of stream {stream} has come as {topic:?}").into());
        }
        Ok((stream, seq))
    }

    /// Whether the last message of each stream is here. With too few places for the topics one may have been
    /// crowded out.
    fn has_last(&self, newest: &HashMap<u32, u64>) -> bool {
        let last = lock(&self.last);
        let mut streams = last.iter();
        let crowded = |limit: u32| limit < self.options.topics;
        self.options.by_topic.is_some_and(crowded)
            || streams.all(|(stream, last)| newest.get(stream) == Some(last))
    }

    /// Whether nothing more is on its way.
    fn has_all<R: CanReceive>(&self, socket: &Socket<R>, quiet: &Quiet) -> bool {
        if self.options.leave && self.options.sender {
            return quiet.long_enough();
        }
        self.books.total_arrived() + self.counted(socket) >= self.books.total_sent()
    }

    /// Messages that either side has counted as replaced or dropped.
    fn counted<R: CanReceive>(&self, socket: &Socket<R>) -> u64 {
        socket.stats().dropped.total() + self.conflated.load(Ordering::Relaxed)
    }

    fn check<R: CanReceive>(&self, socket: &Socket<R>, received: u64) -> Result<()> {
        let missing = self.books.settle("to one who wants the latest")?;
        self.scene.missing.fetch_add(missing, Ordering::Relaxed);
        let counted = self.counted(socket);
        // What a sender has counted that left before is not known.
        let explained = if self.options.leave && self.options.sender {
            missing >= counted
        } else {
            missing == counted
        };
        if explained {
            return Ok(());
        }
        let sent = self.books.total_sent();
        Err(Error::WouldBlock(Blocked::TimeOut)).explain(
            &format!(
                "of {sent} messages {received} came, {missing} are missing and {counted} counted"
            ),
            socket,
        )
    }
}
