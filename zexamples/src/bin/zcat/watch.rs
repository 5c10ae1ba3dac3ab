//! Events of connections, as lines.

use std::fmt;
use std::time::{Duration, Instant};

use zexamples::{Result, say};
use zsocket::{Context, Event};

use crate::cli::Watch;
use crate::place;

/// Prints events until there were enough, or none for too long.
pub(crate) fn watch(watch: &Watch) -> Result<bool> {
    let context = Context::new();
    let socket = context.dynamic(watch.socket_type)?;
    // Before the first event.
    let monitor = socket.monitor();
    place::attach(&socket, &watch.place, &[])?;
    let start = Instant::now();
    let mut count = 0;
    while watch.count.is_none_or(|enough| count < enough) {
        let timeout = watch.place.timeout.unwrap_or(Duration::MAX);
        let Some(event) = monitor.recv_timeout(timeout) else {
            eprintln!(
                "zcat: no event for {timeout:?}{}",
                place::diagnosis(&socket)
            );
            return Ok(count > 0 && watch.count.is_none());
        };
        let elapsed = start.elapsed().as_secs_f64();
        say(format_args!("{elapsed:.6} {}", Line(&event)));
        count += 1;
    }
    Ok(true)
}

/// An event: its name, its endpoint, and the rest.
struct Line<'a>(&'a Event);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::Listening { endpoint, .. } => write!(f, "listening {endpoint}"),
            Event::Accepted { endpoint, peer, .. } => write!(f, "accepted {endpoint} from {peer}"),
            Event::AcceptPaused {
                endpoint, reason, ..
            } => {
                write!(f, "accept-paused {endpoint}: {reason}")
            }
            Event::AcceptRefused { endpoint, peer } => {
                write!(f, "accept-refused {endpoint} from {peer}")
            }
            Event::AcceptFailed {
                endpoint, reason, ..
            } => {
                write!(f, "accept-failed {endpoint}: {reason}")
            }
            Event::ListenerClosed { endpoint, .. } => write!(f, "listener-closed {endpoint}"),
            Event::Connected { endpoint, peer, .. } => write!(f, "connected {endpoint} to {peer}"),
            Event::ConnectFailed {
                endpoint, reason, ..
            } => {
                write!(f, "connect-failed {endpoint}: {reason}")
            }
            Event::ConnectRetried { endpoint, delay } => {
                write!(f, "connect-retried {endpoint} in {delay:?}")
            }
            Event::ConnectStopped { endpoint, reason } => {
                write!(f, "connect-stopped {endpoint}: {reason}")
            }
            Event::HandshakeSucceeded {
                endpoint,
                address,
                peer,
                ..
            } => {
                let kind = peer.socket_type.map_or("unknown type", |kind| kind.name());
                write!(
                    f,
                    "handshake-succeeded {endpoint} with {address}: {kind}, ZMTP {}",
                    peer.version
                )
            }
            Event::HandshakeFailed {
                endpoint,
                address,
                reason,
                ..
            } => write!(f, "handshake-failed {endpoint} with {address}: {reason}"),
            Event::MessageRefused {
                endpoint,
                address,
                size,
                connections,
            } => write!(
                f,
                "message-refused {endpoint} by {address}: {size} bytes, on {connections} connections"
            ),
            Event::PeerRefused { endpoint } => write!(f, "peer-refused {endpoint}"),
            Event::Disconnected {
                endpoint,
                address,
                reason,
                ..
            } => write!(f, "disconnected {endpoint} from {address}: {reason}"),
            other => write!(f, "{other:?}"),
        }
    }
}
