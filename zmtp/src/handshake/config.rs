//! What an end says about itself in a handshake, and what it demands of the other.

use bytes::Bytes;

#[cfg(doc)]
use crate::Handshake;
use crate::peer::is_valid_identity;
#[cfg(feature = "zap")]
use crate::zap;
use crate::{Error, Limits, MechanismConfig, Metadata, SocketType, Version};

/// What this end says about itself in a handshake, and what it demands of the other.
///
/// # Examples
///
/// ```
/// use zmtp::{HandshakeConfig, SocketType};
///
/// let config = HandshakeConfig::new(SocketType::Dealer)
///     .with_identity("worker-1")?
///     .with_property("X-zone", "eu")?;
/// assert_eq!(config.identity(), "worker-1");
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct HandshakeConfig {
    socket_type: SocketType,
    identity: Bytes,
    mechanism: MechanismConfig,
    properties: Metadata,
    limits: Limits,
    oldest_version: Version,
    #[cfg(feature = "zap")]
    zap: Option<zap::Policy>,
    peer_address: Bytes,
}

impl HandshakeConfig {
    /// Makes a configuration without identity and properties, with the NULL mechanism and default
    /// limits, that accepts peers of all versions and asks no ZAP handler.
    #[must_use]
    pub fn new(socket_type: SocketType) -> Self {
        Self {
            socket_type,
            identity: Bytes::new(),
            mechanism: MechanismConfig::default(),
            properties: Metadata::new(),
            limits: Limits::default(),
            oldest_version: Version::V1_0,
            #[cfg(feature = "zap")]
            zap: None,
            peer_address: Bytes::new(),
        }
    }

    /// Replaces the identity, by which a ROUTER at the other end addresses this one. Only REQ,
    /// DEALER and ROUTER announce theirs, except that peers of ZMTP 1.0 and 2.0 get that of any type.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLocalIdentity`] when it is longer than 255 bytes or begins with a zero byte.
    pub fn with_identity(mut self, identity: impl Into<Bytes>) -> Result<Self, Error> {
        let identity = identity.into();
        if !is_valid_identity(&identity) {
            return Err(Error::InvalidLocalIdentity);
        }
        self.identity = identity;
        Ok(self)
    }

    /// Adds an application property, whose name begins with `X-`. Properties are sent in the order
    /// in which they are added.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLocalProperty`] when the name does not begin with `X-`, is not valid for
    /// [`Metadata::push`], or is there already, in any case.
    pub fn with_property(mut self, name: &str, value: impl Into<Bytes>) -> Result<Self, Error> {
        if !name.starts_with("X-") || self.properties.get(name).is_some() {
            return Err(Error::InvalidLocalProperty);
        }
        self.properties.push(name, value)?;
        Ok(self)
    }

    /// Replaces the security mechanism.
    #[must_use]
    pub fn with_mechanism(mut self, mechanism: MechanismConfig) -> Self {
        self.mechanism = mechanism;
        self
    }

    /// Replaces the limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Replaces the oldest version that is accepted. Default: 1.0.
    ///
    /// Whatever does not begin with a signature counts as ZMTP 1.0, were it HTTP. Peers of 1.0 and
    /// 2.0 are never accepted when the mechanism is another one than NULL or NULL asks ZAP, because
    /// they know no security.
    #[must_use]
    pub const fn with_oldest_version(mut self, version: Version) -> Self {
        self.oldest_version = version;
        self
    }

    /// Lets a ZAP handler decide about peers.
    ///
    /// With this, [`Handshake::poll_zap`] yields a question when a peer has shown what it has, and
    /// the handshake waits for [`Handshake::handle_zap`]. Without it, NULL accepts everybody; a PLAIN
    /// server asks even then, and a CURVE server has to be told that it may take
    /// [any client](crate::curve::ServerConfig::allow_any_client). Clients never ask, so they have no
    /// policy: see [`check`](Self::check).
    #[cfg(feature = "zap")]
    #[must_use]
    pub fn with_zap(mut self, policy: zap::Policy) -> Self {
        self.zap = Some(policy);
        self
    }

