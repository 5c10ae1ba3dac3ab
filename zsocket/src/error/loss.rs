//! Requests that will not be answered.

use std::fmt;

use ztransport::CloseReason;

/// Why the reply to a request will not come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerLoss {
    /// The connection to the peer that had the request ended, for this reason.
    Disconnected(CloseReason),
    /// The request was given up: the peer ended one connection after the other while it was being sent,
    /// the last one for this reason. It may be too large for the peer, or have too many frames. See
    /// [`set_max_refusals`](crate::Socket::set_max_refusals).
    Refused(CloseReason),
    /// The peer closed its socket, or this socket let go of it.
    #[default]
    Gone,
}

impl fmt::Display for PeerLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(reason) => write!(
                f,
                "the connection of the peer that had the request ended ({reason}): send the request again"
            ),
            Self::Refused(reason) => write!(
                f,
                "the peer refuses the request, it ended every connection while the request was being sent \
                 ({reason}): send a smaller one, or raise the peer's limits"
            ),
            Self::Gone => {
                f.write_str("the peer that had the request is gone: send the request again")
            }
        }
    }
}
