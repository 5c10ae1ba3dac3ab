//! PAIR: two who talk at the same time, and whoever else comes is sent away.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::Result;
use zsocket::{Blocked, Error, Message, Pair, Socket};

use super::books::Books;
use super::kit::{Explain, Quiet, Scene, glance, lifetime, part};
use crate::sender::pause;
use crate::wire;

struct Couple<'s> {
    scene: &'s Scene,
    /// Whether the one who connects leaves and comes back.
    leaves: bool,
    /// From the one who binds, and from the one who connects.
    there: Books,
    back: Books,
}

pub(super) fn play(scene: &Scene, rng: &mut Rng) -> Result<()> {
    let set = Couple {
        scene,
        leaves: rng.u32(..3) > 0,
        there: Books::default(),
        back: Books::default(),
    };
    let leaves = set.leaves;
    set.run(rng)
        .map_err(|error| format!("the one who connects leaves: {leaves}: {error}").into())
}

impl Couple<'_> {
    fn run(&self, rng: &mut Rng) -> Result<()> {
        let scene = self.scene;
        let binder = scene.socket::<Pair>(rng)?;
        let place = scene.bind(&binder, &scene.place())?;
        let connector = scene.socket::<Pair>(rng)?;
        scene.connect(&connector, &[&place])?;
        scene.expect(2);
        let mut rngs = [(); 3].map(|()| Rng::with_seed(rng.u64(..)));
        let third = !self.leaves && rng.bool();
        let [first, second, last] = &mut rngs;
        let place = place.as_str();
        let mut parts = vec![
            part("the one who binds", move || self.bound(binder, first)),
            part("the one who connects", move || {
                self.connected(connector, place, second)
            }),
        ];
        if third {
            parts.push(part("the third", move || self.sent_away(place, last)));
        }
        scene.play(parts)?;
        let lost = [
            self.there.settle("from the one who binds")?,
            self.back.settle("from the one who connects")?,
        ];
        scene
            .missing
            .fetch_add(lost[0] + lost[1], Ordering::Relaxed);
        // What was on its way to one who left is lost; what he sent before he left never is.
        if lost[1] > 0 || lost[0] > 0 && !self.leaves {
            return Err(format!("{lost:?} messages are missing").into());
        }
        Ok(())
    }

    /// Sends and receives until everything is over and here.
    fn bound(&self, pair: Socket<Pair>, rng: &mut Rng) -> Result<()> {
        let scene = self.scene;
        let mut talk = Talk::new(self.there.begin(), rng.u64(1..5000));
        let path = self.back.path();
        let mut quiet = Quiet::now();
        let mut is_done = false;
        loop {
            if talk.is_over(scene) && !is_done {
                scene.done();
                is_done = true;
            }
            if let Some(message) = talk.turn(scene, &self.there, &pair, !is_done, rng)? {
                self.back.arrived(path, &message)?;
                quiet = Quiet::now();
                pause(rng);
                continue;
            }
            let has_all = self.back.total_arrived() >= self.back.total_sent();
            if scene.failed() || scene.all_done() && has_all {
                break;
            }
            if quiet.too_long() && scene.over() {
                return Err(Error::WouldBlock(Blocked::TimeOut))
                    .explain("waiting for the rest", &pair);
            }
        }
        self.leave(pair)
    }

    /// Whoever comes waits until his predecessor was heard out: then he is spoken to.
    fn connected(&self, mut pair: Socket<Pair>, place: &str, rng: &mut Rng) -> Result<()> {
        let scene = self.scene;
        let mut is_done = false;
        loop {
            let path = self.there.path();
            let mut talk = Talk::new(self.back.begin(), rng.u64(1..3000));
            let end = lifetime(rng);
            let mut is_spoken_to = !self.leaves;
            let mut quiet = Quiet::now();
            loop {
                if scene.over() && !is_done {
                    scene.done();
                    is_done = true;
                }
                let speaks = is_spoken_to && !talk.is_over(scene);
                if let Some(message) = talk.turn(scene, &self.back, &pair, speaks, rng)? {
                    self.there.arrived(path, &message)?;
                    is_spoken_to = true;
                    quiet = Quiet::now();
                    continue;
                }
                let has_all = self.there.total_arrived() >= self.there.total_sent();
                let is_quiet = self.leaves && quiet.long_enough();
                if scene.failed() || scene.all_done() && (has_all || is_quiet) {
                    return self.leave(pair);
                }
                if quiet.too_long() && scene.over() {
                    return Err(Error::WouldBlock(Blocked::TimeOut))
                        .explain("waiting for the rest", &pair);
                }
                if self.leaves && !scene.over() && Instant::now() > end {
                    break;
                }
            }
            self.leave(pair)?;
            scene.came_back();
            scene.pause(rng, Duration::from_millis(30));
            pair = scene.socket::<Pair>(rng)?;
            scene.connect(&pair, &[place])?;
        }
    }

    /// In the background: the other one goes on receiving.
    fn leave(&self, pair: Socket<Pair>) -> Result<()> {
        pair.set_linger(Some(super::kit::WAIT))?;
        pair.close();
        Ok(())
    }

    /// Comes while two are talking.
    fn sent_away(&self, place: &str, rng: &mut Rng) -> Result<()> {
        let scene = self.scene;
        while self.there.total_arrived() == 0 {
            if scene.over() {
                return Ok(());
            }
            scene.pause(rng, Duration::from_millis(5));
        }
        while !scene.over() {
            let third = scene.socket::<Pair>(rng)?;
            third.set_linger(Some(Duration::ZERO))?;
            scene.connect(&third, &[place])?;
            let _ =
                third.send_timeout(Message::from("nobody wants this"), Duration::from_millis(5));
            if let Some(message) = glance(&third)? {
                let what = wire::check(&message);
                return Err(format!("a third one received message {what:?}").into());
            }
            drop(third);
            scene.pause(rng, Duration::from_millis(100));
        }
        Ok(())
    }
}

