//! Security mechanisms: what the two ends say to each other between the greeting and the first
//! message.
//!
//! Every mechanism is a state machine of its own in a module of its own. They are few and known, so
//! a closed enum joins them: the handshake asks it for commands to send and feeds it the commands
//! that arrive.

#[cfg(feature = "curve")]
pub(crate) mod curve;
mod null;
#[cfg(feature = "plain")]
pub mod plain;

#[cfg(feature = "curve")]
use crate::curve::{ClientConfig, ServerConfig, Session};
use crate::error::printable;
use crate::greeting::MechanismName;
use crate::handshake::HandshakeConfig;
use crate::peer::Peer;
#[cfg(feature = "zap")]
use crate::zap;
use crate::{Command, Error, Metadata, Random, Version, metadata};
use alloc::vec::Vec;

/// Which security mechanism this end uses, with its part in it and its credentials.
///
/// Both ends have to use the same mechanism: there is no negotiation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MechanismConfig {
    /// No security: anybody may connect, and everything travels in the clear.
    #[default]
    Null,
    /// User name and password in the clear, as the end that presents them.
    #[cfg(feature = "plain")]
    PlainClient(plain::ClientConfig),
    /// User name and password in the clear, as the end that has them checked.
    #[cfg(feature = "plain")]
    PlainServer(plain::ServerConfig),
    /// Encryption and keys that prove who both ends are, as the end that knows the other's key.
    #[cfg(feature = "curve")]
    CurveClient(ClientConfig),
    /// Encryption and keys that prove who both ends are, as the end whose key is known.
    #[cfg(feature = "curve")]
    CurveServer(ServerConfig),
}

impl MechanismConfig {
    /// The name of the mechanism in the greeting.
    #[must_use]
    pub const fn name(&self) -> MechanismName {
        match self {
            Self::Null => MechanismName::NULL,
            #[cfg(feature = "plain")]
            Self::PlainClient(_) | Self::PlainServer(_) => MechanismName::PLAIN,
            #[cfg(feature = "curve")]
            Self::CurveClient(_) | Self::CurveServer(_) => MechanismName::CURVE,
        }
    }

    /// Whether this end plays the server, which the greeting tells the peer.
    #[must_use]
    pub const fn as_server(&self) -> bool {
        match self {
            Self::Null => false,
            #[cfg(feature = "plain")]
            Self::PlainClient(_) => false,
            #[cfg(feature = "plain")]
            Self::PlainServer(_) => true,
            #[cfg(feature = "curve")]
            Self::CurveClient(_) => false,
            #[cfg(feature = "curve")]
            Self::CurveServer(_) => true,
        }
    }
}

impl MechanismConfig {
    /// Whether what this end says in the handshake may be a secret.
    #[cfg(feature = "std")]
    pub(crate) const fn tells_secrets(&self) -> bool {
        match self {
            #[cfg(feature = "plain")]
            Self::PlainClient(_) => true,
            _ => false,
        }
    }

    /// Whether this end asks ZAP about its peers.
    #[cfg(feature = "zap")]
    pub(crate) fn asks_zap(&self, policy: Option<&zap::Policy>) -> bool {
        match self {
            #[cfg(feature = "plain")]
            Self::PlainServer(_) => true,
            #[cfg(feature = "plain")]
            Self::PlainClient(_) => false,
            Self::Null => policy.is_some_and(|policy| policy.consults(self.name())),
            #[cfg(feature = "curve")]
            Self::CurveClient(_) => false,
            #[cfg(feature = "curve")]
            Self::CurveServer(_) => policy.is_some_and(|policy| policy.consults(self.name())),
        }
    }
}

/// The state of the mechanism in use.
///
/// Every state machine has these methods, without the parameters that it does not need and without
/// those methods in which it has nothing to do. `out` gets whole frames.
#[derive(Debug)]
pub(crate) enum Mechanism {
    Null(null::Null),
    #[cfg(feature = "plain")]
    PlainClient(plain::PlainClient),
    #[cfg(feature = "plain")]
    PlainServer(plain::PlainServer),
    #[cfg(feature = "curve")]
    CurveClient(Box<curve::CurveClient>),
    #[cfg(feature = "curve")]
    CurveServer(curve::CurveServer),
}

