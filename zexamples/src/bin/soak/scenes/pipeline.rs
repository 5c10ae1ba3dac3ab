//! PUSH and PULL: each message to one receiver, in order and once.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::Result;
use zsocket::{Blocked, Error, Pull, Push, Socket};

use super::books::Books;
use super::kit::{Explain, Part, Quiet, Scene, WAIT, glance, lifetime, part};
use crate::sender::pause;

/// Who leaves and comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    Nobody,
    Senders,
    Receivers,
}

/// The set.
struct Pipeline<'s> {
    scene: &'s Scene,
    leaves: Leaves,
    senders_bind: bool,
    /// How long a sender that closes tries to get rid of the rest.
    patience: Duration,
    immediate: bool,
    books: Books,
    receivers: usize,
    /// Receivers that will not leave any more.
    staying: AtomicUsize,
    /// Messages that senders have counted as dropped, or have reported so when they were closed.
    dropped: AtomicU64,
    /// Connections of closed senders that were cut before the other system had acknowledged everything.
    cut: AtomicU64,
}

pub(super) fn play(scene: &Scene, rng: &mut Rng) -> Result<()> {
    let leaves = [Leaves::Nobody, Leaves::Senders, Leaves::Receivers][rng.usize(..3)];
    // Over inproc a connector does not notice that a binder is there again.
    let senders_bind = match (scene.is_inproc(), leaves) {
        (true, Leaves::Senders) => false,
        (true, Leaves::Receivers) => true,
        _ => rng.bool(),
    };
    let patience = if leaves == Leaves::Senders && rng.bool() {
        Duration::from_millis(rng.u64(..20))
    } else {
        WAIT
    };
    let set = Pipeline {
        scene,
        leaves,
        senders_bind,
        patience,
        immediate: rng.u32(..4) == 0,
        books: Books::default(),
        receivers: rng.usize(1..=3),
        staying: AtomicUsize::new(0),
        dropped: AtomicU64::new(0),
        cut: AtomicU64::new(0),
    };
    let (senders, receivers) = (rng.usize(1..=4), set.receivers);
    set.run(senders, rng).map_err(|error| {
        format!(
            "{leaves:?} leaves, {senders} to {receivers}, senders bind: {senders_bind}: {error}"
        )
        .into()
    })
}

