//! REQ and REP: a reply belongs to its request, or there is an error that says why there is none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::Result;
use zsocket::{Error, Message, Rep, Req, Socket};

use super::kit::{Explain, Part, Scene, glance, lifetime, part};
use crate::sender::pause;
use crate::wire;

/// What a server puts behind the request that it sends back.
const SEEN: &str = "seen";

struct Set<'s> {
    scene: &'s Scene,
    /// Whether servers leave and come back.
    servers_leave: bool,
    clients_leave: bool,
    servers: Vec<String>,
    asking: AtomicUsize,
}

pub(super) fn play(scene: &Scene, rng: &mut Rng) -> Result<()> {
    let mut set = Set {
        scene,
        // Over inproc a connector does not notice that a binder is there again.
        servers_leave: !scene.is_inproc() && rng.bool(),
        clients_leave: rng.bool(),
        servers: Vec::new(),
        asking: AtomicUsize::new(0),
    };
    let (clients, servers) = (rng.usize(1..=4), rng.usize(1..=2));
    let mut reps = Vec::new();
    for _ in 0..servers {
        let rep = set.rep(rng)?;
        set.servers.push(scene.bind(&rep, &scene.place())?);
        reps.push(rep);
    }
    set.asking.store(clients, Ordering::Release);
    let set = &set;
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (number, rep) in reps.into_iter().enumerate() {
        let rng = Rng::with_seed(rng.u64(..));
        parts.push(part(format!("REP {number}"), move || {
            set.serve(rep, number, rng)
        }));
    }
    for number in 0..clients {
        let rng = Rng::with_seed(rng.u64(..));
        parts.push(part(format!("REQ {number}"), move || set.ask(number, rng)));
    }
    scene.play(parts).map_err(|error| {
        let (leave, also) = (set.servers_leave, set.clients_leave);
        format!("{clients} REQ, {servers} REP, REPs leave: {leave}, REQs leave: {also}: {error}")
            .into()
    })
}

impl Set<'_> {
    fn rep(&self, rng: &mut Rng) -> Result<Socket<Rep>> {
        let rep = self.scene.socket::<Rep>(rng)?;
        // What finds no room is dropped. One that does not wait for a reply may have several on their way.
        rep.set_send_hwm(0)?;
        Ok(rep)
    }

    /// Replies with the request, until nobody asks any more.
    fn serve(&self, mut rep: Socket<Rep>, number: usize, mut rng: Rng) -> Result<()> {
        let scene = self.scene;
        loop {
            let end = lifetime(&mut rng);
            while !(self.servers_leave && !scene.over() && Instant::now() > end) {
                if let Some(mut request) = glance(&rep)? {
                    if wire::check(&request).is_none() {
                        return Err(format!("a damaged request: {request:?}").into());
                    }
                    pause(&mut rng);
                    request.push_back(SEEN);
                    // To one that does not wait any more it is dropped.
                    rep.send(request).explain("replying", &rep)?;
                }
                if scene.failed() || self.asking.load(Ordering::Acquire) == 0 {
                    return Ok(());
                }
            }
            rep.set_linger(Some(Duration::from_millis(rng.u64(..5))))?;
            drop(rep);
            scene.came_back();
            scene.pause(&mut rng, Duration::from_millis(50));
            rep = self.rep(&mut rng)?;
            scene.bind(&rep, &self.servers[number])?;
        }
    }

    fn ask(&self, number: usize, mut rng: Rng) -> Result<()> {
        let scene = self.scene;
        let mut seq = 0;
        while !scene.over() {
            let req = scene.socket::<Req>(&mut rng)?;
            let correlate = rng.bool();
            // A late reply is told from that to a later request by its number.
            let relaxed = correlate && rng.bool();
            req.set_correlate(correlate)?;
            req.set_relaxed(relaxed)?;
            req.set_linger(Some(Duration::ZERO))?;
            scene.connect(&req, &self.servers)?;
            let end = lifetime(&mut rng);
            while !(scene.over() || self.clients_leave && Instant::now() > end) {
                let request = scene.message(number as u32, seq, &mut rng);
                seq += 1;
                req.send(request.clone()).explain("asking", &req)?;
                // Some leave without waiting for the reply.
                if self.clients_leave && rng.u32(..50) == 0 {
                    break;
                }
                self.wait(&req, &request, relaxed, &mut rng)?;
                pause(&mut rng);
            }
            scene.came_back();
        }
        self.asking.fetch_sub(1, Ordering::AcqRel);
        Ok(())
    }

    fn wait(
        &self,
        req: &Socket<Req>,
        request: &Message,
        relaxed: bool,
        rng: &mut Rng,
    ) -> Result<()> {
        let impatient = relaxed && rng.bool();
        let reply = if impatient {
            req.recv_timeout(Duration::from_millis(rng.u64(..5)))
        } else {
            req.recv()
        };
        match reply {
            Ok(mut reply) => {
                let seen = reply.pop_back();
                if seen.as_deref() == Some(SEEN.as_bytes()) && reply == *request {
                    return Ok(());
                }
                let (was, is) = (wire::check(request), wire::check(&reply));
                Err(format!("the reply to {was:?} is {is:?}, then {seen:?}").into())
            }
            Err(Error::WouldBlock(_)) if impatient => {
                self.scene.missing.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(Error::PeerLost(_)) if self.servers_leave => {
                self.scene.missing.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(error).explain("waiting for the reply", req),
        }
    }
}
