//! Traffic under CURVE: what comes out of a box is what was put in, once and in order, whatever happens on the way; and the
//! first frame that is not authentic ends the connection.

use std::sync::OnceLock;

use arbitrary::Arbitrary;
use zmtp::curve::{KeyPair, Role, SecretKey, Session};
use zmtp::header::{self, Flags};
use zmtp::{Decoder, Established, Handshake, HandshakeConfig, Limits, SocketType, encode_frame};

use crate::security::Security;

/// What is sent over a connection, and what is done to it on the way.
#[derive(Arbitrary, Debug)]
pub struct Script {
    /// Whether the server sends.
    from_server: bool,
    /// Whether it goes through encoder and decoder behind a whole handshake, which takes longer.
    over_stream: bool,
    /// How the stream is cut into pieces.
    pattern: u8,
    /// Which limits of the receiver are small.
    limits: u8,
    frames: Vec<Sent>,
    tampering: Vec<Tampering>,
}

#[derive(Arbitrary, Debug)]
struct Sent {
    flags: u8,
    len: u16,
    fill: u8,
}

/// What happens to a frame on its way. The numbers of frames are places in what is on its way then.
#[derive(Arbitrary, Debug)]
enum Tampering {
    /// The flags in the clear, which mean nothing.
    Flags {
        frame: u8,
        flags: u8,
    },
    /// Bits of the body.
    Flip {
        frame: u8,
        at: u16,
        bits: u8,
    },
    /// Only so much of the body arrives, under a header that says so.
    Cut {
        frame: u8,
        len: u16,
    },
    /// Something is appended to the body, and the header says so.
    Extend {
        frame: u8,
        by: u8,
    },
    /// Another body in its place.
    Replace {
        frame: u8,
        body: Vec<u8>,
    },
    Drop {
        frame: u8,
    },
    Repeat {
        frame: u8,
        behind: u8,
    },
    Swap {
        one: u8,
        other: u8,
    },
    /// What the receiver itself has sent comes back.
    Reflect {
        behind: u8,
        len: u8,
    },
}

/// How much a script may send altogether.
const MAX_TOTAL: usize = 1 << 14;

/// No frame is as long as that: the point is in what becomes of frames, and of the blocks of a cipher.
const MAX_LEN: usize = 2100;

/// The most frames, and the most that is done to them.
const MAX_STEPS: usize = 100;

/// A frame on its way.
#[derive(Clone, Debug)]
struct Flying {
    flags: u8,
    body: Vec<u8>,
    /// Which of the sent frames it is, bit for bit, if it is any.
    authentic: Option<usize>,
}

/// A frame as it was before it was sealed, and so as it is when it is opened again.
type Plain = (Flags, Vec<u8>);

/// Runs the script.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(script: &Script) {
    let plain = plain(script);
    if script.over_stream {
        check_stream(script, &plain);
        return;
    }
    let (mut sender, mut receiver) = sessions(script.from_server);
    let seal = |flags, text: &[u8], out: &mut Vec<u8>| {
        sender.seal(flags, text, out).expect("there are nonces");
    };
    let reflect = |text: &[u8], out: &mut Vec<u8>| {
        receiver
            .seal(Flags::NONE, text, out)
            .expect("there are nonces");
    };
    let flying = fly(script, &plain, seal, reflect);
    check_session(&mut receiver, &flying, &plain);
}

