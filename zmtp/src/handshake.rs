//! The handshake: everything from the first byte of a connection to the first byte of traffic.

use bytes::Bytes;

use crate::greeting::{self, Greeting, GreetingParser, Progress};
use crate::header::{self, FrameHeader};
use crate::mechanism::Mechanism;
use crate::peer::is_valid_identity;
use crate::{Error, Limits, MechanismConfig, Metadata, Peer, SocketType, Version};

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
}

impl HandshakeConfig {
    /// Makes a configuration without identity and properties, with the NULL mechanism and default
    /// limits.
    #[must_use]
    pub fn new(socket_type: SocketType) -> Self {
        Self {
            socket_type,
            identity: Bytes::new(),
            mechanism: MechanismConfig::default(),
            properties: Metadata::new(),
            limits: Limits::default(),
        }
    }

    /// Replaces the identity, by which a ROUTER at the other end addresses this one. Only REQ,
    /// DEALER and ROUTER announce theirs.
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
}

/// The handshake of one connection as a state machine without I/O.
///
/// Bytes from the peer go into [`handle_input`](Self::handle_input), bytes for the peer come out of
/// [`transmit`](Self::transmit). It is over when [`is_complete`](Self::is_complete) says so or an
/// error is returned; [`finish`](Self::finish) then tells who the peer is. `handle_input` consumes
/// nothing beyond the handshake: what is left of the input is traffic.
///
/// No message may be sent before the handshake is complete: libzmq closes the connection of a peer
/// that does.
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
/// let peer = push.finish().unwrap();
/// assert_eq!(peer.socket_type, Some(SocketType::Pull));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Debug)]
pub struct Handshake {
    config: HandshakeConfig,
    state: State,
    mechanism: Mechanism,
    command: CommandBuffer,
    /// Bytes for the peer; those before `sent` are gone.
    out: Vec<u8>,
    sent: usize,
}

#[derive(Debug)]
enum State {
    Greeting(GreetingParser),
    Mechanism { version: Version },
    Complete(Peer),
    Failed(Error),
}

impl Handshake {
    /// Starts a handshake. What may be sent before the peer has said anything, the signature, is
    /// queued.
    #[must_use]
    pub fn new(config: HandshakeConfig) -> Self {
        Self {
            state: State::Greeting(GreetingParser::new()),
            mechanism: Mechanism::new(&config.mechanism),
            command: CommandBuffer::default(),
            out: greeting::signature(config.identity.len()).to_vec(),
            sent: 0,
            config,
        }
    }

    /// Takes bytes from the peer and returns how many of them belong to the handshake.
    ///
    /// All of the input is consumed unless the handshake completes within it; the rest is traffic
    /// and belongs to the caller. After completion nothing is consumed.
    ///
    /// # Errors
    ///
    /// Why the handshake failed. The connection has to be closed; each further call returns the
    /// same error.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<usize, Error> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            let step = match &mut self.state {
                State::Complete(_) => return Ok(used),
                State::Failed(error) => return Err(error.clone()),
                _ if rest.is_empty() => return Ok(used),
                State::Greeting(parser) => {
                    let (taken, progress) = parser.parse(rest);
                    used += taken;
                    self.on_greeting(progress)
                }
                State::Mechanism { version } => {
                    let version = *version;
                    match self.command.fill(rest, &self.config.limits) {
                        Ok((taken, complete)) => {
                            used += taken;
                            if complete {
                                self.on_command(version)
                            } else {
                                Ok(())
                            }
                        }
                        Err(error) => Err(error),
                    }
                }
            };
            if let Err(error) = step {
                self.out = Vec::new();
                self.sent = 0;
                self.state = State::Failed(error);
            }
        }
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

    /// The configuration this handshake was started with.
    #[must_use]
    pub const fn config(&self) -> &HandshakeConfig {
        &self.config
    }

    /// Ends a complete handshake and tells who the peer is.
    ///
    /// Bytes that have not been sent are dropped with the handshake: take them out of
    /// [`transmit`](Self::transmit) first.
    ///
    /// # Errors
    ///
    /// Hands the handshake back when it is not complete.
    #[expect(
        clippy::result_large_err,
        reason = "the error is the handshake itself, handed back"
    )]
    pub fn finish(self) -> Result<Peer, Self> {
        match self.state {
            State::Complete(peer) => Ok(peer),
            _ => Err(self),
        }
    }

    /// Sends each part of the greeting only when the peer is known to understand it, as libzmq
    /// does.
    fn on_greeting(&mut self, progress: Progress) -> Result<(), Error> {
        match progress {
            Progress::NeedMore => Ok(()),
            Progress::Unversioned => Err(Error::UnsupportedVersion {
                version: Version::V1_0,
            }),
            Progress::Signature => {
                self.out.push(Version::V3_1.major);
                Ok(())
            }
            Progress::Major(revision @ ..=1) => {
                let version = if revision == 0 {
                    Version::V1_0
                } else {
                    Version::V2_0
                };
                Err(Error::UnsupportedVersion { version })
            }
            // No such version was ever specified.
            Progress::Major(2) => Err(Error::UnsupportedVersion {
                version: Version::V2_0,
            }),
            Progress::Major(_) => {
                let ours = Greeting {
                    version: Version::V3_1,
                    mechanism: self.config.mechanism.name(),
                    as_server: self.config.mechanism.as_server(),
                };
                let wire = ours.encode(self.config.identity.len());
                self.out
                    .extend_from_slice(&wire[greeting::SIGNATURE_LEN + 1..]);
                Ok(())
            }
            Progress::Complete(theirs) => {
                if theirs.mechanism != self.config.mechanism.name() {
                    return Err(Error::MechanismMismatch {
                        peer: theirs.mechanism,
                    });
                }
                self.mechanism.start(&self.config, &mut self.out);
                self.state = State::Mechanism {
                    version: theirs.version,
                };
                Ok(())
            }
        }
    }

    fn on_command(&mut self, version: Version) -> Result<(), Error> {
        self.mechanism
            .on_command(&self.command.body, &self.config, &mut self.out)?;
        self.command.clear();
        if let Some(metadata) = self.mechanism.take_peer_metadata() {
            let peer = Peer::from_metadata(self.config.socket_type, version, metadata)?;
            self.command = CommandBuffer::default();
            self.state = State::Complete(peer);
        }
        Ok(())
    }
}

