//! DEALER and ROUTER: messages to a router and answers that find their way back.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::Result;
use zsocket::{Blocked, Bytes, CanReceive, Dealer, Error, Frame, Message, PeerId, Router, Socket};

use super::books::Books;
use super::kit::{Explain, GLANCE, Part, Quiet, Scene, WAIT, lifetime, part};
use crate::sender::pause;
use crate::stage::lock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    Nobody,
    Dealers,
    Routers,
}

#[derive(Debug)]
struct Options {
    leaves: Leaves,
    /// Whether dealers have names of their own, which they keep when they come back.
    named: bool,
    mandatory: bool,
    handover: bool,
    notify: bool,
    probe: bool,
    immediate: bool,
}

struct Set<'s> {
    scene: &'s Scene,
    options: Options,
    /// From dealers to routers, a stream for each life of a dealer.
    there: Books,
    /// The answers, a stream for each pair of such a life and a router.
    back: Books,
    /// By the dealer's stream and the router.
    answers: Mutex<HashMap<(u32, usize), u32>>,
    /// Which dealer a stream is of.
    owners: Mutex<HashMap<u32, usize>>,
    /// Answers that routers have counted as dropped.
    dropped: AtomicU64,
    /// Routers that will send no more.
    silent: AtomicUsize,
    /// Dealers that have come to their end.
    gone: AtomicUsize,
    routers: usize,
    dealers: usize,
}

pub(super) fn play(scene: &Scene, rng: &mut Rng) -> Result<()> {
    let leaves = match rng.u32(..3) {
        0 => Leaves::Nobody,
        // Over inproc a connector does not notice that a binder is there again.
        1 if !scene.is_inproc() => Leaves::Routers,
        _ => Leaves::Dealers,
    };
    let notify = rng.bool();
    let options = Options {
        leaves,
        named: rng.bool(),
        mandatory: rng.bool(),
        handover: rng.bool(),
        notify,
        // A probe looks like a notice.
        probe: !notify && rng.bool(),
        immediate: rng.u32(..4) == 0,
    };
    let set = Set {
        scene,
        options,
        there: Books::default(),
        back: Books::default(),
        answers: Mutex::default(),
        owners: Mutex::default(),
        dropped: AtomicU64::new(0),
        silent: AtomicUsize::new(0),
        gone: AtomicUsize::new(0),
        routers: rng.usize(1..=2),
        dealers: rng.usize(1..=4),
    };
    set.run(rng).map_err(|error| {
        let (options, routers, dealers) = (&set.options, set.routers, set.dealers);
        format!("{dealers} DEALERs, {routers} ROUTERs, {options:?}: {error}").into()
    })
}

