//! The handshake: everything from the first byte of a connection to the first byte of traffic.

mod config;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
pub use config::HandshakeConfig;
use zeroize::Zeroizing;

use crate::framing::{FrameBuffer, Framing};
use crate::greeting::{self, Greeting, GreetingParser, Progress};
use crate::mechanism::Mechanism;
use crate::peer::check_identity;
use crate::secret::WipedBuf;
#[cfg(feature = "zap")]
use crate::zap::{self, Answer};
use crate::{Command, Decoder, Encoder, Error, Flags, Limits, Peer, Random, SocketType, Version};

/// The handshake of one connection as a state machine without I/O.
///
/// Bytes from the peer go into [`handle_input`](Self::handle_input), bytes for the peer come out of
/// [`transmit`](Self::transmit). It is over when [`is_complete`](Self::is_complete) says so or an
/// error is returned; [`finish`](Self::finish) then tells who the peer is and how to talk to it.
/// `handle_input` consumes nothing beyond the handshake: what is left of the input is traffic.
///
/// No message may be sent before the handshake is complete: libzmq closes the connection of a peer
/// that does.
///
/// What is sent before the peer has shown its version is what the oldest peer understands: ten
/// bytes, which are the signature to some and the header of a long frame to ZMTP 1.0, then the rest
/// in the steps of libzmq. To peers of ZMTP 1.0 and 2.0 the exchange of identities is the whole
/// handshake.
///
/// # Errors
///
/// After an error, `transmit` may hold an ERROR command that tells the peer why it is refused, and
/// what has to go before it. Whoever wants the peer to know sends that before the connection is
/// closed.
///
/// # Examples
///
/// ```
/// use zmtp::{Handshake, HandshakeConfig, SocketType};
///
/// let mut push = Handshake::new(HandshakeConfig::new(SocketType::Push));
/// let mut pull = Handshake::new(HandshakeConfig::new(SocketType::Pull));
/// while !(push.is_complete() && pull.is_complete()) {
///     let used = pull.handle_input(push.transmit())?;
///     push.advance_transmit(used);
///     let used = push.handle_input(pull.transmit())?;
///     pull.advance_transmit(used);
/// }
/// let established = push.finish().unwrap();
/// assert_eq!(established.peer.socket_type, Some(SocketType::Pull));
/// # Ok::<(), zmtp::Error>(())
/// ```
pub struct Handshake {
    config: HandshakeConfig,
    state: State,
    mechanism: Mechanism,
    random: Random,
    /// The frame that is arriving.
    frame: FrameBuffer,
    #[cfg(feature = "zap")]
    zap: Zap,
    /// The id of the question to ZAP, if one will be asked.
    #[cfg(feature = "zap")]
    zap_id: Bytes,
    /// Bytes for the peer, among which may be a password; those before `sent` are gone.
    out: WipedBuf,
    sent: usize,
}

#[derive(Debug)]
enum State {
    Greeting(GreetingParser),
    /// ZMTP 1.0 and 2.0: the peer's identity is arriving.
    Identity {
        version: Version,
        socket_type: Option<SocketType>,
    },
    /// ZMTP 3.x.
    Mechanism {
        version: Version,
    },
    Complete(Peer),
    Failed(Error),
}

/// How far the question to ZAP has come.
#[cfg(feature = "zap")]
#[derive(Debug)]
enum Zap {
    NotAsked,
    Asked,
    /// Who the peer is, and what else the handler said.
    Accepted {
        user_id: Bytes,
        metadata: crate::Metadata,
    },
}

/// What a handshake leaves behind.
#[derive(Debug)]
#[non_exhaustive]
pub struct Established {
    /// Who the peer is.
    pub peer: Peer,
    /// Encodes what goes to the peer.
    pub encoder: Encoder,
    /// Decodes what comes from the peer, within the limits of the configuration.
    pub decoder: Decoder,
    /// What the handshake had still to say, to be sent before everything else.
    pub unsent: Bytes,
}

