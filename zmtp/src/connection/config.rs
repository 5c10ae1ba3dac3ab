//! How a connection behaves.

use core::time::Duration;

#[cfg(doc)]
use crate::Connection;
use crate::{HandshakeConfig, HeartbeatConfig};

/// How a [`Connection`] behaves.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use zmtp::{ConnectionConfig, HandshakeConfig, HeartbeatConfig, SocketType};
///
/// let config = ConnectionConfig::new(HandshakeConfig::new(SocketType::Req))
///     .with_heartbeat(HeartbeatConfig::every(Duration::from_secs(10)))
///     .with_handshake_timeout(Some(Duration::from_secs(3)));
/// # let _ = config;
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionConfig {
    pub(crate) handshake: HandshakeConfig,
    pub(crate) heartbeat: HeartbeatConfig,
    pub(super) handshake_timeout: Option<Duration>,
}

impl ConnectionConfig {
    /// The handshake timeout unless another is set: 30 seconds.
    pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

    /// Makes a configuration without heartbeats.
    #[must_use]
    pub const fn new(handshake: HandshakeConfig) -> Self {
        Self {
            handshake,
            heartbeat: HeartbeatConfig::off(),
            handshake_timeout: Some(Self::DEFAULT_HANDSHAKE_TIMEOUT),
        }
    }

    /// Replaces the heartbeat settings. Peers that cannot take a PING get none: those of ZMTP 1.0 and
    /// 2.0, which know no commands, and DISH sockets, of which libzmq's disconnect.
    #[must_use]
    pub const fn with_heartbeat(mut self, heartbeat: HeartbeatConfig) -> Self {
        self.heartbeat = heartbeat;
        self
    }

    /// Replaces the time that the handshake may take. `None` means for ever.
    ///
    /// The handshake of ZMTP 1.0 and 2.0 ends with the peer's identity, which is its first frame. Not
    /// so in libzmq, which waits for ever once it takes a peer for one of these.
    #[must_use]
    pub const fn with_handshake_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.handshake_timeout = timeout;
        self
    }
}

impl From<HandshakeConfig> for ConnectionConfig {
    fn from(handshake: HandshakeConfig) -> Self {
        Self::new(handshake)
    }
}
