//! What each side has to know beforehand.

use std::sync::Arc;

use super::{KeyPair, PublicKey};

/// What a CURVE client knows: the server's public key, and its own pair.
///
/// Clones share the keys.
///
/// # Examples
///
/// ```
/// use zmtp::curve::{ClientConfig, KeyPair, PublicKey};
/// use zmtp::{HandshakeConfig, MechanismConfig, Random, SocketType};
///
/// let server = PublicKey::from_z85("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7")?;
/// let own = KeyPair::generate(&mut Random::system())?;
/// let config = HandshakeConfig::new(SocketType::Dealer)
///     .with_mechanism(MechanismConfig::CurveClient(ClientConfig::new(server, own)));
/// assert!(!config.mechanism().as_server());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    server: PublicKey,
    keys: Arc<KeyPair>,
}

impl ClientConfig {
    /// Makes a configuration.
    #[must_use]
    pub fn new(server: PublicKey, keys: impl Into<Arc<KeyPair>>) -> Self {
        Self {
            server,
            keys: keys.into(),
        }
    }

    /// The public key of the server, the only one that this client will talk to.
    #[must_use]
    pub const fn server(&self) -> &PublicKey {
        &self.server
    }

    /// The pair of keys by which the server knows this client.
    #[must_use]
    pub fn keys(&self) -> &KeyPair {
        &self.keys
    }
}

/// What a CURVE server knows: its own pair of keys.
///
/// Clones share the keys. Which clients are let in is decided by ZAP; without a policy for it
/// ([`HandshakeConfig::with_zap`](crate::HandshakeConfig::with_zap)) everybody is who knows the
/// server's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    keys: Arc<KeyPair>,
}

impl ServerConfig {
    /// Makes a configuration.
    #[must_use]
    pub fn new(keys: impl Into<Arc<KeyPair>>) -> Self {
        Self { keys: keys.into() }
    }

    /// The pair of keys; clients have to know the public one.
    #[must_use]
    pub fn keys(&self) -> &KeyPair {
        &self.keys
    }
}
