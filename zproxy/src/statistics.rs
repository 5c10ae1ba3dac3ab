//! What a proxy has done so far.

use std::fmt;

use zsocket::{Forwarded, Traffic};

/// What a proxy has forwarded and captured since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyStatistics {
    /// From the frontend to the backend.
    pub to_backend: Direction,
    /// From the backend to the frontend. Nothing for an echo.
    pub to_frontend: Direction,
    /// What the capture was given.
    pub captured: Traffic,
    /// Messages that the capture had no room for.
    pub capture_dropped: u64,
}

/// One direction of a proxy. The difference of the two is what names a peer that is not there, or nothing that the other
/// socket can send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// What was received from the one socket.
    pub received: Traffic,
    /// What the other one has sent.
    pub sent: Traffic,
}

impl Direction {
    fn add(&mut self, forwarded: &Forwarded) {
        self.received += forwarded.received;
        self.sent += forwarded.sent;
    }
}

impl ProxyStatistics {
    pub(crate) fn add(&mut self, to_backend: bool, forwarded: &Forwarded) {
        if to_backend {
            self.to_backend.add(forwarded);
        } else {
            self.to_frontend.add(forwarded);
        }
        self.captured += forwarded.captured;
        self.capture_dropped += forwarded.capture_dropped;
    }

    /// The eight numbers of libzmq's reply to `STATISTICS`: messages and bytes that the frontend has received, that it has
    /// sent, and the same of the backend. libzmq counts the frames of messages where this counts messages.
    #[must_use]
    pub fn numbers(&self) -> [u64; 8] {
        let of = |traffic: Traffic| [traffic.messages, traffic.bytes];
        let [a, b] = of(self.to_backend.received);
        let [c, d] = of(self.to_frontend.sent);
        let [e, f] = of(self.to_frontend.received);
        let [g, h] = of(self.to_backend.sent);
        [a, b, c, d, e, f, g, h]
    }
}

impl fmt::Display for ProxyStatistics {
    /// A report of several lines, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, direction) in [
            ("to backend:  ", self.to_backend),
            ("to frontend: ", self.to_frontend),
        ] {
            let Direction { received, sent } = direction;
            writeln!(
                f,
                "{name} {} messages, {} bytes, of which {} sent",
                received.messages, received.bytes, sent.messages
            )?;
        }
        write!(
            f,
            "captured:     {} messages, {} dropped",
            self.captured.messages, self.capture_dropped
        )
    }
}
