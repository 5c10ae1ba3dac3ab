//! Events for the crate `tracing`, if the feature of this name is on; if not, nothing of it is compiled. Those of connections
//! are made in `ztransport`.

use zmtp::SocketType;

use crate::{SocketStats, TermReport};

/// A context waits for these, which has taken a second already.
#[cold]
pub(crate) fn waits(report: &TermReport) {
    system::waits(report);
}

/// Whether [`waits`] is heard by anybody.
pub(crate) const WAITS_ARE_HEARD: bool = cfg!(feature = "tracing");

/// A socket closes that has dropped messages.
#[inline]
pub(crate) fn closes(socket_type: SocketType, stats: &SocketStats) {
    system::closes(socket_type, stats);
}

#[cfg(feature = "tracing")]
mod system {
    use tracing::{debug, warn};
    use zpipe::deferred;

    use super::{SocketStats, SocketType, TermReport};

    pub(super) fn waits(report: &TermReport) {
        deferred::catch(|| warn!(target: "zlayers", "the context waits: {report}"));
    }

    pub(super) fn closes(socket_type: SocketType, stats: &SocketStats) {
        let name = socket_type.name();
        deferred::catch(|| {
            if stats.dropped.total() > 0 {
                warn!(target: "zlayers", "a {name} closes that has dropped messages: {}", stats.dropped);
            } else {
                debug!(target: "zlayers", "a {name} closes");
            }
        });
    }
}

#[cfg(not(feature = "tracing"))]
mod system {
    use super::{SocketStats, SocketType, TermReport};

    #[inline(always)]
    pub(super) const fn waits(_: &TermReport) {}

    #[inline(always)]
    pub(super) const fn closes(_: SocketType, _: &SocketStats) {}
}
