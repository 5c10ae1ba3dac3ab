//! Requester and Responder, also with a broker between them: each request ends once, with its reply or with what its
//! deadline allows.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::Result;
use zproxy::{Ended, Proxy};
use zsocket::{
    Dealer, Error, Message, Pattern, Request, Requester, Responder, Router, Socket, Ticket,
};

use super::kit::{GLANCE, Part, Scene, WAIT, lifetime, part};
use crate::sender::pause;
use crate::wire;

const SEEN: &str = "seen";
const SORRY: &str = "sorry";

struct Set<'s> {
    scene: &'s Scene,
    servers_leave: bool,
    /// Servers connect to a broker, and do not bind.
    is_brokered: bool,
    /// Whether servers drop requests unanswered, and whether they say so.
    drops: bool,
    excuses: bool,
    /// How long a request may take, and how often it is sent again.
    patience: Duration,
    retries: u32,
    servers: Vec<String>,
    asking: AtomicUsize,
}

pub(super) fn play(scene: &Scene, rng: &mut Rng) -> Result<()> {
    // Over inproc a connector does not notice that a binder is there again.
    let servers_leave = !scene.is_inproc() && rng.bool();
    let mut set = Set {
        scene,
        servers_leave,
        is_brokered: false,
        drops: rng.bool(),
        excuses: rng.bool(),
        patience: if rng.bool() {
            Duration::from_millis(rng.u64(1..300))
        } else {
            WAIT
        },
        retries: rng.u32(..3),
        servers: Vec::new(),
        asking: AtomicUsize::new(0),
    };
    // Otherwise there is nothing to wait for.
    if set.servers_leave || set.drops && !set.excuses {
        set.patience = set.patience.min(Duration::from_millis(rng.u64(100..1000)));
    }
    let (clients, servers) = (rng.usize(1..=3), rng.usize(1..=2));
    let mut responders = Vec::new();
    for _ in 0..servers {
        let responder = set.responder(rng)?;
        let place = scene.place();
        let bound = scene.stage.insist(|| responder.bind(place.as_str()))?;
        set.servers.push(bound.to_string());
        responders.push(responder);
    }
    set.play(clients, responders, Vec::new(), rng)
}

/// Many clients and some servers that come and go, and a proxy that knows none of them.
pub(super) fn play_brokered(scene: &Scene, rng: &mut Rng) -> Result<()> {
    let frontend = scene.socket::<Router>(rng)?;
    // Room for the replies to all that may be in flight; what has no room is dropped.
    frontend.set_send_hwm(0)?;
    let front = scene.bind(&frontend, &scene.place())?;
    let backend = scene.socket::<Dealer>(rng)?;
    let back = scene.bind(&backend, &scene.place())?;
    let broker = Proxy::new(frontend, backend).spawn()?;
    let servers_leave = rng.u32(..4) > 0 || scene.is_long();
    let mut set = Set {
        scene,
        servers_leave,
        is_brokered: true,
        drops: rng.bool(),
        excuses: rng.bool(),
        patience: WAIT,
        retries: rng.u32(..3),
        servers: vec![back],
        asking: AtomicUsize::new(0),
    };
    // What a server has taken and left behind ends with its deadline.
    if servers_leave || set.drops && !set.excuses {
        set.patience = Duration::from_millis(rng.u64(100..1000));
    }
    let (few_clients, few_servers) = (rng.usize(1..=10), rng.usize(1..=10));
    let (clients, servers) = if scene.is_long() {
        (100, 10)
    } else {
        let clients = if rng.bool() { 100 } else { few_clients };
        (clients, few_servers)
    };
    let mut responders = Vec::new();
    for _ in 0..servers {
        let responder = set.responder(rng)?;
        scene
            .stage
            .insist(|| responder.connect(set.servers[0].as_str()))?;
        responders.push(responder);
    }
    let played = set.play(clients, responders, vec![front], rng);
    broker.handle().terminate();
    let statistics = broker.handle().statistics();
    match broker.join() {
        Ok(Ended::ByHandle) => played.map_err(|error| format!("{statistics:?}: {error}").into()),
        ended => Err(format!("the broker has ended: {ended:?}, {statistics:?}, {played:?}").into()),
    }
}