impl Set<'_> {
    fn run(&self, rng: &mut Rng) -> Result<()> {
        let scene = self.scene;
        let mut places = Vec::new();
        let mut routers = Vec::new();
        for _ in 0..self.routers {
            let router = self.router(rng)?;
            places.push(scene.bind(&router, &scene.place())?);
            routers.push(router);
        }
        scene.expect(self.dealers);
        let mut parts: Vec<Part<'_>> = Vec::new();
        for (number, router) in routers.into_iter().enumerate() {
            let (place, rng) = (places[number].clone(), Rng::with_seed(rng.u64(..)));
            parts.push(part(format!("ROUTER {number}"), move || {
                self.route(number, router, &place, rng)
            }));
        }
        for number in 0..self.dealers {
            let (places, rng) = (places.clone(), Rng::with_seed(rng.u64(..)));
            parts.push(part(format!("DEALER {number}"), move || {
                self.deal(number, &places, rng)
            }));
        }
        scene.play(parts)?;
        self.check()
    }

    fn check(&self) -> Result<()> {
        let there = self.there.settle("from DEALER to ROUTER")?;
        let back = self.back.settle("from ROUTER to DEALER")?;
        self.scene
            .missing
            .fetch_add(there + back, Ordering::Relaxed);
        let dropped = self.dropped.load(Ordering::Relaxed);
        if there > 0 && self.hears_everything() {
            return Err(format!("{there} messages to routers are missing").into());
        }
        let explained = match self.options.leaves {
            Leaves::Nobody => back == dropped && !(self.options.mandatory && back > 0),
            Leaves::Dealers | Leaves::Routers => back >= dropped,
        };
        if !explained {
            return Err(format!("{back} answers are missing, {dropped} were counted").into());
        }
        Ok(())
    }

    /// Whether all that dealers send arrives. One that comes with a name that is not free yet, or that is taken over, loses
    /// what is on its way.
    fn hears_everything(&self) -> bool {
        match self.options.leaves {
            Leaves::Nobody => true,
            Leaves::Dealers => !self.options.named,
            Leaves::Routers => false,
        }
    }

    fn router(&self, rng: &mut Rng) -> Result<Socket<Router>> {
        let router = self.scene.socket::<Router>(rng)?;
        router.set_mandatory(self.options.mandatory)?;
        router.set_handover(self.options.handover)?;
        router.set_router_notify(self.options.notify, self.options.notify)?;
        router.set_send_timeout(Some(Duration::from_millis(rng.u64(1..10))))?;
        router.set_departed_hwm(0)?;
        router.set_departed_bytes(0)?;
        Ok(router)
    }

    fn dealer(&self, number: usize, places: &[String], rng: &mut Rng) -> Result<Socket<Dealer>> {
        let dealer = self.scene.socket::<Dealer>(rng)?;
        if self.options.named {
            dealer.set_routing_id(name(number))?;
        }
        dealer.set_probe_router(self.options.probe)?;
        dealer.set_immediate(self.options.immediate)?;
        self.scene.connect(&dealer, places)?;
        Ok(dealer)
    }

    /// Receives, answers some, and leaves perhaps.
    fn route(
        &self,
        number: usize,
        mut router: Socket<Router>,
        place: &str,
        mut rng: Rng,
    ) -> Result<()> {
        let scene = self.scene;
        loop {
            let mut clients = Clients::new(self);
            let end = lifetime(&mut rng);
            let mut quiet = Quiet::now();
            loop {
                if let Some((mut message, peer)) = glance_from(&router)? {
                    quiet = Quiet::now();
                    let id = message.pop_front().ok_or("a message without routing id")?;
                    if let Some(stream) = clients.take_in(&id, &message, peer)?
                        && rng.bool()
                    {
                        self.answer(number, stream, id, &router, &mut rng)?;
                    }
                    pause(&mut rng);
                    continue;
                }
                if scene.failed() {
                    return Ok(());
                }
                let has_all = self.there.total_arrived() >= self.there.total_sent();
                if scene.all_done() && (has_all || !self.hears_everything() && quiet.long_enough())
                {
                    // What it does with what it has sent is known when those who get it have gone.
                    let dropped = router.stats().dropped;
                    // What it has received and dropped is none of these.
                    let answers = dropped.no_peer + dropped.hwm + dropped.peer_lost;
                    self.dropped.fetch_add(answers, Ordering::Relaxed);
                    self.silent.fetch_add(1, Ordering::Release);
                    return self.remain(&router);
                }
                if quiet.too_long() && scene.over() {
                    return Err(Error::WouldBlock(Blocked::TimeOut))
                        .explain("waiting for the rest", &router);
                }
                if self.options.leaves == Leaves::Routers && !scene.over() && Instant::now() > end {
                    break;
                }
            }
            router.set_linger(Some(Duration::ZERO))?;
            drop(router);
            scene.came_back();
            scene.pause(&mut rng, Duration::from_millis(50));
            router = self.router(&mut rng)?;
            scene.bind(&router, place)?;
        }
    }

    /// Until the dealers have all answers.
    fn remain(&self, router: &Socket<Router>) -> Result<()> {
        while self.gone.load(Ordering::Acquire) < self.dealers && !self.scene.failed() {
            // A notice, or what was thought to be lost.
            glance_from(router)?;
        }
        Ok(())
    }

    fn answer(
        &self,
        router_number: usize,
        stream: u32,
        id: Frame,
        router: &Socket<Router>,
        rng: &mut Rng,
    ) -> Result<()> {
        let answers = *lock(&self.answers)
            .entry((stream, router_number))
            .or_insert_with(|| self.back.begin());
        let mut message = self.scene.message(answers, self.back.sent_by(answers), rng);
        message.push_front(id);
        self.back.sent(answers);
        let Err(refused) = router.send(message) else {
            return Ok(());
        };
        self.back.refused(answers);
        match refused.error {
            // The dealer does not read fast enough, or has left.
            Error::WouldBlock(_) if self.options.mandatory => Ok(()),
            Error::Unroutable
                if self.options.mandatory && self.options.leaves != Leaves::Nobody =>
            {
                Ok(())
            }
            error => Err(error).explain("answering", router),
        }
    }

    /// Sends and receives, and leaves perhaps.
    fn deal(&self, number: usize, places: &[String], mut rng: Rng) -> Result<()> {
        let scene = self.scene;
        let mut is_done = false;
        loop {
            let dealer = self.dealer(number, places, &mut rng)?;
            let stream = self.there.begin();
            lock(&self.owners).insert(stream, number);
            let mut paths = HashMap::new();
            let (mut seq, limit) = (0, rng.u64(1..3000));
            let end = lifetime(&mut rng);
            let mut unsent: Option<Message> = None;
            let mut quiet = Quiet::now();
            loop {
                let sends = seq < limit && !scene.over();
                if !sends && scene.over() && !is_done {
                    is_done = true;
                    scene.done();
                }
                let mut was_sent = false;
                if sends {
                    let message = unsent
                        .take()
                        .unwrap_or_else(|| scene.message(stream, seq, &mut rng));
                    self.there.sent(stream);
                    match dealer.try_send(message) {
                        Ok(()) => {
                            seq += 1;
                            was_sent = true;
                            pause(&mut rng);
                        }
                        Err(refused) => {
                            self.there.refused(stream);
                            if !matches!(refused.error, Error::WouldBlock(_)) {
                                return Err(refused.error).explain("sending", &dealer);
                            }
                            unsent = Some(refused.message);
                        }
                    }
                }
                let answer = if was_sent {
                    dealer.try_recv_from().ok()
                } else {
                    glance_from(&dealer)?
                };
                if let Some((answer, peer)) = answer {
                    let path = *paths.entry(peer).or_insert_with(|| self.back.path());
                    let (answers, _) = self.back.arrived(path, &answer)?;
                    self.check_answer(answers, stream)?;
                    quiet = Quiet::now();
                    continue;
                }
                if scene.failed() {
                    return Ok(());
                }
                if self.silent.load(Ordering::Acquire) >= self.routers && self.has_answers(&quiet) {
                    self.leave(dealer, &mut rng)?;
                    self.gone.fetch_add(1, Ordering::Release);
                    return Ok(());
                }
                if quiet.too_long() && scene.over() {
                    return Err(Error::WouldBlock(Blocked::TimeOut))
                        .explain("waiting for answers", &dealer);
                }
                if self.options.leaves == Leaves::Dealers && !scene.over() && Instant::now() > end {
                    break;
                }
            }
            self.leave(dealer, &mut rng)?;
            scene.came_back();
            scene.pause(&mut rng, Duration::from_millis(50));
        }
    }

    /// What is queued is sent in the background; for a moment only where it may never find a router that takes it.
    fn leave(&self, dealer: Socket<Dealer>, rng: &mut Rng) -> Result<()> {
        let linger = if self.hears_everything() {
            WAIT
        } else {
            Duration::from_millis(rng.u64(..1000))
        };
        dealer.set_linger(Some(linger))?;
        dealer.close();
        Ok(())
    }

    /// Whether all answers have come, as far as one can know.
    fn has_answers(&self, quiet: &Quiet) -> bool {
        let dropped = self.dropped.load(Ordering::Relaxed);
        match self.options.leaves {
            Leaves::Nobody => self.back.total_arrived() + dropped >= self.back.total_sent(),
            Leaves::Dealers | Leaves::Routers => quiet.long_enough(),
        }
    }

    /// Fails if an answer was meant for somebody else. Who comes back under the same name gets what was for him before.
    fn check_answer(&self, answers: u32, stream: u32) -> Result<()> {
        let asked = lock(&self.answers)
            .iter()
            .find_map(|(&(asked, _), &own)| (own == answers).then_some(asked));
        let owners = lock(&self.owners);
        let is_own = asked.is_some_and(|asked| {
            asked == stream || self.options.named && owners.get(&asked) == owners.get(&stream)
        });
        if is_own {
            return Ok(());
        }
        Err(format!("an answer to stream {asked:?} came to the dealer of stream {stream}").into())
    }
}

