//! Events for the crate `tracing`, if the feature of this name is on; if not, nothing of it is compiled.
//!
//! Their target is `zlayers`. What happens to connections is there with the level `DEBUG`, what goes wrong with them with
//! `WARN`, as the text of the [`Event`]. A subscriber must not use sockets of the context that the event is about: it is called
//! wherever that happens, also in the middle of a socket's call.

use crate::event::Event;

/// Whether anybody wants to know what happens to connections.
#[inline]
pub(crate) fn is_enabled() -> bool {
    system::is_enabled()
}

/// Something has happened.
#[inline]
pub(crate) fn event(event: &Event) {
    system::event(event);
}

#[cfg(feature = "tracing")]
mod system {
    use tracing::{Level, debug, enabled, warn};
    use zpipe::deferred;

    use super::Event;

    /// What a subscriber does is foreign code: if it panics, that is counted and costs nothing else.
    pub(super) fn is_enabled() -> bool {
        let mut is_enabled = false;
        deferred::catch(|| is_enabled = enabled!(target: "zlayers", Level::WARN));
        is_enabled
    }

    pub(super) fn event(event: &Event) {
        deferred::catch(|| {
            if is_trouble(event) {
                warn!(target: "zlayers", "{event}");
            } else {
                debug!(target: "zlayers", "{event}");
            }
        });
    }

    fn is_trouble(event: &Event) -> bool {
        matches!(
            event,
            Event::BindFailed { .. }
                | Event::AcceptFailed { .. }
                | Event::AdmissionRefused { .. }
                | Event::AcceptPaused { .. }
                | Event::CloseFailed { .. }
                | Event::ConnectStopped { .. }
                | Event::HandshakeFailed { .. }
                | Event::MessageRefused { .. }
                | Event::PeerRefused { .. }
                | Event::MulticastLost { .. }
        )
    }
}

#[cfg(not(feature = "tracing"))]
mod system {
    use super::Event;

    #[inline(always)]
    pub(super) const fn is_enabled() -> bool {
        false
    }

    #[inline(always)]
    pub(super) const fn event(_: &Event) {}
}
