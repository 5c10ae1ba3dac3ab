//! The handshakes of the mechanisms, behind the greeting: what holds for all of them.

use zmtp::zap::{Answer, Request};
use zmtp::{Error, Handshake, HandshakeConfig, Peer, SocketType, header};

use crate::security::{Security, answer};

/// What stands in front of the bytes of the peer.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// What this end does for its security.
    pub security: Security,
    /// How the input is cut into pieces.
    pub pattern: u8,
    /// Which limits are small; 0 for the defaults.
    pub limits: u8,
    /// What ZAP answers; 0 lets everybody in.
    pub zap: u8,
    /// After how many bytes it answers.
    pub answer_at: u16,
}

/// The length of an encoded [`Setup`].
pub const SETUP_LEN: usize = 6;

/// What a connection may take beside what has arrived, in bytes.
const FIXED_MEMORY: u64 = 32 << 10;

impl Setup {
    /// The bytes in front of a seed.
    #[must_use]
    pub fn encode(&self) -> [u8; SETUP_LEN] {
        let [low, high] = self.answer_at.to_le_bytes();
        let security = self.security.to_byte();
        [security, self.pattern, self.limits, self.zap, low, high]
    }

    fn decode([security, pattern, limits, zap, low, high]: [u8; SETUP_LEN]) -> Self {
        Self {
            security: Security::from_byte(security),
            pattern,
            limits,
            zap,
            answer_at: u16::from_le_bytes([low, high]),
        }
    }

    fn config(&self) -> HandshakeConfig {
        config(self.security).with_limits(crate::limits(self.limits))
    }
}

/// A server is a ROUTER, a client a DEALER.
fn config(security: Security) -> HandshakeConfig {
    let is_client = matches!(security, Security::PlainClient | Security::CurveClient);
    let (socket_type, identity) = if is_client {
        (SocketType::Dealer, "client")
    } else {
        (SocketType::Router, "server")
    };
    let config = HandshakeConfig::new(socket_type)
        .with_identity(identity)
        .and_then(|config| config.with_property("X-zone", "eu"))
        .expect("valid");
    security.configure(config)
}

/// A handshake that was gone through.
pub(crate) struct Checked<'a> {
    pub(crate) setup: Setup,
    /// The bodies of the frames that belong to the handshake.
    pub(crate) bodies: Vec<&'a [u8]>,
    pub(crate) requests: Vec<Request>,
    /// Whom the handshake let in, if it is complete.
    pub(crate) peer: Option<Peer>,
}

/// Checks what holds for every mechanism. `None` if the bytes are for another one.
pub(crate) fn check<'a>(data: &'a [u8], allowed: &[Security]) -> Option<Checked<'a>> {
    let (setup, wire) = data.split_first_chunk::<SETUP_LEN>()?;
    let setup = Setup::decode(*setup);
    if !allowed.contains(&setup.security) {
        return None;
    }

    let mut whole = None;
    let memory = allocation_counter::measure(|| whole = Some(run(setup, wire, 0)));
    let whole = whole?;
    let limits = crate::limits(setup.limits);
    let stored = (wire.len() as u64).min(limits.max_handshake_command_size);
    assert!(memory.bytes_max <= FIXED_MEMORY + 6 * stored, "{memory:?}");
    let mut split = run(setup, wire, setup.pattern);
    if whole.error.is_some() {
        // How far it came before it failed depends on the pieces.
        split.used = whole.used;
        split.requests.clone_from(&whole.requests);
    }
    assert_eq!(whole, split, "the pieces make a difference");

    let bodies = bodies(&wire[..whole.used]);
    if let Some(peer) = &whole.peer {
        assert_eq!(whole.error, None);
        assert_let_in(&setup, &whole, peer);
        let exact = run(setup, &wire[..whole.used], 0);
        assert_eq!(exact, whole, "what follows makes a difference");
        let early = run(setup, &wire[..whole.used - 1], 0);
        assert_eq!(early.peer, None, "complete too early");
    }
    Some(Checked {
        setup,
        bodies,
        requests: whole.requests,
        peer: whole.peer,
    })
}