/// Collects one frame of the handshake. The frame's flags do not matter, as in libzmq: its body
/// tells which command it is.
#[derive(Debug, Default)]
struct CommandBuffer {
    head: [u8; header::MAX_LEN],
    head_len: usize,
    header: Option<FrameHeader>,
    /// Grows as the body arrives, whatever size was announced.
    body: Vec<u8>,
}

impl CommandBuffer {
    /// Consumes input up to the end of the frame, and returns how much that was and whether the
    /// frame is complete.
    fn fill(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, bool), Error> {
        let mut used = 0;
        let header = loop {
            if let Some(header) = self.header {
                break header;
            }
            let Some(byte) = input.get(used) else {
                return Ok((used, false));
            };
            self.head[self.head_len] = *byte;
            self.head_len += 1;
            used += 1;
            if let Some((header, _)) = header::decode(&self.head[..self.head_len])? {
                check_handshake_size(header.size, limits)?;
                self.header = Some(header);
            }
        };
        let missing = header.size as usize - self.body.len();
        let body = &input[used..];
        let body = &body[..body.len().min(missing)];
        self.body.extend_from_slice(body);
        Ok((used + body.len(), body.len() == missing))
    }

    fn clear(&mut self) {
        self.head_len = 0;
        self.header = None;
        self.body.clear();
    }
}