impl Handshake {
    /// Starts a handshake. What may be sent before the peer has said anything, the signature, is
    /// queued.
    ///
    /// With a configuration that does not pass its [`check`](HandshakeConfig::check) the handshake has
    /// failed already: it sends nothing, and [`handle_input`](Self::handle_input) returns the cause.
    #[must_use]
    pub fn new(config: HandshakeConfig) -> Self {
        Self::start(config, Random::system())
    }

    /// Starts a handshake that takes its keys and nonces, and the id of its question to ZAP, from
    /// `random`; without CURVE and ZAP it needs none.
    #[cfg(feature = "_random")]
    #[must_use]
    pub fn with_random(config: HandshakeConfig, random: Random) -> Self {
        Self::start(config, random)
    }

    pub(crate) fn start(config: HandshakeConfig, random: Random) -> Self {
        let mut out = WipedBuf::new();
        let state = match config.check() {
            Ok(()) => {
                out.extend_from_slice(&greeting::signature(config.identity().len()));
                State::Greeting(GreetingParser::new())
            }
            Err(error) => State::Failed(error),
        };
        Self {
            state,
            mechanism: Mechanism::new(config.mechanism()),
            frame: FrameBuffer::new(Framing::V2),
            random,
            #[cfg(feature = "zap")]
            zap: Zap::NotAsked,
            #[cfg(feature = "zap")]
            zap_id: Bytes::new(),
            out,
            sent: 0,
            config,
        }
    }

    /// Goes on without a greeting, because something else has settled version and mechanism: ZMTP 2.0
    /// is an exchange of identities, 3.x that of the mechanism. To be called before anything else.
    #[cfg(feature = "ws")]
    pub(crate) fn skip_greeting(&mut self, version: Version) -> Result<(), Error> {
        if let State::Failed(error) = &self.state {
            return Err(error.clone());
        }
        self.out.clear();
        if version < Version::V3_0 {
            self.send_identity(version, None);
            return Ok(());
        }
        self.begin_mechanism(version)
    }