impl Set<'_> {
    /// Plays until nobody asks any more. Clients connect to the servers, or to where the broker listens.
    fn play(
        mut self,
        clients: usize,
        responders: Vec<Responder>,
        fronts: Vec<String>,
        rng: &mut Rng,
    ) -> Result<()> {
        let scene = self.scene;
        let servers = responders.len();
        self.asking = AtomicUsize::new(clients);
        let set = &self;
        let fronts = if set.is_brokered {
            &fronts
        } else {
            &set.servers
        };
        let mut parts: Vec<Part<'_>> = Vec::new();
        for (number, responder) in responders.into_iter().enumerate() {
            let (to_worker, from_server) = channel();
            let [mut of_server, mut of_worker] = [(); 2].map(|()| Rng::with_seed(rng.u64(..)));
            parts.push(part(format!("Responder {number}"), move || {
                set.serve(responder, number, &to_worker, &mut of_server)
            }));
            parts.push(part(format!("worker of Responder {number}"), move || {
                work(&from_server, &mut of_worker)
            }));
        }
        for number in 0..clients {
            let rng = Rng::with_seed(rng.u64(..));
            parts.push(part(format!("Requester {number}"), move || {
                set.ask(number, fronts, rng)
            }));
        }
        scene.play(parts).map_err(|error| {
            let Set { drops, excuses, patience, retries, servers_leave, .. } = set;
            format!(
                "{clients} to {servers}, Responders leave: {servers_leave}, drop: {drops}, excuse: {excuses}, \
                 {patience:?}, {retries} retries: {error}"
            )
            .into()
        })
    }

    fn responder(&self, rng: &mut Rng) -> Result<Responder> {
        let socket = self.scene.socket::<Router>(rng)?;
        // Room for the replies to all that may be in flight; what has no room is dropped. A broker is one peer for all.
        socket.set_send_hwm(if self.is_brokered { 0 } else { 1000 })?;
        self.limit_linger(&socket)?;
        let mut builder = Responder::builder().max_at_work(rng.usize(1..300));
        if self.excuses {
            builder = builder.answer_abandoned(SORRY);
        }
        Ok(builder.over(socket)?)
    }

    /// A broker ends before all that was sent again has been forwarded, and does not come back.
    fn limit_linger<P: Pattern>(&self, socket: &Socket<P>) -> Result<()> {
        if self.is_brokered {
            socket.set_linger(Some(GLANCE))?;
        }
        Ok(())
    }

    /// Answers at once, later, or elsewhere, or not at all.
    fn serve(
        &self,
        mut responder: Responder,
        number: usize,
        worker: &Sender<Request>,
        rng: &mut Rng,
    ) -> Result<()> {
        let scene = self.scene;
        loop {
            let mut kept: Vec<Request> = Vec::new();
            let end = lifetime(rng);
            while !(self.servers_leave && !scene.over() && Instant::now() > end) {
                match responder.recv_timeout(GLANCE) {
                    Ok(request) => {
                        if wire::check(request.body()).is_none() {
                            return Err(format!("a damaged request: {:?}", request.body()).into());
                        }
                        match rng.u32(..10) {
                            0 if self.drops => drop(request),
                            ..4 => kept.push(request),
                            4..6 => worker.send(request).map_err(|_| "the worker is gone")?,
                            _ => answer(&responder, request)?,
                        }
                        pause(rng);
                    }
                    Err(Error::WouldBlock(_)) => {}
                    Err(error) => return Err(format!("{error}, {:?}", responder.stats()).into()),
                }
                // As soon as it pleases, but not later than when there is nothing else to do.
                while kept.len() > rng.usize(..20) {
                    answer(&responder, kept.swap_remove(rng.usize(..kept.len())))?;
                }
                if scene.failed() || self.asking.load(Ordering::Acquire) == 0 {
                    return Ok(());
                }
            }
            drop((kept, responder));
            scene.came_back();
            scene.pause(rng, Duration::from_millis(50));
            responder = self.responder(rng)?;
            if self.is_brokered {
                scene
                    .stage
                    .insist(|| responder.connect(self.servers[0].as_str()))?;
            } else {
                let place = self.servers[number].as_str();
                scene.stage.insist(|| responder.bind(place))?;
            }
        }
    }

    fn ask(&self, number: usize, fronts: &[String], mut rng: Rng) -> Result<()> {
        let scene = self.scene;
        let socket = scene.socket::<Dealer>(&mut rng)?;
        socket.set_immediate(true)?;
        self.limit_linger(&socket)?;
        socket.set_recv_hwm(1000)?;
        scene.connect(&socket, fronts)?;
        // With many clients fewer each.
        let at_a_time = rng.usize(1..if self.is_brokered { 20 } else { 200 });
        let builder = Requester::builder().max_in_flight(at_a_time);
        let after = (self.patience / 4).max(Duration::from_millis(1));
        let requester = builder.retries(self.retries, after).over(socket)?;
        let mut open: HashMap<Ticket, Message> = HashMap::new();
        let mut begun = 0;
        loop {
            if !scene.over() && open.len() < at_a_time {
                let request = scene.message(number as u32, begun, &mut rng);
                let ticket = requester
                    .send(request.clone(), self.patience)
                    .map_err(|refused| format!("asking: {}", refused.error))?;
                begun += 1;
                if rng.u32(..100) == 0 {
                    if !requester.forget(ticket) {
                        return Err("a request was not in flight right after it was sent".into());
                    }
                } else if open.insert(ticket, request).is_some() {
                    return Err("two requests have the same ticket".into());
                }
                pause(&mut rng);
            }
            if open.is_empty() {
                if scene.over() {
                    break;
                }
                continue;
            }
            let is_over = scene.over();
            let wait = if is_over {
                2 * WAIT
            } else {
                Duration::from_millis(rng.u64(..3))
            };
            let ended = if rng.u32(..20) == 0 {
                let ticket = *open.keys().next().ok_or("no request")?;
                Ok((ticket, requester.wait(ticket)))
            } else {
                requester.recv_timeout(wait)
            };
            match ended {
                Ok((ticket, reply)) => {
                    let request = open.remove(&ticket).ok_or("a request has ended twice")?;
                    self.check(&request, reply)
                        .map_err(|error| format!("{error}, {}", tell(&requester)))?;
                }
                Err(Error::WouldBlock(_)) if !is_over => {}
                Err(error) => {
                    let left = open.len();
                    return Err(format!("{left} are open, {error}, {}", tell(&requester)).into());
                }
            }
        }
        let stats = requester.stats();
        if stats.in_flight != 0 || stats.answered + stats.overdue + stats.forgotten != begun {
            return Err(format!("of {begun} requests: {}", tell(&requester)).into());
        }
        self.asking.fetch_sub(1, Ordering::AcqRel);
        Ok(())
    }

    fn check(&self, request: &Message, reply: Result<Message, Error>) -> Result<()> {
        match reply {
            Ok(reply) if reply.len() == 1 && reply[0] == *SORRY && self.excuses => {
                // A Responder that leaves drops what it has not answered.
                if self.drops || self.servers_leave {
                    return Ok(());
                }
                Err("an excuse, and nobody has dropped a request".into())
            }
            Ok(mut reply) => {
                let seen = reply.pop_back();
                if seen.as_deref() == Some(SEEN.as_bytes()) && reply == *request {
                    return Ok(());
                }
                let (was, is) = (wire::check(request), wire::check(&reply));
                Err(format!("the reply to {was:?} is {is:?}, then {seen:?}").into())
            }
            Err(Error::NoReply { .. }) if self.patience < WAIT => {
                self.scene.missing.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn tell(requester: &Requester) -> String {
    format!("{:?}\n{}", requester.stats(), requester.socket_stats())
}

fn answer(responder: &Responder, mut request: Request) -> Result<()> {
    let mut reply = request.take_body();
    reply.push_back(SEEN);
    responder
        .answer(request, reply)
        .map_err(|refused| format!("answering: {}", refused.error).into())
}

/// Answers from another thread.
fn work(requests: &Receiver<Request>, rng: &mut Rng) -> Result<()> {
    while let Ok(mut request) = requests.recv() {
        pause(rng);
        let mut reply = request.take_body();
        reply.push_back(SEEN);
        match request.answer(reply).map_err(|refused| refused.error) {
            // The one that asked for it has left.
            Ok(()) | Err(Error::ResponderClosed) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