fn check_handshake_size(size: u64, limits: &Limits) -> Result<(), Error> {
    if let Some(limit) = limits.max_frame_size
        && size > limit
    {
        return Err(Error::FrameTooLarge { size, limit });
    }
    let limit = limits.max_handshake_command_size;
    // What is not addressable never fits, whatever the limit.
    if size > limit || usize::try_from(size).is_err() {
        return Err(Error::CommandTooLarge { size, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY_PULL: &[u8] = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PULL";

    fn null_greeting() -> [u8; 64] {
        Greeting {
            version: Version::V3_1,
            mechanism: greeting::MechanismName::NULL,
            as_server: false,
        }
        .encode(0)
    }

    fn push() -> Handshake {
        Handshake::new(HandshakeConfig::new(SocketType::Push))
    }

    fn after_greeting(config: HandshakeConfig) -> Handshake {
        let mut handshake = Handshake::new(config);
        handshake.handle_input(&null_greeting()).unwrap();
        let len = handshake.transmit().len();
        handshake.advance_transmit(len);
        handshake
    }

    #[test]
    fn sends_each_part_when_the_peer_can_understand_it() {
        let theirs = null_greeting();
        let mut handshake = push();
        assert_eq!(handshake.transmit().len(), 10);
        handshake.handle_input(&theirs[..9]).unwrap();
        assert_eq!(handshake.transmit().len(), 10);
        handshake.handle_input(&theirs[9..10]).unwrap();
        assert_eq!(handshake.transmit().len(), 11);
        handshake.handle_input(&theirs[10..11]).unwrap();
        assert_eq!(handshake.transmit(), theirs);
        handshake.handle_input(&theirs[11..63]).unwrap();
        assert_eq!(handshake.transmit().len(), 64);
        handshake.handle_input(&theirs[63..]).unwrap();
        assert_eq!(&handshake.transmit()[64..70], b"\x04\x1a\x05REA");
        assert!(!handshake.is_complete());
    }

    #[test]
    fn leaves_traffic_to_the_caller() {
        let mut input = null_greeting().to_vec();
        input.extend_from_slice(READY_PULL);
        let len = input.len();
        input.extend_from_slice(b"\x00\x05hello");
        let mut handshake = push();
        assert_eq!(handshake.handle_input(&input), Ok(len));
        assert!(handshake.is_complete());
        assert_eq!(handshake.handle_input(&input[len..]), Ok(0));
        let peer = handshake.finish().unwrap();
        assert_eq!(peer.version, Version::V3_1);
        assert_eq!(peer.socket_type, Some(SocketType::Pull));
    }

    #[test]
    fn refuses_peers_that_speak_something_else_at_the_first_byte_that_tells() {
        let unsupported = |version| Err(Error::UnsupportedVersion { version });
        assert_eq!(push().handle_input(b"G"), unsupported(Version::V1_0));
        assert_eq!(
            push().handle_input(b"\xFF\0\0\0\0\0\0\0\x01\x7E"),
            unsupported(Version::V1_0)
        );
        let mut signature = greeting::signature(0).to_vec();
        signature.push(1);
        assert_eq!(push().handle_input(&signature), unsupported(Version::V2_0));
        signature[10] = 0;
        assert_eq!(push().handle_input(&signature), unsupported(Version::V1_0));
    }

    #[test]
    fn failure_is_final_and_sends_nothing_more() {
        let mut handshake = push();
        let error = handshake.handle_input(b"x").unwrap_err();
        assert_eq!(handshake.handle_input(&null_greeting()), Err(error));
        assert!(handshake.transmit().is_empty());
        assert!(handshake.finish().is_err());
    }

    #[test]
    fn higher_versions_count_as_3_1() {
        let mut theirs = null_greeting();
        theirs[10..12].fill(0xFF);
        let mut handshake = push();
        handshake.handle_input(&theirs).unwrap();
        handshake.handle_input(READY_PULL).unwrap();
        assert!(
            handshake
                .finish()
                .unwrap()
                .version
                .has_subscription_commands()
        );
    }

    #[test]
    fn mechanisms_must_match_exactly() {
        for name in [&b"PLAIN"[..], b"null", b"NULL   ", b"NULL\0x", b""] {
            let mut theirs = null_greeting();
            theirs[12..32].fill(0);
            theirs[12..12 + name.len()].copy_from_slice(name);
            let error = push().handle_input(&theirs).unwrap_err();
            assert!(matches!(error, Error::MechanismMismatch { .. }), "{error}");
            assert_eq!(error.protocol_event_code(), Some(0x1100_0002));
        }
    }

    #[test]
    fn only_ready_and_error_have_a_place_in_the_handshake() {
        let unexpected = [
            (&b"\x04\x07\x04PING\0\0"[..], "PING"),
            (b"\x04\x06\x05ready", "ready"),
            (b"\x04\x09\x08READY   ", "READY   "),
            (b"\x00\x05hello", ""),
            (b"\x00\x00", ""),
            (b"\x04\x00", ""),
        ];
        for (input, name) in unexpected {
            let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
            let expected = Error::UnexpectedCommand { name: name.into() };
            assert_eq!(handshake.handle_input(input), Err(expected), "{input:?}");
        }
        let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
        let error = handshake
            .handle_input(b"\x04\x0a\x05ERROR\x03400")
            .unwrap_err();
        assert_eq!(error.auth_event_code(), Some(400));
        let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
        let error = handshake.handle_input(b"\x04\x06\x05ERROR").unwrap_err();
        assert_eq!(error.protocol_event_code(), Some(0x1000_0015));
    }

    #[test]
    fn the_flags_of_ready_do_not_matter() {
        for flags in [0x00, 0x01, 0x05, 0xFC] {
            let mut ready = READY_PULL.to_vec();
            ready[0] = flags;
            let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
            handshake.handle_input(&ready).unwrap();
            assert!(handshake.is_complete(), "{flags:#x}");
        }
        let mut long = b"\x06\0\0\0\0\0\0\0".to_vec();
        long.extend_from_slice(&READY_PULL[1..]);
        let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
        handshake.handle_input(&long).unwrap();
        assert!(handshake.is_complete());
    }

    #[test]
    fn sizes_are_checked_before_the_body_is_there() {
        let mut header = [0x06, 0, 0, 0, 0, 0, 0, 0x40, 0x01];
        let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
        let expected = Error::CommandTooLarge {
            size: 16_385,
            limit: 16_384,
        };
        assert_eq!(handshake.handle_input(&header), Err(expected));
        header[1] = 0x40;
        let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
        let error = handshake.handle_input(&header).unwrap_err();
        assert!(matches!(error, Error::CommandTooLarge { .. }));

        let limits = Limits::default().with_max_frame_size(Some(10));
        let config = HandshakeConfig::new(SocketType::Push).with_limits(limits);
        let mut handshake = after_greeting(config);
        let expected = Error::FrameTooLarge {
            size: 26,
            limit: 10,
        };
        assert_eq!(handshake.handle_input(READY_PULL), Err(expected));
    }

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
