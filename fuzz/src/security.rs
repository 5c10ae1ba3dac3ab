//! The security mechanisms, in every role, with keys that are the same in each run.

use std::sync::OnceLock;

use zmtp::curve::{self, KeyPair, SecretKey};
use zmtp::greeting::{GREETING_LEN, Greeting};
use zmtp::zap::{Answer, Policy, Reply, ReplyError, Request, Status};
use zmtp::{HandshakeConfig, MechanismConfig, Metadata, Random, Version, plain};

/// What an end does for its security.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// NULL, and everybody may come in.
    Null,
    /// NULL, and ZAP decides.
    NullWithZap,
    /// PLAIN, as the end with the password.
    PlainClient,
    /// PLAIN, as the end that asks ZAP.
    PlainServer,
    /// CURVE, as the end that knows the server.
    CurveClient,
    /// CURVE, and everybody may come in who knows the server's key.
    CurveServer,
    /// CURVE, and ZAP decides.
    CurveServerWithZap,
}

impl Security {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Null,
        Self::NullWithZap,
        Self::PlainClient,
        Self::PlainServer,
        Self::CurveClient,
        Self::CurveServer,
        Self::CurveServerWithZap,
    ];

    /// One of them for each byte.
    #[must_use]
    pub fn from_byte(byte: u8) -> Self {
        Self::ALL[usize::from(byte) % Self::ALL.len()]
    }

    /// The byte that stands for it.
    #[must_use]
    pub fn to_byte(self) -> u8 {
        Self::ALL
            .iter()
            .position(|known| *known == self)
            .unwrap_or_default() as u8
    }

    /// What the other end does.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Null | Self::NullWithZap => Self::Null,
            Self::PlainClient => Self::PlainServer,
            Self::PlainServer => Self::PlainClient,
            Self::CurveClient => Self::CurveServer,
            Self::CurveServer | Self::CurveServerWithZap => Self::CurveClient,
        }
    }

    /// Whether this end asks ZAP.
    #[must_use]
    pub const fn asks_zap(self) -> bool {
        matches!(
            self,
            Self::NullWithZap | Self::PlainServer | Self::CurveServerWithZap
        )
    }

    /// Sets it up.
    #[must_use]
    pub fn configure(self, config: HandshakeConfig) -> HandshakeConfig {
        // Keys take their time, so they are made once.
        static CLIENT: OnceLock<MechanismConfig> = OnceLock::new();
        static SERVER: OnceLock<MechanismConfig> = OnceLock::new();
        let keys = |byte| KeyPair::from_secret(SecretKey::from_bytes([byte; 32]));
        let mechanism = match self {
            Self::Null | Self::NullWithZap => MechanismConfig::Null,
            Self::PlainClient => {
                let credentials = plain::ClientConfig::new("admin", "secret");
                MechanismConfig::PlainClient(credentials.expect("short"))
            }
            Self::PlainServer => MechanismConfig::PlainServer(plain::ServerConfig::new()),
            Self::CurveClient => {
                let config = || curve::ClientConfig::new(*keys(2).public(), keys(1));
                let client = CLIENT.get_or_init(|| MechanismConfig::CurveClient(config()));
                client.clone()
            }
            Self::CurveServer | Self::CurveServerWithZap => {
                let config = || curve::ServerConfig::new(keys(2)).allow_any_client();
                let server = SERVER.get_or_init(|| MechanismConfig::CurveServer(config()));
                server.clone()
            }
        };
        let config = config.with_mechanism(mechanism);
        if self.asks_zap() {
            config.with_zap(Policy::new("lan"))
        } else {
            config
        }
    }

    /// The randomness of this end.
    #[must_use]
    pub fn random(self) -> Random {
        crate::random(if self == Self::CurveClient { 1 } else { 2 })
    }

    /// What this end says first.
    #[must_use]
    pub fn greeting(self) -> [u8; GREETING_LEN] {
        let config = self.configure(HandshakeConfig::new(zmtp::SocketType::Pair));
        Greeting {
            version: Version::V3_1,
            mechanism: config.mechanism().name(),
            as_server: config.mechanism().as_server(),
        }
        .encode(0)
    }

    /// Whether an answer of ZAP to a request lets a peer in.
    #[must_use]
    pub fn lets_in(self, answer: &Answer, request: &Request) -> bool {
        match answer {
            Answer::Reply(reply) => reply.status == Status::Success && reply.check(request).is_ok(),
            Answer::NoHandler => self != Self::PlainServer,
            _ => false,
        }
    }
}

/// The answer of ZAP that a byte stands for; 0 lets everybody in.
#[must_use]
pub fn answer(selector: u8, request: &Request) -> Answer {
    let refusal = |status| Answer::Reply(Reply::decision(request, status, "no"));
    match selector % 8 {
        0 => {
            let mut metadata = Metadata::new();
            metadata.push("Role", "boss").expect("a valid property");
            Answer::Reply(Reply::success(request, "alice").with_metadata(metadata))
        }
        1 => Answer::Reply(Reply::success(request, "")),
        2 => refusal(Status::TemporaryError),
        3 => refusal(Status::AuthenticationFailure),
        4 => refusal(Status::InternalError),
        5 => Answer::NoHandler,
        6 => Answer::Invalid(ReplyError::Version),
        _ => {
            let other = request.clone().with_request_id("another");
            Answer::Reply(Reply::success(&other, "mallory"))
        }
    }
}
