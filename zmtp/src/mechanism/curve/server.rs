//! The end that is known beforehand, and finds out who comes.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    COOKIE_LEN, COOKIE_PURPOSE, HELLO, HELLO_PURPOSE, INITIATE, INITIATE_PURPOSE, READY, READY_LEN,
    READY_NONCE, READY_PURPOSE, STRANGER_MAX, VOUCH_LEN, VOUCH_PURPOSE, WELCOME, WELCOME_LEN,
    WELCOME_PURPOSE, cryptographic, field, long_nonce, malformed, push_head, short_nonce,
};
use crate::command::CommandName;
use crate::curve::boxes::BoxKey;
use crate::curve::{KeyPair, PublicKey, Role, SecretKey, ServerConfig, Session};
#[cfg(feature = "zap")]
use crate::greeting::MechanismName;
use crate::handshake::HandshakeConfig;
use crate::mechanism::{local_metadata, peer_metadata, unexpected};
use crate::secret::Secret;
#[cfg(feature = "zap")]
use crate::zap::{self, Credentials, Verdict};
use crate::{Error, Metadata, Random};

/// The state of a CURVE server.
#[derive(Debug)]
pub(crate) struct CurveServer {
    config: ServerConfig,
    state: State,
}

/// Until INITIATE has proved who the client is, 32 bytes are all that is kept of it.
enum State {
    AwaitingHello,
    AwaitingInitiate {
        /// The key of this connection's cookie, in which everything else has gone to the client.
        cookie_key: Secret<32>,
        /// The cookie has come back, at the beginning of an INITIATE that is still arriving.
        is_returned: bool,
    },
    /// The handler has to be asked, or has been.
    #[cfg(feature = "zap")]
    AwaitingAnswer(Box<Initiated>),
    Done(Box<(Session, Option<Metadata>)>),
    /// ERROR is on its way, and the client has to close.
    #[cfg(feature = "zap")]
    Refused(zap::Status),
}

/// A client that is who it says it is.
struct Initiated {
    /// C.
    #[cfg(feature = "zap")]
    client: PublicKey,
    #[cfg(feature = "zap")]
    asked: bool,
    /// For boxes between s' and C'.
    key: BoxKey,
    /// The nonce of INITIATE.
    received: u64,
    /// Not looked at before the handler has said yes.
    metadata: Vec<u8>,
}

impl CurveServer {
    pub(crate) const fn new(config: ServerConfig) -> Self {
        Self {
            config,
            state: State::AwaitingHello,
        }
    }

    pub(crate) fn on_command(
        &mut self,
        body: &[u8],
        config: &HandshakeConfig,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if !is_command(body) {
            return Err(malformed(CommandName::Other));
        }
        match &self.state {
            State::AwaitingHello if body.starts_with(HELLO) => {
                let cookie_key = self.on_hello(body, random, out)?;
                self.state = State::AwaitingInitiate {
                    cookie_key,
                    is_returned: false,
                };
                Ok(())
            }
            State::AwaitingInitiate { cookie_key, .. } if body.starts_with(INITIATE) => {
                let initiated = self.on_initiate(body, cookie_key)?;
                #[cfg(feature = "zap")]
                if config.asks_zap() {
                    self.state = State::AwaitingAnswer(Box::new(initiated));
                    return Ok(());
                }
                self.state = accept(&initiated, config, out)?;
                Ok(())
            }
            #[cfg(feature = "zap")]
            State::Refused(status) => Err(Error::AuthenticationFailed { status: *status }),
            _ => Err(unexpected(body)),
        }
    }

    /// How much of a command may be stored before its beginning is judged, in bytes.
    pub(crate) const fn prefix_limit(&self) -> usize {
        match self.state {
            State::AwaitingHello
            | State::AwaitingInitiate {
                is_returned: false, ..
            } => STRANGER_MAX,
            _ => usize::MAX,
        }
    }

    /// Judges the beginning of a command that is longer than strangers may send: it has to be an
    /// INITIATE with the cookie of this connection.
    pub(crate) fn on_prefix(&mut self, body: &[u8]) -> Result<(), Error> {
        match &mut self.state {
            State::AwaitingHello if body.starts_with(HELLO) => Err(malformed(CommandName::Hello)),
            State::AwaitingInitiate {
                cookie_key,
                is_returned,
            } if body.starts_with(INITIATE) => {
                Cookie(*field(body, 9))
                    .open(cookie_key)
                    .ok_or(cryptographic(CommandName::Initiate))?;
                *is_returned = true;
                Ok(())
            }
            _ => Err(unexpected(body)),
        }
    }

