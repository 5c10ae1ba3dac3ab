//! Connections that are cut, and listeners that come and go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::Result;
use zsocket::{Error, Rep, Req, Socket};

use super::Target;
use super::proxy::{self, Control};
use super::stream::Listener;
use crate::PATIENCE;
use crate::lane::Lane;
use crate::sender;
use crate::wire::{self, Pool};

/// One PUSH that stays, and whose connection is cut again and again. Each of its messages arrives once or
/// has been swallowed by the proxy.
pub(super) fn cut_push(target: &Target, pool: &Pool, mut rng: Rng) -> Result<()> {
    let (lane, pull) = (&target.lane, &target.pulls[0]);
    let control = Control::default();
    let seed = rng.u64(..);
    with_proxy(lane, pull, &control, seed, |endpoint| {
        let push = sender::open(lane, &mut rng)?;
        push.set_reconnect_interval(Some(Duration::from_millis(5)))?;
        // It sends until the end, so without a mark it would queue without end.
        push.set_send_hwm(rng.u32(1..=100))?;
        // Who cuts in the middle of the same message again and again must not be taken for a peer that
        // refuses it.
        push.set_max_refusals(0)?;
        lane.stage.insist(|| push.connect(endpoint))?;
        let stream = lane.books().begin(false);
        let mut sent = 0;
        while !lane.stopping() {
            let message = wire::message(stream, sent, pool, &mut rng);
            if let Err(error) = push.send(message).map_err(Error::from) {
                lane.books().end(stream, sent, control.swallowed());
                return Err(format!("stream {stream}, message {sent}: {error}").into());
            }
            sent += 1;
            sender::pause(&mut rng);
        }
        control.calm_down();
        push.close();
        lane.books().end(stream, sent, control.swallowed());
        // The proxy must live until all that is left has gone through it.
        let deadline = Instant::now() + PATIENCE / 2;
        while lane.books().arrived(stream) != u64::MAX && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    })
}

/// A REQ whose connection is cut again and again. Each request is answered, or reported as lost.
pub(super) fn cut_req(target: &Target, pool: &Pool, mut rng: Rng) -> Result<()> {
    let lane = &target.lane;
    let control = Control::default();
    let seed = rng.u64(..);
    with_proxy(lane, &target.rep, &control, seed, |endpoint| {
        let req = requester(lane, endpoint)?;
        ask_on(
            lane,
            &req,
            pool,
            &mut rng,
            [
                "storms: requests answered",
                "storms: requests lost in a cut",
            ],
        )?;
        control.calm_down();
        Ok(())
    })
}

/// A REP that unbinds and binds again all the time, and a REQ that asks it.
pub(super) fn rebind(target: &Target, pool: &Pool, mut rng: Rng) -> Result<()> {
    let lane = &target.lane;
    let rep = lane.socket::<Rep>()?;
    let endpoint = lane.bind(&rep)?;
    let mut rng_of_listener = Rng::with_seed(rng.u64(..));
    let asking = AtomicBool::new(true);
    thread::scope(|scope| {
        let listener =
            scope.spawn(|| come_and_go(lane, rep, &endpoint, &asking, &mut rng_of_listener));
        let asked = requester(lane, &endpoint).and_then(|req| {
            let counts = [
                "storms: requests answered by a listener that comes and goes",
                "storms: requests lost with their listener",
            ];
            ask_on(lane, &req, pool, &mut rng, counts)
        });
        asking.store(false, Ordering::Relaxed);
        let listened = listener
            .join()
            .unwrap_or_else(|_| Err("a listener panicked".into()));
        asked.and(listened)
    })
}

fn come_and_go(
    lane: &Lane,
    rep: Socket<Rep>,
    endpoint: &str,
    asking: &AtomicBool,
    rng: &mut Rng,
) -> Result<()> {
    while !lane.stopping() {
        let unbind_at = Instant::now() + Duration::from_millis(rng.u64(10..500));
        while !lane.stopping() && Instant::now() < unbind_at {
            match rep.recv_timeout(Duration::from_millis(20)) {
                Ok(request) => rep.send(request).map_err(Error::from)?,
                Err(Error::WouldBlock(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        rep.unbind(endpoint)?;
        lane.stage.log.count("storms: listeners unbound");
        thread::sleep(Duration::from_millis(rng.u64(..50)));
        let deadline = Instant::now() + PATIENCE;
        loop {
            match lane.stage.insist(|| match rep.bind(endpoint) {
                // Somebody else got the port meanwhile, and gives it back sooner or later.
                Err(Error::AddressInUse(_)) if Instant::now() < deadline => Ok(false),
                Err(error) => Err(error),
                Ok(_) => Ok(true),
            })? {
                true => break,
                false => thread::sleep(Duration::from_millis(5)),
            }
        }
    }
    // The last request waits for its answer.
    while asking.load(Ordering::Relaxed) {
        if let Ok(request) = rep.recv_timeout(Duration::from_millis(20)) {
            rep.send(request).map_err(Error::from)?;
        }
    }
    Ok(())
}

fn requester(lane: &Lane, endpoint: &str) -> Result<Socket<Req>> {
    let req = lane.socket::<Req>()?;
    req.set_reconnect_interval(Some(Duration::from_millis(5)))?;
    req.set_send_timeout(Some(PATIENCE))?;
    req.set_recv_timeout(Some(PATIENCE))?;
    req.set_linger(Some(Duration::ZERO))?;
    lane.stage.insist(|| req.connect(endpoint))?;
    Ok(req)
}

fn ask_on(
    lane: &Lane,
    req: &Socket<Req>,
    pool: &Pool,
    rng: &mut Rng,
    [answered, lost]: [&'static str; 2],
) -> Result<()> {
    let mut asked = 0;
    while !lane.stopping() {
        let request = wire::message(0, asked, pool, rng);
        asked += 1;
        let start = Instant::now();
        req.send(request.clone()).map_err(Error::from)?;
        match req.recv() {
            Ok(reply) if reply == request => lane.stage.log.took(answered, start.elapsed()),
            Ok(_) => {
                return Err(format!("request {asked} got the answer to something else").into());
            }
            Err(Error::PeerLost(_)) => lane.stage.log.took(lost, start.elapsed()),
            Err(error) => return Err(format!("request {asked}: {error}").into()),
        }
    }
    Ok(())
}

/// Calls `f` with the endpoint of a proxy to `upstream`.
fn with_proxy(
    lane: &Lane,
    upstream: &str,
    control: &Control,
    seed: u64,
    f: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    let (listener, endpoint) = {
        // Before anything takes the descriptors away.
        let _enough = lane.stage.enough_descriptors();
        Listener::bind(&lane.stage.endpoints.fresh(lane.transport))?
    };
    thread::scope(|scope| {
        let passing = scope.spawn(|| {
            let mut rng = Rng::with_seed(seed);
            proxy::run(&listener, upstream, control, &lane.stage.log, &mut rng);
        });
        let result = f(&endpoint);
        control.end();
        passing.join().map_err(|_| "a proxy panicked")?;
        result
    })
}