    /// Sets what a ZAP handler is told about where the peer is, usually its numeric address without
    /// the port. Default: empty.
    #[must_use]
    pub fn with_peer_address(mut self, address: impl Into<Bytes>) -> Self {
        self.peer_address = address.into();
        self
    }

    /// The socket type of this end.
    #[must_use]
    pub const fn socket_type(&self) -> SocketType {
        self.socket_type
    }

    /// The identity of this end; empty if it has none.
    #[must_use]
    pub const fn identity(&self) -> &Bytes {
        &self.identity
    }

    /// The security mechanism.
    #[must_use]
    pub const fn mechanism(&self) -> &MechanismConfig {
        &self.mechanism
    }

    /// The application properties of this end.
    #[must_use]
    pub const fn properties(&self) -> &Metadata {
        &self.properties
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The oldest version that is accepted.
    #[must_use]
    pub const fn oldest_version(&self) -> Version {
        self.oldest_version
    }

    /// What is told to a ZAP handler, and what happens without one.
    #[cfg(feature = "zap")]
    #[must_use]
    pub const fn zap(&self) -> Option<&zap::Policy> {
        self.zap.as_ref()
    }

    /// What a ZAP handler is told about where the peer is.
    #[must_use]
    pub const fn peer_address(&self) -> &Bytes {
        &self.peer_address
    }

    /// Makes sure that what was said about security is meant: that a ZAP policy has its effect, and
    /// that a CURVE server without one is deliberate. A handshake with a configuration that is not
    /// sound fails before it says anything; whoever wants to know earlier asks here.
    ///
    /// # Errors
    ///
    /// [`Error::UnusedZapPolicy`] when there is a policy and this end would never ask: it is the
    /// client of its mechanism, or uses NULL and the policy has no domain. [`Error::NoZapPolicy`] when
    /// a CURVE server has no policy and was not told to
    /// [allow any client](crate::curve::ServerConfig::allow_any_client).
    pub fn check(&self) -> Result<(), Error> {
        #[cfg(feature = "zap")]
        if self.zap.is_some() {
            return match self.asks_zap() {
                true => Ok(()),
                false => Err(Error::UnusedZapPolicy),
            };
        }
        match &self.mechanism {
            #[cfg(feature = "curve")]
            MechanismConfig::CurveServer(server) if !server.allows_any_client() => {
                Err(Error::NoZapPolicy)
            }
            _ => Ok(()),
        }
    }

    /// Whether this end asks ZAP about the peer once it knows its credentials.
    #[cfg(feature = "zap")]
    pub(crate) fn asks_zap(&self) -> bool {
        self.mechanism.asks_zap(self.zap.as_ref())
    }

    /// Nobody is there to be asked.
    #[cfg(not(feature = "zap"))]
    pub(crate) const fn asks_zap(&self) -> bool {
        false
    }

    /// Whether a version may be spoken; called as soon as it is known.
    pub(crate) fn check_version(&self, version: Version) -> Result<(), Error> {
        if version < self.oldest_version {
            return Err(Error::UnsupportedVersion { version });
        }
        let is_null = self.mechanism == MechanismConfig::Null;
        if version < Version::V3_0 && (!is_null || self.asks_zap()) {
            return Err(Error::VersionWithoutSecurity { version });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: RFC37/application-properties: names of the application begin with X-
    #[test]
    fn local_identity_and_properties_are_checked_when_given() {
        let config = || HandshakeConfig::new(SocketType::Dealer);
        assert_eq!(
            config().with_identity("\0x").unwrap_err(),
            Error::InvalidLocalIdentity
        );
        let long = vec![1; 256];
        assert_eq!(
            config().with_identity(long).unwrap_err(),
            Error::InvalidLocalIdentity
        );
        for name in ["Identity", "x-app", "X- app", ""] {
            let error = config().with_property(name, "v").unwrap_err();
            assert_eq!(error, Error::InvalidLocalProperty);
        }
        let once = config().with_property("X-a", "1").unwrap();
        assert_eq!(
            once.with_property("X-A", "2").unwrap_err(),
            Error::InvalidLocalProperty
        );
    }
}
