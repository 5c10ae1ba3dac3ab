//! Security of sockets: which mechanism, with which keys, and in which domain.
//!
//! See [`Security`], which is the essay.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use zmtp::{
    MechanismConfig, Random,
    curve::{self, KeyPair, PublicKey},
    plain,
    zap::{Password, Policy},
};

use crate::{Error, InvalidOption};

/// How a socket protects its connections over tcp and ipc: set as a whole by
/// [`Socket::set_security`](crate::Socket::set_security) or [`SocketBuilder::security`](crate::SocketBuilder::security).
///
/// # What there is
///
/// | mechanism | who it is for | what a stranger can do |
/// |---|---|---|
/// | NULL, the default | programs on a network of their own | connect, read along, speak in the name of others |
/// | PLAIN: a user name and a password | telling apart who connects, on a network that is trusted | read along, passwords included |
/// | CURVE: keys, as in *CurveZMQ* | everybody else | see when something is said, and how long it is |
///
/// Both ends have to use the same mechanism; there is no negotiation, and so nobody can talk a socket out of it: **one with
/// PLAIN or CURVE never accepts a peer with NULL**, and a connection that does not fit ends with
/// [`Event::HandshakeFailed`](crate::Event::HandshakeFailed) at both ends.
///
/// With PLAIN and CURVE one end is the *client*, which shows who it is, and the other the *server*, which has that judged.
/// Which one has bound does not matter: a server may connect. A CURVE client knows the public key of the one server that it
/// will talk to, so that nobody else can pretend to be it. Two clients, or two servers, have nothing to say to each other,
/// and give up when the handshake's time is over.
///
/// Over inproc there is neither mechanism nor handshake: both sockets are in this process. A STREAM has no handshake either, so with
/// PLAIN or CURVE it neither binds nor connects ([`Error::NotSupported`]).
///
/// # Who decides
///
/// Mechanisms carry credentials; they do not judge them. For each peer a server asks, in this order,
///
/// 1. the context's [authenticator](crate::Context::set_authenticator), for which [`AccessList`](crate::AccessList) is ready
///    made,
/// 2. the ZAP handler: a REP, ROUTER or DEALER that this process has bound to `inproc://zeromq.zap.01` in the same context, as it
///    would for libzmq,
/// 3. nobody, if there is neither: then PLAIN refuses everybody, and CURVE accepts everybody who knows the server's public key,
///    unless the domain is [enforced](Self::with_enforced_domain).
///
/// NULL asks only if there is a [domain](Self::with_zap_domain); there it is a question of addresses. All of that happens on
/// the I/O threads: the application that owns the socket need not call anything, and never sees who was not let in.
///
/// # What becomes of a refused peer
///
/// | the answer | at the server | at the client |
/// |---|---|---|
/// | 300, try again later | the connection is closed without a word | connects again after its reconnect interval |
/// | there is nobody to ask and the policy lets nobody in, or the handler's reply is none | the connection is closed without a word | connects again after its reconnect interval |
/// | 400, refused; 500, the handler has failed | ERROR is sent, then the connection is closed | gives the endpoint up; the application may connect there again |
///
/// Each of them is an [`Event::HandshakeFailed`](crate::Event::HandshakeFailed), whose reason has the
/// [status](crate::CloseReason::status), at both ends, and is counted in
/// [`Connections::unauthenticated`](crate::Connections::unauthenticated). Only of 300 the client learns no more than that it was
/// closed. What a client has queued when it is given up counts as [lost](crate::Dropped::peer_lost).
///
/// A size limit such as [`set_max_frame_size`](crate::Socket::set_max_frame_size) is about messages, and never touches a handshake.
///
/// # Secrets
///
/// Passwords and secret keys are never shown by `Debug`, cannot be read back by the name of an option, and are
/// overwritten in memory when the last copy is dropped.
///
/// # Examples
///
/// The smallest encrypted pair: clients know the server's public key, and whoever does may come.
///
/// ```
/// use zsocket::{Context, Rep, Req, Security, curve_keypair};
///
/// let context = Context::new();
/// let keys = curve_keypair()?;
/// let public = *keys.public();
///
/// let server = context.build_socket::<Rep>().security(Security::curve_server(keys)).build()?;
/// let endpoint = server.bind("tcp://127.0.0.1:*")?;
///
/// let client = context.socket::<Req>()?;
/// client.set_security(Security::curve_client(public, curve_keypair()?))?;
/// client.connect(&endpoint)?;
///
/// client.send("nobody else can read this")?;
/// assert_eq!(server.recv()?[0], "nobody else can read this");
/// # Ok::<(), zsocket::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Security {
    pub(crate) mechanism: Mechanism,
    /// Which part this end plays, with PLAIN and CURVE.
    pub(crate) is_server: bool,
    pub(crate) username: Bytes,
    pub(crate) password: Password,
    /// As it was given, if it was given apart from the secret key.
    pub(crate) public_key: Option<PublicKey>,
    pub(crate) keys: Option<Arc<KeyPair>>,
    pub(crate) server_key: Option<PublicKey>,
    pub(crate) domain: Bytes,
    pub(crate) enforces_domain: bool,
}

