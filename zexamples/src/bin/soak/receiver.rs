//! PULL sockets that stay.

use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::{Result, Transport};
use zsocket::{Error, Message, Pull, Socket};

use crate::PATIENCE;
use crate::lane::{Lane, Totals};
use crate::sender::{pause, random_hwm};
use crate::wire;

/// What a sender that binds asks a receiver for.
#[derive(Debug)]
pub(crate) enum Order {
    Connect(String),
    /// The sender has closed; so many messages are to come yet or have come.
    DisconnectAfter {
        endpoint: String,
        stream: u32,
        messages: u64,
    },
}

/// How often a receiver looks up from receiving.
const GLANCE: Duration = Duration::from_millis(20);

/// Makes the socket, and says where it is bound.
pub(crate) fn bind(lane: &Lane, rng: &mut Rng) -> Result<(Socket<Pull>, String)> {
    let pull = lane.socket::<Pull>()?;
    pull.set_recv_hwm(random_hwm(rng))?;
    pull.set_recv_timeout(Some(GLANCE))?;
    // A port that a sender has left may belong to the next one a moment later, and then the
    // connection would be to the wrong one.
    pull.set_reconnect_interval(None)?;
    pull.set_max_frame_size(Some(wire::LIMIT))?;
    // The books want every message, also of senders that have closed. How much of theirs can wait is
    // bounded by the number of streams that are open.
    pull.set_departed_hwm(0)?;
    pull.set_departed_bytes(0)?;
    let endpoint = lane.bind(&pull)?;
    Ok((pull, endpoint))
}

/// Receives and checks until everything is there, or nothing comes any more.
pub(crate) fn run(
    lane: &Lane,
    number: usize,
    pull: &Socket<Pull>,
    orders: &Receiver<Order>,
    mut rng: Rng,
) -> Result<Totals> {
    let mut totals = Totals::default();
    let mut message = Message::new();
    let mut leaving = Vec::new();
    let mut quiet = Quiet::since_now(lane);
    loop {
        for order in orders.try_iter() {
            match order {
                Order::Connect(endpoint) => {
                    // Marks count for connections that begin later.
                    pull.set_recv_hwm(random_hwm(&mut rng))?;
                    connect(lane, pull, &endpoint)?;
                }
                Order::DisconnectAfter {
                    endpoint,
                    stream,
                    messages,
                } => {
                    leaving.push((endpoint, stream, messages));
                }
            }
        }
        for (endpoint, ..) in leaving.extract_if(.., |(_, stream, messages)| {
            lane.books().arrived(*stream) >= *messages
        }) {
            // Everything that can come from there has come.
            match pull.disconnect(endpoint) {
                Ok(()) | Err(Error::NoSuchEndpoint(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match pull.recv_into(&mut message) {
            Ok(()) => {
                record(lane, number, &message, &mut totals);
                pause(&mut rng);
            }
            Err(Error::WouldBlock(_)) => {
                let (known, complete) = lane.complete();
                // One too many would come right behind the others, before this silence.
                if complete || (known && quiet.too_long(lane)) {
                    return Ok(totals);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Connects. The socket gives an endpoint up when the first attempt fails, so that must not happen for
/// lack of descriptors: it waits for what becomes of the attempt. A sender with nothing to say may be gone
/// already.
fn connect(lane: &Lane, pull: &Socket<Pull>, endpoint: &str) -> Result<()> {
    let _enough = lane.stage.enough_descriptors();
    let outcomes = || {
        let connections = pull.stats().connections;
        connections.established + connections.connect_failed
    };
    let before = outcomes();
    pull.connect(endpoint)?;
    if lane.transport == Transport::Inproc {
        return Ok(());
    }
    // An attempt that ends in the handshake is counted elsewhere, hence the limit.
    let deadline = Instant::now() + Duration::from_secs(2);
    while outcomes() == before && Instant::now() < deadline {
        thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

fn record(lane: &Lane, number: usize, message: &Message, totals: &mut Totals) {
    if wire::is_strange(message) {
        lane.stage
            .log
            .count("hostile: messages of strangers received");
        return;
    }
    let bytes = message.byte_len() as u64;
    totals.bytes += bytes;
    totals.largest = totals.largest.max(bytes);
    match wire::check(message) {
        Some((stream, seq)) => lane.books().record(stream, number, seq),
        None => totals.damaged += 1,
    }
}

/// Since when no message has arrived on the lane.
struct Quiet {
    received: u64,
    since: Instant,
}

impl Quiet {
    fn since_now(lane: &Lane) -> Self {
        Self {
            received: lane.books().received(),
            since: Instant::now(),
        }
    }

    fn too_long(&mut self, lane: &Lane) -> bool {
        if self.received != lane.books().received() {
            *self = Self::since_now(lane);
        }
        self.since.elapsed() > PATIENCE / 2
    }
}