impl Pipeline<'_> {
    fn run(&self, senders: usize, rng: &mut Rng) -> Result<()> {
        let scene = self.scene;
        let mut places = Vec::new();
        let mut pushes = Vec::new();
        let mut pulls = Vec::new();
        if self.senders_bind {
            for _ in 0..senders {
                let push = self.push(rng)?;
                places.push(scene.bind(&push, &scene.place())?);
                pushes.push(push);
            }
        }
        for _ in 0..self.receivers {
            let pull = self.pull(rng)?;
            if self.senders_bind {
                scene.connect(&pull, &places)?;
            } else {
                places.push(scene.bind(&pull, &scene.place())?);
            }
            pulls.push(pull);
        }
        while pushes.len() < senders {
            let push = self.push(rng)?;
            scene.connect(&push, &places)?;
            pushes.push(push);
        }
        scene.expect(senders);
        let mut parts: Vec<Part<'_>> = Vec::new();
        for (number, push) in pushes.into_iter().enumerate() {
            let own = self.own_places(self.senders_bind, &places, number);
            let rng = Rng::with_seed(rng.u64(..));
            parts.push(part(format!("PUSH {number}"), move || {
                self.send(push, &own, rng)
            }));
        }
        for (number, pull) in pulls.into_iter().enumerate() {
            let own = self.own_places(!self.senders_bind, &places, number);
            let rng = Rng::with_seed(rng.u64(..));
            parts.push(part(format!("PULL {number}"), move || {
                self.receive(pull, &own, rng)
            }));
        }
        scene.play(parts)?;
        self.check()
    }

    /// Where a socket binds, or where it connects to.
    fn own_places(&self, binds: bool, places: &[String], number: usize) -> Vec<String> {
        if binds {
            vec![places[number].clone()]
        } else {
            places.to_vec()
        }
    }

    fn check(&self) -> Result<()> {
        let missing = self.books.settle("from PUSH to PULL")?;
        let (dropped, cut) = (
            self.dropped.load(Ordering::Relaxed),
            self.cut.load(Ordering::Relaxed),
        );
        self.scene.missing.fetch_add(missing, Ordering::Relaxed);
        let explained = match self.leaves {
            Leaves::Nobody => missing == 0 && dropped == 0 && cut == 0,
            // What the system had taken and not delivered is lost with the connection.
            Leaves::Senders if cut > 0 => missing >= dropped,
            Leaves::Senders => missing == dropped,
            Leaves::Receivers if self.scene.is_inproc() => missing == dropped,
            // What a receiver had not received when it left is lost, and nobody knows.
            Leaves::Receivers => missing >= dropped,
        };
        if explained {
            return Ok(());
        }
        Err(format!("{missing} messages are missing, {dropped} were counted as dropped, {cut} connections were cut").into())
    }

    fn push(&self, rng: &mut Rng) -> Result<Socket<Push>> {
        let push = self.scene.socket::<Push>(rng)?;
        push.set_immediate(self.immediate)?;
        Ok(push)
    }

    fn pull(&self, rng: &mut Rng) -> Result<Socket<Pull>> {
        let pull = self.scene.socket::<Pull>(rng)?;
        // Nothing of those that left is to be dropped.
        pull.set_departed_hwm(0)?;
        pull.set_departed_bytes(0)?;
        Ok(pull)
    }

    fn send(&self, mut push: Socket<Push>, places: &[String], mut rng: Rng) -> Result<()> {
        let scene = self.scene;
        loop {
            let stream = self.books.begin();
            let end = lifetime(&mut rng);
            for seq in 0..rng.u64(1..3000) {
                if scene.over() || self.leaves == Leaves::Senders && Instant::now() > end {
                    break;
                }
                let message = scene.message(stream, seq, &mut rng);
                self.books.sent(stream);
                push.send(message).explain("sending", &push)?;
                pause(&mut rng);
            }
            if self.leaves == Leaves::Receivers {
                self.await_receivers(&push)?;
            }
            let goes_on = self.leaves == Leaves::Senders && !scene.over();
            self.close(push, if goes_on { self.patience } else { WAIT })?;
            if !goes_on {
                break;
            }
            scene.came_back();
            scene.pause(&mut rng, Duration::from_millis(50));
            push = self.push(&mut rng)?;
            if self.senders_bind {
                scene.bind(&push, &places[0])?;
            } else {
                scene.connect(&push, places)?;
            }
        }
        scene.done();
        Ok(())
    }

    /// A receiver that leaves takes with it what it has not received, and only a sender that is still there counts that.
    fn await_receivers(&self, push: &Socket<Push>) -> Result<()> {
        let quiet = Quiet::now();
        while self.staying.load(Ordering::Acquire) < self.receivers && !self.scene.failed() {
            if quiet.too_long() && self.scene.over() {
                return Err(Error::WouldBlock(Blocked::TimeOut))
                    .explain("waiting for the receivers", push);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn close(&self, push: Socket<Push>, patience: Duration) -> Result<()> {
        let stats = push.stats();
        let report = push.close_and_wait(patience);
        let pending: u64 = report.endpoints.iter().map(|at| at.pending).sum();
        if pending > 0 {
            return Err(format!("it is not known what became of messages: {report}").into());
        }
        let dropped = stats.dropped.total() + report.discarded();
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        let cut: u64 = report
            .endpoints
            .iter()
            .map(|at| at.peers - at.acknowledged)
            .sum();
        self.cut.fetch_add(cut, Ordering::Relaxed);
        if self.leaves == Leaves::Nobody && !report.is_complete() {
            return Err(format!("nobody left, and yet: {report}").into());
        }
        Ok(())
    }

    fn receive(&self, mut pull: Socket<Pull>, places: &[String], mut rng: Rng) -> Result<()> {
        let scene = self.scene;
        let mut stays = false;
        loop {
            let path = self.books.path();
            let end = lifetime(&mut rng);
            let mut quiet = Quiet::now();
            loop {
                match glance(&pull)? {
                    Some(message) => {
                        self.books.arrived(path, &message)?;
                        quiet = Quiet::now();
                        pause(&mut rng);
                    }
                    None if scene.failed() => return Ok(()),
                    None if scene.all_done() && self.has_all(&quiet) => return Ok(()),
                    None if quiet.too_long() => {
                        return Err(Error::WouldBlock(Blocked::TimeOut))
                            .explain("waiting for the rest", &pull);
                    }
                    None => {}
                }
                if scene.over() && !stays {
                    stays = true;
                    self.staying.fetch_add(1, Ordering::Release);
                }
                if self.leaves == Leaves::Receivers && !stays && Instant::now() > end {
                    break;
                }
            }
            drop(pull);
            scene.came_back();
            scene.pause(&mut rng, Duration::from_millis(50));
            pull = self.pull(&mut rng)?;
            if self.senders_bind {
                scene.connect(&pull, places)?;
            } else {
                scene.bind(&pull, &places[0])?;
            }
        }
    }

    /// Whether everything has come, as far as one can know.
    fn has_all(&self, quiet: &Quiet) -> bool {
        let is_counted = match self.leaves {
            Leaves::Nobody => true,
            Leaves::Senders => self.cut.load(Ordering::Relaxed) == 0,
            Leaves::Receivers => self.scene.is_inproc(),
        };
        if !is_counted {
            return quiet.long_enough();
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        self.books.total_arrived() + dropped >= self.books.total_sent()
    }
}