fn check_stream(script: &Script, plain: &[Plain]) {
    let limits = limits(script.limits);
    let (mut sender, mut receiver) = established(script.from_server, &limits);
    let flying = fly(
        script,
        plain,
        |flags, text, out| sender.encoder.encode_frame(flags, text, out),
        |text, out| receiver.encoder.encode_frame(Flags::NONE, text, out),
    );
    let wire = wire_of(&flying);
    let arrived = crate::decode_all(receiver.decoder, &wire, script.pattern);
    if script.limits != 0 {
        let (_, receiver) = established(script.from_server, &limits);
        let whole = crate::decode_all(receiver.decoder, &wire, 0);
        assert_eq!(whole, arrived, "the pieces make a difference");
        let (_, receiver) = established(script.from_server, &limits);
        crate::assert_memory_of_decoder(receiver.decoder, &wire, script.pattern, &limits);
    }

    // What a decoder makes of the frames that count, when they travel in the clear.
    let (accepted, is_sound) = accepted(&flying);
    let mut clear = Vec::new();
    for at in &accepted {
        let (flags, text) = &plain[*at];
        encode_frame(*flags, text, &mut clear);
    }
    let expected = crate::decode_all(Decoder::new(&limits), &clear, 0);
    assert!(expected.0.starts_with(&arrived.0), "not what was sent");
    match &arrived.1 {
        Ok(_) => assert!(is_sound, "a forged frame was accepted"),
        // A forged frame, or a limit, which may be that on a frame as it travels.
        Err(error) => assert!(!is_sound || script.limits != 0, "{error}"),
    }
    if is_sound && arrived.1.is_ok() {
        assert_eq!(arrived, expected);
    } else if script.limits == 0 {
        assert_eq!(arrived.0, expected.0, "less than what was sent");
    }
}

fn plain(script: &Script) -> Vec<Plain> {
    let mut total = 0;
    let mut plain = Vec::new();
    for sent in script.frames.iter().take(MAX_STEPS) {
        let len = usize::from(sent.len) % MAX_LEN;
        total += len;
        if total > MAX_TOTAL {
            break;
        }
        let flags = match sent.flags % 4 {
            0 | 1 => Flags::NONE,
            2 => Flags::MORE,
            _ => Flags::COMMAND,
        };
        plain.push((flags, vec![sent.fill; len]));
    }
    plain
}

/// Seals the frames and does to them what the script says.
fn fly(
    script: &Script,
    plain: &[Plain],
    mut seal: impl FnMut(Flags, &[u8], &mut Vec<u8>),
    mut reflect: impl FnMut(&[u8], &mut Vec<u8>),
) -> Vec<Flying> {
    let take_apart = |wire: &[u8]| {
        let (head, len) = header::decode(wire).expect("valid").expect("arrived");
        assert_eq!(head.size as usize, wire.len() - len);
        assert!(!head.flags.is_command() && !head.flags.is_more());
        Flying {
            flags: 0,
            body: wire[len..].to_vec(),
            authentic: None,
        }
    };
    let mut wire = Vec::new();
    let mut flying = Vec::new();
    for (flags, text) in plain {
        wire.clear();
        seal(*flags, text, &mut wire);
        assert_eq!(wire.len(), Session::sealed_len(text.len()));
        let frame = take_apart(&wire);
        let is_telling = text.len() > 8 && text.iter().any(|byte| *byte != 0);
        assert!(!is_telling || !frame.body.windows(text.len()).any(|it| it == text));
        flying.push(frame);
    }
    let sealed: Vec<_> = flying.iter().map(|frame| frame.body.clone()).collect();
    for tampering in script.tampering.iter().take(MAX_STEPS) {
        if let Tampering::Reflect { behind, len } = tampering {
            wire.clear();
            reflect(&vec![1; usize::from(*len)], &mut wire);
            let at = usize::from(*behind) % (flying.len() + 1);
            flying.insert(at, take_apart(&wire));
        } else if !flying.is_empty() {
            tamper(&mut flying, tampering);
        }
    }
    // What was changed may have been changed back.
    for frame in &mut flying {
        frame.authentic = sealed.iter().position(|body| *body == frame.body);
    }
    flying
}

fn tamper(flying: &mut Vec<Flying>, tampering: &Tampering) {
    let count = flying.len();
    let place = |number: u8| usize::from(number) % count;
    match tampering {
        Tampering::Flags { frame, flags } => {
            flying[place(*frame)].flags = *flags;
        }
        Tampering::Flip { frame, at, bits } => {
            let frame = &mut flying[place(*frame)];
            if !frame.body.is_empty() && *bits != 0 {
                let at = usize::from(*at) % frame.body.len();
                frame.body[at] ^= bits;
            }
        }
        Tampering::Cut { frame, len } => {
            let frame = &mut flying[place(*frame)];
            if usize::from(*len) < frame.body.len() {
                frame.body.truncate(usize::from(*len));
            }
        }
        Tampering::Extend { frame, by } => {
            if *by > 0 {
                let frame = &mut flying[place(*frame)];
                frame.body.resize(frame.body.len() + usize::from(*by), 0);
            }
        }
        Tampering::Replace { frame, body } => {
            flying[place(*frame)].body.clone_from(body);
        }
        Tampering::Drop { frame } => drop(flying.remove(place(*frame))),
        Tampering::Repeat { frame, behind } => {
            if count < 2 * MAX_STEPS {
                let copy = flying[place(*frame)].clone();
                flying.insert(place(*behind), copy);
            }
        }
        Tampering::Swap { one, other } => flying.swap(place(*one), place(*other)),
        Tampering::Reflect { .. } => {}
    }
}

