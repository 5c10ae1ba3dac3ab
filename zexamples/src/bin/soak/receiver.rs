//! PULL sockets that stay.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::{Ledger, Result};
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
    let pull = lane.context.socket::<Pull>()?;
    lane.made_socket();
    pull.set_recv_hwm(random_hwm(rng))?;
    pull.set_recv_timeout(Some(GLANCE))?;
    // A port that a sender has left may belong to the next one a moment later, and then the
    // connection would be to the wrong one.
    pull.set_reconnect_interval(None)?;
    let endpoint = pull.bind(lane.endpoint())?.to_string();
    Ok((pull, endpoint))
}

/// Receives and checks until everything is there, or nothing comes any more.
pub(crate) fn run(
    lane: &Lane,
    pull: &Socket<Pull>,
    orders: &Receiver<Order>,
    mut rng: Rng,
) -> Result<(Ledger, Totals)> {
    let mut ledger = Ledger::new();
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
                    pull.connect(endpoint)?;
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
            ledger.count(*stream as usize) >= *messages
        }) {
            // Everything that can come from there has come.
            match pull.disconnect(endpoint) {
                Ok(()) | Err(Error::NoSuchEndpoint(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match pull.recv_into(&mut message) {
            Ok(()) => {
                record(lane, &message, &mut ledger, &mut totals);
                pause(&mut rng);
            }
            Err(Error::WouldBlock) => {
                let (known, complete) = lane.complete();
                // One too many would come right behind the others, before this silence.
                if complete || (known && quiet.too_long(lane)) {
                    return Ok((ledger, totals));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn record(lane: &Lane, message: &Message, ledger: &mut Ledger, totals: &mut Totals) {
    let bytes = message.byte_len() as u64;
    totals.bytes += bytes;
    totals.largest = totals.largest.max(bytes);
    match wire::check(message) {
        Some((stream, seq)) => ledger.record(stream as usize, 0, seq),
        None => totals.damaged += 1,
    }
    lane.arrived();
}

/// Since when no message has arrived on the lane.
struct Quiet {
    received: u64,
    since: Instant,
}

impl Quiet {
    fn since_now(lane: &Lane) -> Self {
        Self {
            received: lane.received(),
            since: Instant::now(),
        }
    }

    fn too_long(&mut self, lane: &Lane) -> bool {
        if self.received != lane.received() {
            *self = Self::since_now(lane);
        }
        self.since.elapsed() > PATIENCE / 2
    }
}