/// Which mechanism it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mechanism {
    #[default]
    Null,
    Plain,
    Curve,
}

impl Mechanism {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Plain => "PLAIN",
            Self::Curve => "CURVE",
        }
    }
}

impl Security {
    /// No security, the default: everybody may connect, and everything travels in the clear. With a
    /// [domain](Self::with_zap_domain) it can be asked who may, by address.
    #[must_use]
    pub fn null() -> Self {
        Self::default()
    }

    /// PLAIN, as the end that shows a user name and a password.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Value`](crate::InvalidOption::Value) when one of them is longer than 255 bytes.
    pub fn plain_client(
        username: impl Into<Bytes>,
        password: impl Into<Password>,
    ) -> Result<Self, Error> {
        let security = Self {
            mechanism: Mechanism::Plain,
            // A copy, since a caller's buffer may have an owner with a `Drop` of its own.
            username: Bytes::copy_from_slice(&username.into()),
            password: password.into(),
            ..Self::default()
        };
        security.mechanism()?;
        Ok(security)
    }

    /// PLAIN, as the end that has user names and passwords judged. Without an authenticator or a ZAP handler it refuses
    /// everybody.
    #[must_use]
    pub fn plain_server() -> Self {
        Self {
            mechanism: Mechanism::Plain,
            is_server: true,
            ..Self::default()
        }
    }

    /// CURVE, as the end that knows the server's public key, and has a pair of its own by which the server may know it.
    #[must_use]
    pub fn curve_client(server_key: PublicKey, keys: impl Into<Arc<KeyPair>>) -> Self {
        Self {
            mechanism: Mechanism::Curve,
            server_key: Some(server_key),
            keys: Some(keys.into()),
            ..Self::default()
        }
    }

    /// CURVE, as the end whose public key the clients know.
    #[must_use]
    pub fn curve_server(keys: impl Into<Arc<KeyPair>>) -> Self {
        Self {
            mechanism: Mechanism::Curve,
            is_server: true,
            keys: Some(keys.into()),
            ..Self::default()
        }
    }

    /// Sets the domain: whoever judges is told it, and may keep rules for each. At most 255 bytes, which is checked when the
    /// socket gets it. With NULL a domain is what makes the socket ask at all. Default: none. `ZMQ_ZAP_DOMAIN`.
    #[must_use]
    pub fn with_zap_domain(mut self, domain: impl Into<Bytes>) -> Self {
        self.domain = Bytes::copy_from_slice(&domain.into());
        self
    }

    /// Sets whether peers are refused when there is a domain and nobody to ask. Default false. `ZMQ_ZAP_ENFORCE_DOMAIN`.
    ///
    /// A server that is to enforce a domain and has none does not bind and connect: that is an error
    /// ([`InvalidOption::Value`](crate::InvalidOption::Value)). In libzmq such a CURVE server asks nobody, and lets everybody in.
    #[must_use]
    pub const fn with_enforced_domain(mut self, enforced: bool) -> Self {
        self.enforces_domain = enforced;
        self
    }

    /// The mechanism as it is called on the wire: `NULL`, `PLAIN` or `CURVE`.
    #[must_use]
    pub const fn mechanism_name(&self) -> &'static str {
        self.mechanism.name()
    }

    /// Whether this end plays the server.
    #[must_use]
    pub const fn is_server(&self) -> bool {
        self.is_server
    }

    /// The domain; empty if there is none.
    #[must_use]
    pub const fn zap_domain(&self) -> &Bytes {
        &self.domain
    }

    /// Whether the lack of a handler matters when there is a domain.
    #[must_use]
    pub const fn enforces_domain(&self) -> bool {
        self.enforces_domain
    }

    /// The public key of this end, if it has keys.
    #[must_use]
    pub fn public_key(&self) -> Option<&PublicKey> {
        self.keys.as_ref().map(|keys| keys.public())
    }

    /// What a handshake needs. One whose parts were set one by one may lack some.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Value`](crate::InvalidOption::Value) about the part.
    pub(crate) fn mechanism(&self) -> Result<MechanismConfig, Error> {
        Ok(match (self.mechanism, self.is_server) {
            (Mechanism::Null, _) => MechanismConfig::Null,
            (Mechanism::Plain, true) => MechanismConfig::PlainServer(plain::ServerConfig::new()),
            (Mechanism::Plain, false) => {
                let config = plain::ClientConfig::new(self.username.clone(), self.password.clone());
                let config = config.map_err(|_| {
                    Error::from(InvalidOption::Value {
                        option: "security",
                        expected: "a user name and a password of at most 255 bytes each",
                    })
                })?;
                MechanismConfig::PlainClient(config)
            }
            (Mechanism::Curve, true) => {
                MechanismConfig::CurveServer(curve::ServerConfig::new(self.curve_keys()?))
            }
            (Mechanism::Curve, false) => {
                let server = self.server_key.ok_or_else(|| {
                    Error::from(InvalidOption::Value {
                        option: "curve_server_key",
                        expected: "the public key of the server",
                    })
                })?;
                MechanismConfig::CurveClient(curve::ClientConfig::new(server, self.curve_keys()?))
            }
        })
    }

    fn curve_keys(&self) -> Result<Arc<KeyPair>, Error> {
        let keys = self.keys.as_ref().ok_or_else(|| {
            Error::from(InvalidOption::Value {
                option: "curve_secret_key",
                expected: "a secret key, which CURVE cannot do without",
            })
        })?;
        if self
            .public_key
            .is_some_and(|public| public != *keys.public())
        {
            return Err(Error::from(InvalidOption::Value {
                option: "curve_public_key",
                expected: "the public key that belongs to the secret key",
            }));
        }
        Ok(Arc::clone(keys))
    }

    /// When somebody is asked about a peer, if anybody ever is: a client has nobody judged.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Value`](crate::InvalidOption::Value) when a server is to enforce a domain that it has not got.
    pub(crate) fn policy(&self) -> Result<Option<Policy>, Error> {
        let is_asked = match self.mechanism {
            Mechanism::Null => !self.domain.is_empty(),
            Mechanism::Plain | Mechanism::Curve => self.is_server,
        };
        if !is_asked {
            return Ok(None);
        }
        let policy = Policy::new(self.domain.clone()).with_enforced_domain(self.enforces_domain);
        policy.map(Some).map_err(|_| {
            Error::from(InvalidOption::Value {
                option: "zap_enforce_domain",
                expected: "a domain to enforce, which zap_domain sets",
            })
        })
    }
}