    /// Takes bytes from the peer and returns how many of them belong to the handshake.
    ///
    /// All of the input is consumed unless the handshake completes within it; the rest is traffic
    /// and belongs to the caller. After completion nothing is consumed, nor is anything while the
    /// handshake [is waiting](Self::is_waiting) for ZAP: the rest is to be given again after
    /// [`handle_zap`](Self::handle_zap).
    ///
    /// # Errors
    ///
    /// Why the handshake failed. The connection has to be closed, once what
    /// [`transmit`](Self::transmit) holds is sent; each further call returns the same error.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<usize, Error> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            let step = match &mut self.state {
                State::Complete(_) => return Ok(used),
                State::Failed(error) => return Err(error.clone()),
                _ if rest.is_empty() => return Ok(used),
                State::Mechanism { .. } if self.mechanism.holds_input() => return Ok(used),
                State::Greeting(parser) => {
                    let (taken, progress) = parser.parse(rest);
                    used += taken;
                    self.on_greeting(progress)
                }
                State::Identity { .. } | State::Mechanism { .. } => {
                    self.on_frame_bytes(rest).map(|taken| used += taken)
                }
            };
            if let Err(error) = step {
                self.fail(error);
            }
        }
    }

    /// The question to ask a ZAP handler, once there is one. It is yielded once; look for it after
    /// each [`handle_input`](Self::handle_input).
    ///
    /// The peer waits until [`handle_zap`](Self::handle_zap) gets the answer. The request's identity
    /// is that of this end, as in libzmq, because the peer's is not known yet.
    #[cfg(feature = "zap")]
    pub fn poll_zap(&mut self) -> Option<zap::Request> {
        if !matches!(self.state, State::Mechanism { .. }) {
            return None;
        }
        let credentials = self.mechanism.poll_zap()?;
        self.zap = Zap::Asked;
        let domain = self.config.zap().map(zap::Policy::domain);
        Some(
            zap::Request::new(credentials)
                .with_request_id(self.zap_id.clone())
                .with_domain(domain.cloned().unwrap_or_default())
                .with_address(self.config.peer_address().clone())
                .with_identity(self.config.identity().clone()),
        )
    }

    /// Takes the answer to the question of [`poll_zap`](Self::poll_zap).
    ///
    /// A reply whose id is not that of the question is none, and refuses the peer.
    ///
    /// With status 200 the handshake goes on, and with this it may be complete. With 400 and 500 the
    /// peer is told so, with 300 it is not, because it may come back later.
    ///
    /// # Errors
    ///
    /// Why the peer is refused; see [`handle_input`](Self::handle_input). When nothing was asked,
    /// [`Error::UnexpectedZapAnswer`], and nothing has changed.
    #[cfg(feature = "zap")]
    pub fn handle_zap(&mut self, answer: Answer) -> Result<(), Error> {
        match (&self.state, &self.zap) {
            (State::Mechanism { .. }, Zap::Asked) => {}
            (State::Failed(error), _) => return Err(error.clone()),
            _ => return Err(Error::UnexpectedZapAnswer),
        }
        let answer = match answer {
            Answer::Reply(reply) if reply.request_id != self.zap_id => {
                Answer::Invalid(zap::ReplyError::RequestId)
            }
            other => other,
        };
        let result = self
            .say(|this, out| this.mechanism.on_zap(&answer, &this.config, out))
            .and_then(|()| match self.mechanism.refusal() {
                Some(status) => Err(Error::AuthenticationFailed { status }),
                None => Ok(()),
            });
        self.zap = match answer {
            Answer::Reply(reply) => Zap::Accepted {
                user_id: reply.user_id,
                metadata: reply.metadata,
            },
            _ => Zap::NotAsked,
        };
        let result = result.and_then(|()| self.complete_if_ready());
        if let Err(error) = &result {
            if self.mechanism.refusal().is_some() {
                // ERROR waits in `out`.
                self.state = State::Failed(error.clone());
            } else {
                self.fail(error.clone());
            }
        }
        result
    }

    /// The bytes to be sent to the peer now; empty if there are none.
    #[inline]
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// Tells that the first `len` bytes of [`transmit`](Self::transmit) have been sent.
    ///
    /// # Panics
    ///
    /// When `len` exceeds what there was to send.
    pub fn advance_transmit(&mut self, len: usize) {
        assert!(
            len <= self.out.len() - self.sent,
            "advanced beyond what there is to send"
        );
        self.sent += len;
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
    }

    /// Whether the handshake is over and messages may follow.
    ///
    /// What [`transmit`](Self::transmit) still holds has to be sent before them.
    #[inline]
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete(_))
    }

    /// Whether no more input is consumed until [`handle_zap`](Self::handle_zap) was called: the peer
    /// has said all that it has to say before the traffic, and nobody has decided about it.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(self.state, State::Mechanism { .. }) && self.mechanism.holds_input()
    }

    /// The configuration this handshake was started with.
    #[must_use]
    pub const fn config(&self) -> &HandshakeConfig {
        &self.config
    }

    /// Whether what this end says may be a secret.
    #[cfg(feature = "std")]
    pub(crate) const fn tells_secrets(&self) -> bool {
        self.config.mechanism().tells_secrets()
    }

    #[cfg(feature = "std")]
    pub(crate) const fn is_failed(&self) -> bool {
        matches!(self.state, State::Failed(_))
    }

    /// Ends a complete handshake and tells who the peer is, with what is needed to talk to it.
    ///
    /// What [`transmit`](Self::transmit) still held is in [`Established::unsent`], and has to be sent
    /// before everything else.
    ///
    /// # Errors
    ///
    /// Hands the handshake back when it is not complete.
    #[expect(
        clippy::result_large_err,
        reason = "the error is the handshake itself, handed back"
    )]
    pub fn finish(self) -> Result<Established, Self> {
        match self.state {
            State::Complete(peer) => {
                // The last word of a handshake is no secret.
                let unsent = Bytes::copy_from_slice(&self.out[self.sent..]);
                let encoder = Encoder::new(peer.version);
                let decoder = Decoder::for_version(peer.version, self.config.limits());
                #[cfg(feature = "curve")]
                let (encoder, decoder) = match self.mechanism.into_session() {
                    Some(session) => {
                        let (sealer, opener) = session.into_halves();
                        (encoder.with_sealer(sealer), decoder.with_opener(opener))
                    }
                    None => (encoder, decoder),
                };
                Ok(Established {
                    peer,
                    encoder,
                    decoder,
                    unsent,
                })
            }
            _ => Err(self),
        }
    }

    /// Sends each part of the greeting only when the peer is known to understand it, as libzmq
    /// does.
    fn on_greeting(&mut self, progress: Progress) -> Result<(), Error> {
        match progress {
            Progress::NeedMore => Ok(()),
            Progress::Unversioned => self.on_unversioned(),
            Progress::Signature => {
                self.out.extend_from_slice(&[Version::V3_1.major]);
                Ok(())
            }
            Progress::Major(revision @ ..=1) => {
                self.config.check_version(version_of_revision(revision))?;
                self.out
                    .extend_from_slice(&[self.config.socket_type().number()]);
                Ok(())
            }
            Progress::Major(_) => {
                let ours = Greeting {
                    version: Version::V3_1,
                    mechanism: self.config.mechanism().name(),
                    as_server: self.config.mechanism().as_server(),
                };
                let wire = ours.encode(self.config.identity().len());
                self.out
                    .extend_from_slice(&wire[greeting::SIGNATURE_LEN + 1..]);
                Ok(())
            }
            Progress::SocketType(number) => self.on_greeting_2_0(number),
            Progress::Complete(theirs) => self.on_greeting_3(theirs),
        }
    }

    /// The peer's first bytes are the beginning of a frame that carries its identity. To the peer,
    /// our signature is the header of such a frame.
    fn on_unversioned(&mut self) -> Result<(), Error> {
        let version = Version::V1_0;
        self.config.check_version(version)?;
        self.out.extend_from_slice(self.config.identity());
        let State::Greeting(parser) = &self.state else {
            return Ok(());
        };
        let parser = parser.clone();
        self.expect_identity(version, None);
        // A header of a long frame may announce no more than its flags, and is all there is then.
        self.on_frame_bytes(parser.received()).map(drop)
    }

    fn on_greeting_2_0(&mut self, socket_type: u8) -> Result<(), Error> {
        let State::Greeting(parser) = &self.state else {
            return Ok(());
        };
        let version = version_of_revision(parser.received()[greeting::SIGNATURE_LEN]);
        self.send_identity(version, SocketType::from_number(socket_type));
        Ok(())
    }

    fn send_identity(&mut self, version: Version, socket_type: Option<SocketType>) {
        let mut frame = Vec::new();
        Framing::of(version).encode(Flags::NONE, self.config.identity(), &mut frame);
        self.out.extend_from_slice(&frame);
        self.expect_identity(version, socket_type);
    }

    fn expect_identity(&mut self, version: Version, socket_type: Option<SocketType>) {
        self.frame = FrameBuffer::new(Framing::of(version));
        self.state = State::Identity {
            version,
            socket_type,
        };
    }

    fn on_greeting_3(&mut self, theirs: Greeting) -> Result<(), Error> {
        // No version 2.x of this form was ever specified; like all later ones it counts as 3.1.
        let version = if theirs.version == Version::V3_0 {
            Version::V3_0
        } else {
            Version::V3_1
        };
        self.config.check_version(version)?;
        if theirs.mechanism != self.config.mechanism().name() {
            return Err(Error::MechanismMismatch {
                peer: theirs.mechanism,
            });
        }
        self.begin_mechanism(version)
    }

    fn begin_mechanism(&mut self, version: Version) -> Result<(), Error> {
        self.state = State::Mechanism { version };
        #[cfg(feature = "zap")]
        if self.config.asks_zap() {
            let id = u64::from_be_bytes(self.random.bytes()?);
            self.zap_id = alloc::format!("{id:016x}").into();
        }
        self.say(|this, out| this.mechanism.start(&this.config, &mut this.random, out))
    }

    /// Takes over what a step of the mechanism says, also when it fails. Each step writes to a buffer
    /// of its own, which is wiped.
    fn say(
        &mut self,
        step: impl FnOnce(&mut Self, &mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut said = Zeroizing::new(Vec::new());
        let result = step(self, &mut said);
        self.out.extend_from_slice(&said);
        result
    }

    /// Takes bytes of a frame and acts on it when it is complete.
    fn on_frame_bytes(&mut self, input: &[u8]) -> Result<usize, Error> {
        let limits = self.config.limits();
        let old = match self.state {
            State::Identity { version, .. } => Some(version),
            _ => None,
        };
        let up_to = self.mechanism.prefix_limit();
        let (used, complete) = self.frame.fill(input, up_to, |header, flags| match old {
            // Without a greeting this may be anything. The second byte of HTTP, TLS and SSH is no byte
            // of flags that a peer of 1.0 has ever sent.
            Some(version @ Version::V1_0) if flags != 0 => {
                Err(Error::UnsupportedVersion { version })
            }
            Some(version) if header.flags.is_more() || header.flags.is_command() => {
                Err(Error::UnsupportedVersion { version })
            }
            Some(_) => check_identity(header.size, &[]),
            None => check_command_size(header.size, limits),
        })?;
        if complete {
            self.on_frame()?;
        } else if self.frame.body().len() == up_to {
            self.mechanism.on_prefix(self.frame.body())?;
        }
        Ok(used)
    }

    fn on_frame(&mut self) -> Result<(), Error> {
        match self.state {
            State::Identity {
                version,
                socket_type,
            } => {
                let peer = Peer::from_identity(version, socket_type, self.frame.body())?;
                self.state = State::Complete(peer);
                Ok(())
            }
            _ => {
                self.say(|this, out| {
                    let body = this.frame.body();
                    this.mechanism
                        .on_command(body, &this.config, &mut this.random, out)
                })?;
                self.frame.clear();
                self.complete_if_ready()
            }
        }
    }

    fn complete_if_ready(&mut self) -> Result<(), Error> {
        let State::Mechanism { version } = self.state else {
            return Ok(());
        };
        let Some(metadata) = self.mechanism.take_peer_metadata() else {
            return Ok(());
        };
        let peer = Peer::from_metadata(self.config.socket_type(), version, metadata)?;
        #[cfg(feature = "zap")]
        let peer = self.known_to_zap(peer);
        self.state = State::Complete(peer);
        Ok(())
    }

    /// Adds what the ZAP handler has said about the peer.
    #[cfg(feature = "zap")]
    fn known_to_zap(&mut self, mut peer: Peer) -> Peer {
        if let Zap::Accepted { user_id, metadata } =
            core::mem::replace(&mut self.zap, Zap::NotAsked)
        {
            peer.user_id = user_id;
            peer.trusted = metadata;
        }
        peer
    }

    /// Gives up, and tells the peer where the RFCs recommend it.
    fn fail(&mut self, error: Error) {
        let is_mismatch = matches!(
            error,
            Error::IncompatibleSocketType { .. } | Error::UnknownSocketType { .. }
        );
        if is_mismatch && self.mechanism.may_refuse() {
            let mut refusal = Vec::new();
            Command::Error {
                reason: b"Invalid socket type",
            }
            .encode(&mut refusal);
            self.out.extend_from_slice(&refusal);
        } else {
            self.out = WipedBuf::new();
            self.sent = 0;
        }
        self.state = State::Failed(error);
    }
}

impl fmt::Debug for Handshake {
    /// Shows how much there is to send and not what, which may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Handshake");
        shown
            .field("config", &self.config)
            .field("state", &self.state)
            .field("mechanism", &self.mechanism);
        #[cfg(feature = "zap")]
        shown.field("zap", &self.zap);
        shown
            .field("unsent", &self.transmit().len())
            .finish_non_exhaustive()
    }
}

/// Revision 0 is a greeting in front of the frames of ZMTP 1.0; libzmq knows it, nobody sends it.
const fn version_of_revision(revision: u8) -> Version {
    if revision == 0 {
        Version::V1_0
    } else {
        Version::V2_0
    }
}

fn check_command_size(size: u64, limits: &Limits) -> Result<(), Error> {
    let limit = limits.max_handshake_command_size;
    // What is not addressable never fits, whatever the limit.
    if size > limit || usize::try_from(size).is_err() {
        return Err(Error::CommandTooLarge { size, limit });
    }
    Ok(())
}