    /// The key by which the client wants to be let in, once.
    #[cfg(feature = "zap")]
    pub(crate) fn poll_zap(&mut self) -> Option<Credentials> {
        match &mut self.state {
            State::AwaitingAnswer(initiated) if !initiated.asked => {
                initiated.asked = true;
                Some(Credentials::Curve {
                    public_key: *initiated.client.as_bytes(),
                })
            }
            _ => None,
        }
    }

    #[cfg(feature = "zap")]
    pub(crate) fn on_zap(
        &mut self,
        answer: &zap::Answer,
        policy: &zap::Policy,
        config: &HandshakeConfig,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let State::AwaitingAnswer(initiated) = &self.state else {
            return Err(Error::UnexpectedZapAnswer);
        };
        if !initiated.asked {
            return Err(Error::UnexpectedZapAnswer);
        }
        match answer.verdict(policy, MechanismName::CURVE)? {
            Verdict::Accept => {
                self.state = accept(initiated, config, out)?;
                Ok(())
            }
            Verdict::Refuse(status) => {
                let reason = status.as_str().as_bytes();
                crate::Command::Error { reason }.encode(out);
                self.state = State::Refused(status);
                Ok(())
            }
        }
    }

    /// INITIATE has come, and nothing is looked at before the handler has spoken.
    #[cfg(feature = "zap")]
    pub(crate) const fn holds_input(&self) -> bool {
        matches!(self.state, State::AwaitingAnswer(_))
    }

    /// The status with which the peer was refused, if it was.
    #[cfg(feature = "zap")]
    pub(crate) const fn refusal(&self) -> Option<zap::Status> {
        match self.state {
            State::Refused(status) => Some(status),
            _ => None,
        }
    }

    pub(crate) fn take_peer_metadata(&mut self) -> Option<Metadata> {
        match &mut self.state {
            State::Done(done) => done.1.take(),
            _ => None,
        }
    }

    /// What protects the traffic, once the handshake is over.
    pub(crate) fn into_session(self) -> Option<Session> {
        match self.state {
            State::Done(done) => Some(done.0),
            _ => None,
        }
    }

    /// Answers with WELCOME and returns the key of the cookie in it. Draws random bytes in this
    /// order: s' (32), the cookie's key (32) and nonce (16), the nonce of WELCOME (16).
    fn on_hello(
        &self,
        body: &[u8],
        random: &mut Random,
        out: &mut Vec<u8>,
    ) -> Result<Secret<32>, Error> {
        const FORGED: Error = cryptographic(CommandName::Hello);
        let super::Command::Hello {
            client,
            number,
            sealed,
        } = super::Command::decode(body)?
        else {
            return Err(unexpected(body));
        };
        // The one agreement that a stranger can have for nothing; WELCOME uses it too.
        let key = BoxKey::agree(self.config.keys().secret(), &client).ok_or(FORGED)?;
        let nonce = short_nonce(HELLO_PURPOSE, number.to_be_bytes());
        let mut sealed = *sealed;
        let zeros = key.open(&nonce, &mut sealed).map_err(|_| FORGED)?;
        if *zeros != [0; 64] {
            return Err(malformed(CommandName::Hello));
        }

        let transient = KeyPair::generate(random)?;
        let mut cookie_key = Secret::zeroed();
        random.fill(&mut *cookie_key)?;
        let (cookie_nonce, welcome_nonce) = (random.bytes()?, random.bytes()?);
        push_head(WELCOME_LEN, out);
        out.extend_from_slice(WELCOME);
        out.extend_from_slice(&welcome_nonce);
        let cookie = Cookie::seal(&cookie_key, &cookie_nonce, &client, transient.secret());
        key.seal(
            &long_nonce(WELCOME_PURPOSE, &welcome_nonce),
            &[transient.public().as_bytes(), &cookie.0],
            out,
        );
        Ok(cookie_key)
    }

