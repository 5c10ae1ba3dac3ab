//! Which events a monitor is told.

use std::ops::{BitOr, BitOrAssign, Sub};

use super::Event;

/// A set of kinds of [`Event`]s: those that a monitor is told.
///
/// # Examples
///
/// ```
/// use ztransport::EventKinds;
///
/// let kinds = EventKinds::HANDSHAKE_SUCCEEDED | EventKinds::DISCONNECTED;
/// assert!(kinds.contains(EventKinds::DISCONNECTED));
/// assert!(!kinds.contains(EventKinds::LISTENING));
/// assert!(!(EventKinds::ALL - kinds).contains(EventKinds::DISCONNECTED));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventKinds(u32);

macro_rules! kinds {
    ($($name:ident $bit:literal $variant:ident,)+) => {
        impl EventKinds {
            $(
                #[doc = concat!("[`Event::", stringify!($variant), "`].")]
                pub const $name: Self = Self(1 << $bit);
            )+
        }

        impl Event {
            /// Which kind of event it is; none for [`Lagged`](Self::Lagged), which every monitor is told.
            #[must_use]
            pub const fn kind(&self) -> EventKinds {
                match self {
                    Self::Lagged { .. } => EventKinds::NONE,
                    $(Self::$variant { .. } => EventKinds::$name,)+
                }
            }
        }
    };
}

kinds! {
    LISTENING 0 Listening,
    BIND_FAILED 1 BindFailed,
    ACCEPTED 2 Accepted,
    ACCEPT_FAILED 3 AcceptFailed,
    ACCEPT_PAUSED 4 AcceptPaused,
    ADMISSION_REFUSED 5 AdmissionRefused,
    LISTENER_CLOSED 6 ListenerClosed,
    CLOSE_FAILED 7 CloseFailed,
    CONNECT_DELAYED 8 ConnectDelayed,
    CONNECTED 9 Connected,
    CONNECT_FAILED 10 ConnectFailed,
    CONNECT_RETRIED 11 ConnectRetried,
    HANDSHAKE_SUCCEEDED 12 HandshakeSucceeded,
    HANDSHAKE_FAILED 13 HandshakeFailed,
    DISCONNECTED 14 Disconnected,
    MESSAGE_REFUSED 15 MessageRefused,
    PEER_REFUSED 16 PeerRefused,
    PIPE_STATS 17 PipeStats,
    MONITOR_STOPPED 18 MonitorStopped,
    ACCEPT_REFUSED 19 AcceptRefused,
    CONNECT_STOPPED 20 ConnectStopped,
    MULTICAST_JOINED 21 MulticastJoined,
    MULTICAST_LOST 22 MulticastLost,
    MULTICAST_LEFT 23 MulticastLeft,
}

impl EventKinds {
    /// No kind at all.
    pub const NONE: Self = Self(0);
    /// Every kind, also those that later versions of this library add.
    pub const ALL: Self = Self(u32::MAX);

    /// Whether all kinds of `other` are in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Default for EventKinds {
    /// [`ALL`](Self::ALL).
    fn default() -> Self {
        Self::ALL
    }
}

impl BitOr for EventKinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for EventKinds {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl Sub for EventKinds {
    type Output = Self;

    /// Those that are not in the other set.
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}