impl fmt::Debug for Security {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Security");
        out.field("mechanism", &self.mechanism.name());
        if self.mechanism != Mechanism::Null {
            out.field("server", &self.is_server);
        }
        if !self.username.is_empty() {
            out.field("username", &self.username);
        }
        if let Some(key) = self.public_key() {
            out.field("public_key", key);
        }
        if let Some(key) = &self.server_key {
            out.field("server_key", key);
        }
        out.field("zap_domain", &self.domain)
            .field("enforces_domain", &self.enforces_domain)
            .finish_non_exhaustive()
    }
}

/// Makes a fresh pair of keys for CURVE, with randomness of the operating system. `zmq_curve_keypair`.
///
/// # Errors
///
/// [`Error::Io`] when the system has no randomness to give.
pub fn curve_keypair() -> Result<KeyPair, Error> {
    KeyPair::generate(&mut Random::system())
        .map_err(|error| Error::Io(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use zmtp::curve::SecretKey;

    use super::*;

    const SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

    fn keys() -> KeyPair {
        KeyPair::from_secret(SecretKey::from_z85(SECRET).unwrap())
    }

    #[test]
    fn secrets_do_not_show() {
        let plain = Security::plain_client("admin", "hunter2").unwrap();
        let shown = format!("{plain:?} {plain:#?}");
        assert!(
            shown.contains("admin") && !shown.contains("hunter2"),
            "{shown}"
        );
        for curve in [
            Security::curve_server(keys()),
            Security::curve_client(*keys().public(), keys()),
        ] {
            let shown = format!("{curve:?} {curve:#?}");
            assert!(shown.contains(&keys().public().to_z85()), "{shown}");
            assert!(
                !shown.contains(SECRET) && !shown.contains("123, 184"),
                "{shown}"
            );
        }
    }

    #[test]
    fn each_has_its_mechanism_and_part() {
        let plain_client = Security::plain_client("admin", "").unwrap();
        for (security, name, is_server) in [
            (Security::null(), "NULL", false),
            (plain_client, "PLAIN", false),
            (Security::plain_server(), "PLAIN", true),
            (
                Security::curve_client(*keys().public(), keys()),
                "CURVE",
                false,
            ),
            (Security::curve_server(keys()), "CURVE", true),
        ] {
            let config = security.mechanism().unwrap();
            assert_eq!(config.name().to_string(), name);
            assert_eq!(security.mechanism_name(), name);
            assert_eq!(
                (config.as_server(), security.is_server()),
                (is_server, is_server)
            );
        }
    }

    #[test]
    fn credentials_that_are_too_long_are_refused_at_once() {
        let long = "x".repeat(256);
        assert!(Security::plain_client(long.clone(), "").is_err());
        assert!(Security::plain_client("", long).is_err());
        let longest = "x".repeat(255);
        assert!(Security::plain_client(longest.clone(), longest).is_ok());
    }

    #[test]
    fn keys_that_are_missing_or_do_not_match_are_named() {
        let lacking = |security: &Security| match security.mechanism() {
            Err(Error::Option(error)) => match *error {
                InvalidOption::Value { option, .. } => option,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        let mut server = Security::curve_server(keys());
        server.public_key = Some(*keys().public());
        assert!(server.mechanism().is_ok());
        server.public_key = Some(PublicKey::from_bytes([1; 32]));
        assert_eq!(lacking(&server), "curve_public_key");
        server.keys = None;
        assert_eq!(lacking(&server), "curve_secret_key");
        let mut client = Security::curve_client(*keys().public(), keys());
        client.server_key = None;
        assert_eq!(lacking(&client), "curve_server_key");
    }
}