    /// Checks everything that INITIATE says: the cookie is the one that this connection was given,
    /// the client has c', and the owner of c vouches for C' to this server.
    fn on_initiate(&self, body: &[u8], cookie_key: &[u8; 32]) -> Result<Initiated, Error> {
        const FORGED: Error = cryptographic(CommandName::Initiate);
        let super::Command::Initiate {
            cookie,
            number,
            sealed,
        } = super::Command::decode(body)?
        else {
            return Err(unexpected(body));
        };
        let (client_transient, transient) = Cookie(*cookie).open(cookie_key).ok_or(FORGED)?;
        let key = BoxKey::agree(&transient, &client_transient).ok_or(FORGED)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let nonce = short_nonce(INITIATE_PURPOSE, number.to_be_bytes());
        let text = key.open(&nonce, &mut sealed).map_err(|_| FORGED)?;

        let client = PublicKey::from_bytes(*field(text, 0));
        let mut vouch: [u8; VOUCH_LEN] = *field(text, 48);
        let vouch_key = BoxKey::agree(&transient, &client).ok_or(FORGED)?;
        let vouch = vouch_key
            .open(&long_nonce(VOUCH_PURPOSE, field(text, 32)), &mut vouch)
            .map_err(|_| FORGED)?;
        let same = vouch[..32].ct_eq(client_transient.as_bytes())
            & vouch[32..].ct_eq(self.config.keys().public().as_bytes());
        if !bool::from(same) {
            return Err(Error::KeyExchange);
        }
        Ok(Initiated {
            #[cfg(feature = "zap")]
            client,
            #[cfg(feature = "zap")]
            asked: false,
            key,
            received: number,
            metadata: text[128..].to_vec(),
        })
    }
}

/// Answers with READY.
fn accept(
    initiated: &Initiated,
    config: &HandshakeConfig,
    out: &mut Vec<u8>,
) -> Result<State, Error> {
    let metadata = peer_metadata(&initiated.metadata, config)?;
    let ours = local_metadata(config);
    let number = READY_NONCE.to_be_bytes();
    push_head(READY_LEN + ours.len(), out);
    out.extend_from_slice(READY);
    out.extend_from_slice(&number);
    let key = &initiated.key;
    key.seal(&short_nonce(READY_PURPOSE, number), &[&ours], out);
    let session = Session::from_key(Role::Server, key, READY_NONCE, initiated.received);
    Ok(State::Done(Box::new((session, Some(metadata)))))
}

/// What a server has to remember of a client and lets the client remember: a nonce, and C' and s'
/// in a box that only this connection of the server can open.
struct Cookie([u8; COOKIE_LEN]);

impl Cookie {
    fn seal(key: &[u8; 32], nonce: &[u8; 16], client: &PublicKey, transient: &SecretKey) -> Self {
        let mut cookie = [0; COOKIE_LEN];
        cookie[..16].copy_from_slice(nonce);
        cookie[32..64].copy_from_slice(client.as_bytes());
        cookie[64..].copy_from_slice(transient.as_bytes());
        BoxKey::new(key).seal_in_place(&long_nonce(COOKIE_PURPOSE, nonce), &mut cookie[16..]);
        Self(cookie)
    }

    /// C' and s', if the cookie is of this key.
    fn open(self, key: &[u8; 32]) -> Option<(PublicKey, SecretKey)> {
        let mut cookie = Zeroizing::new(self.0);
        let (nonce, sealed) = cookie.split_first_chunk_mut::<16>()?;
        let nonce = long_nonce(COOKIE_PURPOSE, nonce);
        let text = BoxKey::new(key).open(&nonce, sealed).ok()?;
        let client = PublicKey::from_bytes(*field(text, 0));
        Some((client, SecretKey::from_bytes(*field(text, 32))))
    }
}

/// Whether a body begins with a name and has more than that, as every command of CURVE does.
fn is_command(body: &[u8]) -> bool {
    body.len() > 1 && usize::from(body[0]) < body.len()
}

impl core::fmt::Debug for State {
    /// Shows none of the keys.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::AwaitingHello => f.write_str("AwaitingHello"),
            Self::AwaitingInitiate { .. } => f.write_str("AwaitingInitiate"),
            #[cfg(feature = "zap")]
            Self::AwaitingAnswer(initiated) => write!(f, "AwaitingAnswer({})", initiated.client),
            Self::Done(_) => f.write_str("Done"),
            #[cfg(feature = "zap")]
            Self::Refused(status) => write!(f, "Refused({status})"),
        }
    }
}
