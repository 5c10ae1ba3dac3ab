//! PUSH sockets that come and go.

use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use zexamples::Result;
use zsocket::{Error, Push, Socket};

use crate::PATIENCE;
use crate::lane::Lane;
use crate::receiver::Order;
use crate::wire::{self, Pool};

/// Streams that may be on their way at a time. A socket that is closed goes on sending in the background, so
/// without a bound senders that are faster than the receivers would fill the memory.
const OPEN: usize = 8;

/// Waits until there is room for a new stream.
fn wait_for_room(lane: &Lane) {
    while lane.books().open() >= OPEN && !lane.stopping() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Sockets that connect to one or several receivers, one socket after the other. Each is
/// connected up to three times, and every time begins a stream.
pub(crate) fn connecting(
    lane: &Lane,
    pool: &Pool,
    receivers: &[String],
    mut rng: Rng,
) -> Result<()> {
    while !lane.stopping() {
        wait_for_room(lane);
        let push = open(lane, &mut rng)?;
        for again in (0..rng.u32(1..=3)).rev() {
            let mut targets = receivers.to_vec();
            if rng.bool() {
                targets.swap_remove(rng.usize(..targets.len()));
            }
            for target in &targets {
                lane.stage.insist(|| push.connect(target.as_str()))?;
            }
            let stream = lane.books().begin(true);
            send(lane, &push, stream, pool, &mut rng)?;
            if again > 0 {
                for target in &targets {
                    push.disconnect(target.as_str())?;
                }
            }
        }
        push.close();
    }
    Ok(())
}

/// Sockets that bind and have a receiver connect to them, one after the other.
pub(crate) fn binding(
    lane: &Lane,
    pool: &Pool,
    receivers: &[Sender<Order>],
    mut rng: Rng,
) -> Result<()> {
    while !lane.stopping() {
        wait_for_room(lane);
        let push = open(lane, &mut rng)?;
        let endpoint = lane.bind(&push)?;
        let receiver = &receivers[rng.usize(..receivers.len())];
        receiver
            .send(Order::Connect(endpoint.clone()))
            .map_err(|_| "a receiver is gone")?;
        let stream = lane.books().begin(true);
        let messages = send(lane, &push, stream, pool, &mut rng)?;
        push.close();
        receiver
            .send(Order::DisconnectAfter {
                endpoint,
                stream,
                messages,
            })
            .map_err(|_| "a receiver is gone")?;
    }
    Ok(())
}

pub(crate) fn open(lane: &Lane, rng: &mut Rng) -> Result<Socket<Push>> {
    let push = lane.socket::<Push>()?;
    push.set_send_hwm(random_hwm(rng))?;
    push.set_send_timeout(Some(PATIENCE))?;
    Ok(push)
}

/// A high-water mark, mostly low, so that it is reached; sometimes none.
pub(crate) fn random_hwm(rng: &mut Rng) -> u32 {
    match rng.u32(..10) {
        0 => 0,
        1..5 => rng.u32(1..=5),
        5..9 => rng.u32(6..=100),
        _ => 1000,
    }
}

/// Sends a stream and returns how long it became.
fn send(lane: &Lane, push: &Socket<Push>, stream: u32, pool: &Pool, rng: &mut Rng) -> Result<u64> {
    let limit = match rng.u32(..10) {
        0 => 0,
        1 => 1,
        2..7 => rng.u64(..200),
        _ => rng.u64(..2000),
    };
    let mut messages = 0;
    while messages < limit && !lane.stopping() {
        let message = wire::message(stream, messages, pool, rng);
        if let Err(error) = push.send(message).map_err(Error::from) {
            lane.books().end(stream, messages, 0);
            return Err(format!("stream {stream}, message {messages}: {error}").into());
        }
        messages += 1;
        pause(rng);
    }
    lane.books().end(stream, messages, 0);
    Ok(messages)
}

/// Nothing, mostly.
pub(crate) fn pause(rng: &mut Rng) {
    match rng.u32(..2000) {
        0 => thread::sleep(Duration::from_micros(rng.u64(..50_000))),
        1..10 => thread::sleep(Duration::from_micros(rng.u64(..1000))),
        10..40 => thread::yield_now(),
        _ => {}
    }
}
