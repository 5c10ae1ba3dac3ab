//! What each side has to know beforehand.

use alloc::sync::Arc;

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
/// Clones share the keys. Which clients are let in is decided by ZAP, for which there has to be a
/// policy ([`HandshakeConfig::with_zap`](crate::HandshakeConfig::with_zap)), or else the word that
/// [any client](Self::allow_any_client) may come in.
///
/// # Examples
///
/// ```
/// use zmtp::curve::{KeyPair, ServerConfig};
/// use zmtp::{Error, HandshakeConfig, MechanismConfig, Random, SocketType, zap};
///
/// let server = ServerConfig::new(KeyPair::generate(&mut Random::system())?);
/// let with = |server| {
///     HandshakeConfig::new(SocketType::Pull).with_mechanism(MechanismConfig::CurveServer(server))
/// };
/// assert_eq!(with(server.clone()).check(), Err(Error::NoZapPolicy));
/// with(server.clone().allow_any_client()).check()?;
/// with(server).with_zap(zap::Policy::new("lan")).check()?;
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    keys: Arc<KeyPair>,
    allows_any_client: bool,
}

impl ServerConfig {
    /// Makes a configuration.
    #[must_use]
    pub fn new(keys: impl Into<Arc<KeyPair>>) -> Self {
        Self {
            keys: keys.into(),
            allows_any_client: false,
        }
    }

    /// Lets everybody in who knows the server's public key, when there is no ZAP policy. With a policy
    /// that decides, as always.
    ///
    /// This is what libzmq does when no ZAP handler is bound: traffic is encrypted and the server
    /// proves who it is, while the clients' keys are looked at by nobody.
    #[must_use]
    pub fn allow_any_client(mut self) -> Self {
        self.allows_any_client = true;
        self
    }

    /// Whether any client may come in without a ZAP policy.
    #[must_use]
    pub const fn allows_any_client(&self) -> bool {
        self.allows_any_client
    }

    /// The pair of keys; clients have to know the public one.
    #[must_use]
    pub fn keys(&self) -> &KeyPair {
        &self.keys
    }
}