/// A message, and which connection it came over, if one comes within a moment.
fn glance_from<P: CanReceive>(socket: &Socket<P>) -> Result<Option<(Message, PeerId)>> {
    match socket.recv_from_timeout(GLANCE) {
        Ok(received) => Ok(Some(received)),
        Err(Error::WouldBlock(_)) => Ok(None),
        Err(error) => Err(error).explain("receiving", socket),
    }
}

fn name(dealer: usize) -> Bytes {
    format!("dealer {dealer}").into_bytes().into()
}

/// What one router knows of its clients.
struct Clients<'s> {
    set: &'s Set<'s>,
    /// Order is that of a connection: two of one client, one after the other, are read in turn.
    paths: HashMap<PeerId, usize>,
    /// For ids that the router has made: whether the client was announced, and the stream that it sends.
    made: HashMap<Frame, (bool, Option<u32>)>,
}

impl<'s> Clients<'s> {
    fn new(set: &'s Set<'s>) -> Self {
        Self {
            set,
            paths: HashMap::new(),
            made: HashMap::new(),
        }
    }

    /// Looks at what came from a client, and returns the stream if it is a message.
    fn take_in(&mut self, id: &Frame, message: &Message, peer: PeerId) -> Result<Option<u32>> {
        let options = &self.set.options;
        let announces = options.notify && !self.set.scene.is_inproc();
        if message.len() == 1 && message[0].is_empty() {
            if !options.probe && !announces {
                return Err(format!("an empty message came from {id:?}").into());
            }
            if announces && !options.named {
                let (is_there, _) = self.made.entry(id.clone()).or_default();
                *is_there = !*is_there;
            }
            return Ok(None);
        }
        let path = *self
            .paths
            .entry(peer)
            .or_insert_with(|| self.set.there.path());
        let (stream, _) = self.set.there.arrived(path, message)?;
        if !options.named {
            if id.len() != 5 || id[0] != 0 {
                return Err(format!("a client without a name has the id {id:?}").into());
            }
            let (is_there, own) = self.made.entry(id.clone()).or_default();
            if announces && !*is_there {
                return Err(format!("a message came from {id:?} outside of its connection").into());
            }
            if *own.get_or_insert(stream) != stream {
                return Err(format!("streams {own:?} and {stream} come from {id:?}").into());
            }
        } else if options.leaves != Leaves::Dealers {
            let owner = lock(&self.set.owners).get(&stream).copied();
            if owner.map(name).as_deref() != Some(&id[..]) {
                return Err(format!("stream {stream} of dealer {owner:?} came from {id:?}").into());
            }
        }
        Ok(Some(stream))
    }
}
