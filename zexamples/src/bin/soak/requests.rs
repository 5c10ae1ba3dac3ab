//! REQ sockets that come and go, and a REP socket that stays.

use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::Result;
use zsocket::{Error, Rep, Req, Socket};

use crate::PATIENCE;
use crate::lane::Lane;
use crate::sender::{pause, random_hwm};
use crate::wire::{self, Pool};

/// How often the responder looks up from waiting.
const GLANCE: Duration = Duration::from_millis(100);

/// Makes the responder's socket, and says where it is bound.
pub(crate) fn bind(lane: &Lane) -> Result<(Socket<Rep>, String)> {
    let rep = lane.socket::<Rep>()?;
    rep.set_recv_timeout(Some(GLANCE))?;
    rep.set_max_frame_size(Some(wire::LIMIT))?;
    let endpoint = lane.bind(&rep)?;
    Ok((rep, endpoint))
}

/// Sends every request back, until nobody asks any more.
pub(crate) fn respond(lane: &Lane, rep: &Socket<Rep>) -> Result<()> {
    while !lane.served() {
        match rep.recv() {
            Ok(request) => rep.send(request).map_err(Error::from)?,
            Err(Error::WouldBlock(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Asks, with one socket after the other, compares each answer, and returns how many there were.
pub(crate) fn request(lane: &Lane, pool: &Pool, responder: &str, mut rng: Rng) -> Result<u64> {
    let mut answered = 0;
    while !lane.stopping() {
        let req = lane.socket::<Req>()?;
        req.set_send_hwm(random_hwm(&mut rng))?;
        req.set_recv_hwm(random_hwm(&mut rng))?;
        req.set_send_timeout(Some(PATIENCE))?;
        req.set_recv_timeout(Some(PATIENCE))?;
        lane.stage.insist(|| req.connect(responder))?;
        for _ in 0..rng.u32(1..=50) {
            let request = wire::message(0, answered, pool, &mut rng);
            let start = Instant::now();
            req.send(request.clone()).map_err(Error::from)?;
            let reply = req.recv()?;
            lane.stage.log.took("requests answered", start.elapsed());
            if reply != request || wire::check(&reply).is_none() {
                return Err(format!("request {answered} got the answer to something else").into());
            }
            answered += 1;
            pause(&mut rng);
        }
    }
    Ok(answered)
}