/// What one says, message after message, as there is room.
struct Talk {
    stream: u32,
    seq: u64,
    limit: u64,
    unsaid: Option<Message>,
}

impl Talk {
    fn new(stream: u32, limit: u64) -> Self {
        Self {
            stream,
            seq: 0,
            limit,
            unsaid: None,
        }
    }

    /// Whether there is nothing more to say. A message that found no room is not said at all.
    fn is_over(&self, scene: &Scene) -> bool {
        self.seq >= self.limit || scene.over()
    }

    /// Says the next message, if there is one and it finds room, and returns what was heard; after saying
    /// something without waiting.
    fn turn(
        &mut self,
        scene: &Scene,
        books: &Books,
        pair: &Socket<Pair>,
        speaks: bool,
        rng: &mut Rng,
    ) -> Result<Option<Message>> {
        if !speaks || !self.say(scene, books, pair, rng)? {
            return glance(pair);
        }
        match pair.try_recv() {
            Ok(message) => Ok(Some(message)),
            Err(Error::WouldBlock(_)) => Ok(None),
            Err(error) => Err(error).explain("receiving", pair),
        }
    }

    /// Whether there was room.
    fn say(
        &mut self,
        scene: &Scene,
        books: &Books,
        pair: &Socket<Pair>,
        rng: &mut Rng,
    ) -> Result<bool> {
        let message = match self.unsaid.take() {
            Some(message) => message,
            None => scene.message(self.stream, self.seq, rng),
        };
        books.sent(self.stream);
        match pair.try_send(message) {
            Ok(()) => {
                self.seq += 1;
                pause(rng);
                Ok(true)
            }
            Err(refused) => {
                books.refused(self.stream);
                if !matches!(refused.error, Error::WouldBlock(_)) {
                    return Err(refused.error).explain("sending", pair);
                }
                self.unsaid = Some(refused.message);
                Ok(false)
            }
        }
    }
}