impl Mechanism {
    pub(crate) fn new(config: &MechanismConfig) -> Self {
        match config {
            MechanismConfig::Null => Self::Null(null::Null::new()),
            #[cfg(feature = "plain")]
            MechanismConfig::PlainClient(config) =>
            {
                #[cfg(feature = "plain")]
                Self::PlainClient(plain::PlainClient::new(config.clone()))
            }
            #[cfg(feature = "plain")]
            MechanismConfig::PlainServer(config) =>
            {
                #[cfg(feature = "plain")]
                Self::PlainServer(plain::PlainServer::new(*config))
            }
            #[cfg(feature = "curve")]
            MechanismConfig::CurveClient(config) => {
                Self::CurveClient(Box::new(curve::CurveClient::new(config.clone())))
            }
            #[cfg(feature = "curve")]
            MechanismConfig::CurveServer(config) => {
                Self::CurveServer(curve::CurveServer::new(config.clone()))
            }
        }
    }

    /// The greeting is complete: appends the commands that this end sends unasked.
    pub(crate) fn start(
        &mut self,
        config: &HandshakeConfig,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        // For CURVE.
        let _ = &random;
        match self {
            Self::Null(null) => null.start(config, out),
            #[cfg(feature = "plain")]
            Self::PlainClient(client) => client.start(out)?,
            #[cfg(feature = "curve")]
            Self::CurveClient(client) => client.start(random, out)?,
            // The client begins.
            #[cfg(feature = "plain")]
            Self::PlainServer(_) => {}
            #[cfg(feature = "curve")]
            Self::CurveServer(_) => {}
        }

        Ok(())
    }

    /// The body of a frame has arrived: appends the answer, if any.
    pub(crate) fn on_command(
        &mut self,
        body: &[u8],
        config: &HandshakeConfig,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        // For the others.
        let _ = (&random, &out);
        match self {
            Self::Null(null) => null.on_command(body, config),
            #[cfg(feature = "plain")]
            Self::PlainClient(client) => client.on_command(body, config, out),
            #[cfg(feature = "plain")]
            Self::PlainServer(server) => server.on_command(body, config, out),
            #[cfg(feature = "curve")]
            Self::CurveClient(client) => client.on_command(body, config, random, out),
            #[cfg(feature = "curve")]
            Self::CurveServer(server) => server.on_command(body, config, random, out),
        }
    }

    /// How much of the body of a command may be stored before [`on_prefix`](Self::on_prefix) has
    /// seen that much of it, in bytes.
    pub(crate) const fn prefix_limit(&self) -> usize {
        match self {
            #[cfg(feature = "curve")]
            Self::CurveServer(server) => server.prefix_limit(),
            #[cfg(feature = "plain")]
            Self::PlainServer(server) => server.prefix_limit(),
            _ => usize::MAX,
        }
    }

    /// Judges the beginning of a command that is longer than [`prefix_limit`](Self::prefix_limit),
    /// which rises if it is sound.
    pub(crate) fn on_prefix(&mut self, body: &[u8]) -> Result<(), Error> {
        let _ = body;
        match self {
            #[cfg(feature = "curve")]
            Self::CurveServer(server) => server.on_prefix(body),
            #[cfg(feature = "plain")]
            Self::PlainServer(server) => server.on_prefix(body),
            _ => Ok(()),
        }
    }

    /// What ZAP has to be asked about the peer; once, when it is time.
    #[cfg(feature = "zap")]
    pub(crate) fn poll_zap(&mut self) -> Option<zap::Credentials> {
        match self {
            Self::Null(null) => null.poll_zap(),
            #[cfg(feature = "plain")]
            Self::PlainServer(server) => server.poll_zap(),
            #[cfg(feature = "curve")]
            Self::CurveServer(server) => server.poll_zap(),
            #[cfg(feature = "plain")]
            Self::PlainClient(_) => None,
            #[cfg(feature = "curve")]
            Self::CurveClient(_) => None,
        }
    }

    /// Whether the peer has said all that it has to say, and the handler has not. What follows may be
    /// traffic, and nobody knows yet whether it may come.
    pub(crate) const fn holds_input(&self) -> bool {
        match self {
            Self::Null(null) => null.holds_input(),
            #[cfg(all(feature = "curve", feature = "zap"))]
            Self::CurveServer(server) => server.holds_input(),
            #[cfg(all(feature = "curve", not(feature = "zap")))]
            Self::CurveServer(_) => false,
            // Its client has to wait for WELCOME.
            #[cfg(feature = "plain")]
            Self::PlainServer(_) | Self::PlainClient(_) => false,
            #[cfg(feature = "curve")]
            Self::CurveClient(_) => false,
        }
    }