fn assert_let_in(setup: &Setup, outcome: &Outcome, peer: &Peer) {
    let limits = crate::limits(setup.limits);
    assert!(peer.properties.len() <= limits.max_properties);
    assert!(peer.properties.encoded_len() <= limits.max_metadata_size);
    assert!(peer.identity.len() <= Peer::MAX_IDENTITY_LEN && peer.identity.first() != Some(&0));
    if let Some(kind) = peer.socket_type {
        assert!(setup.config().socket_type().accepts(kind));
    }
    if setup.security.asks_zap() {
        let [request] = &outcome.requests[..] else {
            panic!("asked {} times", outcome.requests.len());
        };
        let answer = answer(setup.zap, request);
        let lets_in = setup.security.lets_in(&answer, request);
        assert!(lets_in, "let in despite {answer:?}");
        if let Answer::Reply(reply) = answer {
            assert_eq!(peer.user_id, reply.user_id);
            assert_eq!(peer.trusted, reply.metadata);
        }
    } else {
        assert!(outcome.requests.is_empty());
        assert!(peer.user_id.is_empty() && peer.trusted.is_empty());
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    used: usize,
    requests: Vec<Request>,
    sent: Vec<u8>,
    error: Option<Error>,
    peer: Option<Peer>,
}

fn run(setup: Setup, wire: &[u8], pattern: u8) -> Outcome {
    let mut handshake = start(setup.config(), setup.security);
    let mut outcome = Outcome::default();
    let (first, second) = wire.split_at(wire.len().min(setup.answer_at.into()));
    outcome.ask(&mut handshake);
    outcome.feed(&mut handshake, first, pattern);
    if outcome.error.is_none()
        && let [request] = &outcome.requests[..]
    {
        let result = handshake.handle_zap(answer(setup.zap, request));
        outcome.error = result.err();
    }
    // What it has left until ZAP has spoken comes again.
    let second = if outcome.error.is_none() && !handshake.is_complete() {
        &wire[outcome.used..]
    } else {
        second
    };
    outcome.feed(&mut handshake, second, pattern);
    outcome.sent = handshake.transmit().to_vec();
    outcome.peer = handshake.finish().ok().map(|established| established.peer);
    outcome
}

/// A handshake that has the peer's greeting behind it.
fn start(config: HandshakeConfig, security: Security) -> Handshake {
    let mut handshake = Handshake::with_random(config, security.random());
    let greeting = security.peer().greeting();
    assert_eq!(handshake.handle_input(&greeting), Ok(greeting.len()));
    handshake.advance_transmit(greeting.len());
    handshake
}

impl Outcome {
    fn feed(&mut self, handshake: &mut Handshake, wire: &[u8], pattern: u8) {
        for piece in crate::pieces(wire, pattern) {
            let result = handshake.handle_input(piece);
            if let Some(error) = &self.error {
                assert_eq!(result.as_ref(), Err(error), "alive again");
                return;
            }
            match result {
                Ok(used) => {
                    self.used += used;
                    self.ask(handshake);
                    if used < piece.len() {
                        assert!(handshake.is_complete() || handshake.is_waiting());
                        return;
                    }
                }
                Err(error) => self.error = Some(error),
            }
        }
    }

    fn ask(&mut self, handshake: &mut Handshake) {
        self.requests.extend(handshake.poll_zap());
        assert_eq!(handshake.poll_zap(), None, "asks twice");
    }
}

/// The bodies of whole frames.
fn bodies(mut wire: &[u8]) -> Vec<&[u8]> {
    let mut bodies = Vec::new();
    while let Ok(Some((head, len))) = header::decode(wire) {
        let size = usize::try_from(head.size).unwrap_or(usize::MAX);
        let Some(body) = wire[len..].get(..size) else {
            break;
        };
        bodies.push(body);
        wire = &wire[len + size..];
    }
    bodies
}

/// What a sound peer of `security` says behind its greeting, and after how many bytes of it ZAP is asked.
#[must_use]
pub fn sound_peer(security: Security) -> (Vec<u8>, usize) {
    let mut ours = start(config(security), security);
    let mut theirs = start(config(security.peer()), security.peer());
    let mut said = Vec::new();
    let mut asked_at = 0;
    while !(ours.is_complete() && theirs.is_complete()) {
        for (handshake, is_ours) in [(&mut ours, true), (&mut theirs, false)] {
            if let Some(request) = handshake.poll_zap() {
                if is_ours {
                    asked_at = said.len();
                }
                let answered = handshake.handle_zap(answer(0, &request));
                answered.expect("everybody is let in");
            }
        }
        let bytes = ours.transmit().to_vec();
        ours.advance_transmit(bytes.len());
        theirs.handle_input(&bytes).expect("sound");
        let bytes = theirs.transmit().to_vec();
        theirs.advance_transmit(bytes.len());
        ours.handle_input(&bytes).expect("sound");
        said.extend_from_slice(&bytes);
    }
    (said, asked_at)
}

/// The bodies of what a sound peer says.
pub(crate) fn sound_bodies(security: Security) -> Vec<Vec<u8>> {
    let (said, _) = sound_peer(security);
    bodies(&said).into_iter().map(<[u8]>::to_vec).collect()
}