/// Which frames have to be accepted, and whether those are all that arrive: frames may be missing, and that is all.
fn accepted(flying: &[Flying]) -> (Vec<usize>, bool) {
    let mut accepted: Vec<usize> = Vec::new();
    for frame in flying {
        match frame.authentic {
            Some(number) if accepted.last().is_none_or(|last| number > *last) => {
                accepted.push(number);
            }
            _ => return (accepted, false),
        }
    }
    (accepted, true)
}

fn check_session(receiver: &mut Session, flying: &[Flying], plain: &[Plain]) {
    let (accepted, is_sound) = accepted(flying);
    for (frame, number) in flying.iter().zip(&accepted) {
        let mut body = frame.body.clone();
        let (flags, text) = receiver.open(&mut body).expect("authentic");
        assert_eq!(
            (flags, &body[text]),
            (plain[*number].0, &plain[*number].1[..])
        );
    }
    if !is_sound {
        let mut body = flying[accepted.len()].body.clone();
        let result = receiver.open(&mut body);
        assert!(result.is_err(), "a forged frame was accepted");
    }
}

fn wire_of(flying: &[Flying]) -> Vec<u8> {
    let mut wire = Vec::new();
    for frame in flying {
        let at = wire.len();
        encode_frame(Flags::NONE, &frame.body, &mut wire);
        wire[at] |= frame.flags & !2;
    }
    wire
}

/// Small limits for the traffic, with which a handshake is possible.
fn limits(selector: u8) -> Limits {
    let limits = crate::limits(selector)
        .with_max_handshake_command_size(1000)
        .with_max_metadata_size(1000)
        .with_max_properties(10);
    let max_frame_size = limits.max_frame_size.map(|_| 512);
    limits.with_max_frame_size(max_frame_size)
}

/// Sender and receiver, of two keys that are the same in each run.
fn sessions(from_server: bool) -> (Session, Session) {
    static KEYS: OnceLock<[KeyPair; 2]> = OnceLock::new();
    let keys = |byte| KeyPair::from_secret(SecretKey::from_bytes([byte; 32]));
    let [client, server] = KEYS.get_or_init(|| [3, 4].map(keys));
    let client_end = Session::new(Role::Client, client.secret(), server.public());
    let server_end = Session::new(Role::Server, server.secret(), client.public());
    let ends = (client_end.expect("keys"), server_end.expect("keys"));
    if from_server { (ends.1, ends.0) } else { ends }
}

/// Sender and receiver behind a handshake that is the same in each run.
fn established(from_server: bool, limits: &Limits) -> (Established, Established) {
    let end = |security: Security, limits: &Limits| {
        let config = HandshakeConfig::new(SocketType::Pair).with_limits(*limits);
        Handshake::with_random(security.configure(config), security.random())
    };
    let mut client = end(Security::CurveClient, limits);
    let mut server = end(Security::CurveServer, limits);
    while !(client.is_complete() && server.is_complete()) {
        for turn in 0..2 {
            let (from, to) = if turn == 0 {
                (&mut client, &mut server)
            } else {
                (&mut server, &mut client)
            };
            let len = from.transmit().len();
            to.handle_input(from.transmit()).expect("sound");
            from.advance_transmit(len);
        }
    }
    let (client, server) = (client.finish(), server.finish());
    let ends = (client.expect("complete"), server.expect("complete"));
    if from_server { (ends.1, ends.0) } else { ends }
}