    /// ZAP was asked: appends what follows from the answer.
    #[cfg(feature = "zap")]
    pub(crate) fn on_zap(
        &mut self,
        answer: &zap::Answer,
        config: &HandshakeConfig,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let unset = zap::Policy::default();
        let policy = config.zap().unwrap_or(&unset);
        match self {
            Self::Null(null) => null.on_zap(answer, policy, config, out),
            #[cfg(feature = "plain")]
            Self::PlainServer(server) => server.on_zap(answer, policy, out),
            #[cfg(feature = "curve")]
            Self::CurveServer(server) => server.on_zap(answer, policy, config, out),
            #[cfg(feature = "plain")]
            Self::PlainClient(_) => Err(Error::UnexpectedZapAnswer),
            #[cfg(feature = "curve")]
            Self::CurveClient(_) => Err(Error::UnexpectedZapAnswer),
        }
    }

    /// The status with which ZAP refused the peer, once ERROR tells it so.
    #[cfg(feature = "zap")]
    pub(crate) const fn refusal(&self) -> Option<zap::Status> {
        match self {
            Self::Null(null) => null.refusal(),
            #[cfg(feature = "plain")]
            Self::PlainServer(server) => server.refusal(),
            #[cfg(feature = "curve")]
            Self::CurveServer(server) => server.refusal(),
            #[cfg(feature = "plain")]
            Self::PlainClient(_) => None,
            #[cfg(feature = "curve")]
            Self::CurveClient(_) => None,
        }
    }

    /// The peer's metadata, once both ends have said all they have to say.
    pub(crate) fn take_peer_metadata(&mut self) -> Option<Metadata> {
        match self {
            Self::Null(null) => null.take_peer_metadata(),
            #[cfg(feature = "plain")]
            Self::PlainClient(client) => client.take_peer_metadata(),
            #[cfg(feature = "plain")]
            Self::PlainServer(server) => server.take_peer_metadata(),
            #[cfg(feature = "curve")]
            Self::CurveClient(client) => client.take_peer_metadata(),
            #[cfg(feature = "curve")]
            Self::CurveServer(server) => server.take_peer_metadata(),
        }
    }

    /// What protects the traffic, once the handshake is over; `None` if nothing does.
    #[cfg(feature = "curve")]
    pub(crate) fn into_session(self) -> Option<Session> {
        match self {
            Self::CurveClient(client) => client.into_session(),
            Self::CurveServer(server) => server.into_session(),
            Self::Null(_) => None,
            #[cfg(feature = "plain")]
            Self::PlainClient(_) | Self::PlainServer(_) => None,
        }
    }

    /// Whether this end may send ERROR: in NULL both may, elsewhere only the server.
    pub(crate) const fn may_refuse(&self) -> bool {
        match self {
            Self::Null(_) => true,
            #[cfg(feature = "plain")]
            Self::PlainServer(_) => true,
            #[cfg(feature = "curve")]
            Self::CurveServer(_) => true,
            #[cfg(feature = "plain")]
            Self::PlainClient(_) => false,
            #[cfg(feature = "curve")]
            Self::CurveClient(_) => false,
        }
    }
}

/// The metadata that this end announces, as libzmq orders it.
fn local_metadata(config: &HandshakeConfig) -> Vec<u8> {
    let mut out = Vec::new();
    let name = config.socket_type().name();
    metadata::encode_property(metadata::SOCKET_TYPE.as_bytes(), name.as_bytes(), &mut out);
    if config.socket_type().sends_identity() {
        metadata::encode_property(metadata::IDENTITY.as_bytes(), config.identity(), &mut out);
    }
    config.properties().encode(&mut out);
    out
}

/// Reads the metadata that the peer announces, within the limits.
fn peer_metadata(wire: &[u8], config: &HandshakeConfig) -> Result<Metadata, Error> {
    let limits = config.limits();
    if wire.len() > limits.max_metadata_size {
        return Err(Error::MetadataTooLarge {
            size: wire.len(),
            limit: limits.max_metadata_size,
        });
    }
    let metadata = Metadata::decode(wire, limits.max_properties)?;
    // Judged here as well as at the end, so that a server says no before it says READY.
    Peer::from_metadata(config.socket_type(), Version::V3_1, metadata.clone())?;
    Ok(metadata)
}

/// An ERROR command from the peer, as the error that ends the handshake.
fn refused(reason: &[u8]) -> Error {
    Error::Refused {
        reason: printable(reason),
    }
}

/// A body that is no command this mechanism expects now.
fn unexpected(body: &[u8]) -> Error {
    let name = match Command::decode(body) {
        Ok(command) => printable(command.name()),
        // Not even a name: a message, an empty frame.
        Err(_) => "".into(),
    };
    Error::UnexpectedCommand { name }
}
