//! The end that knows beforehand whom it talks to.

use zeroize::Zeroizing;

use super::{
    COOKIE_LEN, HELLO, HELLO_LEN, HELLO_NONCE, HELLO_PURPOSE, INITIATE, INITIATE_LEN,
    INITIATE_NONCE, INITIATE_PURPOSE, PADDING, READY, READY_PURPOSE, VERSION, VOUCH_LEN,
    VOUCH_PURPOSE, WELCOME, WELCOME_PURPOSE, cryptographic, field, long_nonce, push_head,
    short_nonce,
};
use crate::command::CommandName;
use crate::curve::boxes::BoxKey;
use crate::curve::{ClientConfig, KeyPair, PublicKey, Role, Session};
use crate::handshake::HandshakeConfig;
use crate::mechanism::{local_metadata, peer_metadata, refused, unexpected};
use crate::{Command, Error, Metadata, Random};

/// The state of a CURVE client.
#[derive(Debug)]
pub(crate) struct CurveClient {
    config: ClientConfig,
    state: State,
}

enum State {
    Greeting,
    AwaitingWelcome {
        /// C' and c'.
        transient: KeyPair,
        /// For boxes between c' and S.
        key: BoxKey,
    },
    AwaitingReady {
        /// For boxes between c' and S'.
        key: BoxKey,
    },
    Done {
        session: Session,
        /// Is there until it is taken.
        metadata: Option<Metadata>,
    },
}

impl CurveClient {
    pub(crate) const fn new(config: ClientConfig) -> Self {
        Self {
            config,
            state: State::Greeting,
        }
    }

    /// Draws 32 random bytes: c'.
    pub(crate) fn start(&mut self, random: &mut Random, out: &mut Vec<u8>) -> Result<(), Error> {
        let transient = KeyPair::generate(random)?;
        let key = BoxKey::agree(transient.secret(), self.config.server())
            .ok_or(Error::InvalidServerKey)?;
        let number = HELLO_NONCE.to_be_bytes();
        push_head(HELLO_LEN, out);
        out.extend_from_slice(HELLO);
        out.extend_from_slice(&VERSION);
        out.extend_from_slice(&[0; PADDING]);
        out.extend_from_slice(transient.public().as_bytes());
        out.extend_from_slice(&number);
        key.seal(&short_nonce(HELLO_PURPOSE, number), &[&[0; 64]], out);
        self.state = State::AwaitingWelcome { transient, key };
        Ok(())
    }

    pub(crate) fn on_command(
        &mut self,
        body: &[u8],
        config: &HandshakeConfig,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if let State::AwaitingWelcome { .. } | State::AwaitingReady { .. } = self.state {
            match Command::decode(body) {
                Ok(Command::Error { reason }) => return Err(refused(reason)),
                Err(
                    error @ Error::MalformedCommand {
                        command: CommandName::Error,
                    },
                ) => return Err(error),
                _ => {}
            }
        }
        match &self.state {
            State::AwaitingWelcome { transient, key } if body.starts_with(WELCOME) => {
                let key = self.on_welcome(body, transient, key, config, random, out)?;
                self.state = State::AwaitingReady { key };
                Ok(())
            }
            State::AwaitingReady { key } if body.starts_with(READY) => {
                let (session, metadata) = on_ready(body, key, config)?;
                self.state = State::Done {
                    session,
                    metadata: Some(metadata),
                };
                Ok(())
            }
            _ => Err(unexpected(body)),
        }
    }

    pub(crate) fn take_peer_metadata(&mut self) -> Option<Metadata> {
        match &mut self.state {
            State::Done { metadata, .. } => metadata.take(),
            _ => None,
        }
    }

    /// What protects the traffic, once the handshake is over.
    pub(crate) fn into_session(self) -> Option<Session> {
        match self.state {
            State::Done { session, .. } => Some(session),
            _ => None,
        }
    }

    /// Answers with INITIATE and returns the key between c' and S'. Draws 16 random bytes: the
    /// vouch's nonce.
    fn on_welcome(
        &self,
        body: &[u8],
        transient: &KeyPair,
        key: &BoxKey,
        config: &HandshakeConfig,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) -> Result<BoxKey, Error> {
        // A WELCOME of another length is for libzmq one whose box does not open, and is here.
        const FORGED: Error = cryptographic(CommandName::Welcome);
        let Ok(super::Command::Welcome { nonce, sealed }) = super::Command::decode(body) else {
            return Err(FORGED);
        };
        let nonce = long_nonce(WELCOME_PURPOSE, nonce);
        let mut sealed = *sealed;
        let welcome = key.open(&nonce, &mut sealed).map_err(|_| FORGED)?;
        let server = PublicKey::from_bytes(*field(welcome, 0));
        let cookie: &[u8; COOKIE_LEN] = field(welcome, 32);

        let own = self.config.keys();
        let key = BoxKey::agree(transient.secret(), &server).ok_or(FORGED)?;
        let vouch_key = BoxKey::agree(own.secret(), &server).ok_or(FORGED)?;
        let vouch_nonce = random.bytes()?;
        let mut vouch = Vec::with_capacity(VOUCH_LEN);
        vouch_key.seal(
            &long_nonce(VOUCH_PURPOSE, &vouch_nonce),
            &[
                transient.public().as_bytes(),
                self.config.server().as_bytes(),
            ],
            &mut vouch,
        );

        let metadata = local_metadata(config);
        let number = INITIATE_NONCE.to_be_bytes();
        push_head(INITIATE_LEN + metadata.len(), out);
        out.extend_from_slice(INITIATE);
        out.extend_from_slice(cookie);
        out.extend_from_slice(&number);
        key.seal(
            &short_nonce(INITIATE_PURPOSE, number),
            &[own.public().as_bytes(), &vouch_nonce, &vouch, &metadata],
            out,
        );
        Ok(key)
    }
}

fn on_ready(
    body: &[u8],
    key: &BoxKey,
    config: &HandshakeConfig,
) -> Result<(Session, Metadata), Error> {
    let super::Command::Ready { number, sealed } = super::Command::decode(body)? else {
        return Err(unexpected(body));
    };
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let nonce = short_nonce(READY_PURPOSE, number.to_be_bytes());
    let metadata = key
        .open(&nonce, &mut sealed)
        .map_err(|_| cryptographic(CommandName::Ready))?;
    let metadata = peer_metadata(metadata, config)?;
    let session = Session::from_key(Role::Client, key, INITIATE_NONCE, number);
    Ok((session, metadata))
}

impl core::fmt::Debug for State {
    /// Shows none of the keys.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Greeting => "Greeting",
            Self::AwaitingWelcome { .. } => "AwaitingWelcome",
            Self::AwaitingReady { .. } => "AwaitingReady",
            Self::Done { .. } => "Done",
        })
    }
}
