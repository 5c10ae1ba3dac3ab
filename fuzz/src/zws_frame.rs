//! WebSocket frames: no pieces make a difference, what is decoded is encoded again, and masks come off.

use zmtp::zws::{
    Control, Decoder, Encoder, FrameHeader, MAX_CONTROL_LEN, MAX_HEADER_LEN, Role, Violation,
    apply_mask,
};

/// The length of what stands in front of the frames: the role of the receiver (even: client, odd: server), and the
/// pattern of the pieces.
pub const SETUP_LEN: usize = 2;

/// [`SETUP_LEN`] bytes, then WebSocket frames, one after the other.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(data: &[u8]) {
    let Some((&[role, pattern], wire)) = data.split_first_chunk::<SETUP_LEN>() else {
        return;
    };
    check_headers(wire);
    check_masks(wire);

    let (role, peer) = if role.is_multiple_of(2) {
        (Role::Client, Role::Server)
    } else {
        (Role::Server, Role::Client)
    };
    let whole = decode(role, wire, 0);
    assert_eq!(whole, decode(role, wire, pattern), "pieces matter");
    let kept = whole.parts.iter().map(Part::len).sum::<usize>();
    assert!(kept <= most_from(wire.len()), "more came out than went in");

    // A frame whose end never came is in the output, but not encoded again.
    let mut encoder = Encoder::new(peer, crate::random(1));
    let mut encoded = Vec::new();
    let mut expected = Vec::new();
    for part in &whole.parts {
        match part {
            Part::Frames(frames) => {
                encoder.encode(frames, &mut encoded).expect("ZMTP frames");
                let complete = complete(frames);
                if !complete.is_empty() {
                    expected.push(Part::Frames(complete.to_vec()));
                }
            }
            Part::Control(control) => {
                encoder
                    .encode_control(control, &mut encoded)
                    .expect("there is randomness");
                expected.push(part.clone());
            }
        }
    }
    let again = decode(role, &encoded, pattern);
    assert_eq!(again.error, None);
    assert_eq!(again.parts, expected);
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// ZMTP frames, up to a control frame or the end.
    Frames(Vec<u8>),
    Control(Control),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Frames(frames) => frames.len(),
            Self::Control(Control::Ping(it) | Control::Pong(it) | Control::Close(it)) => it.len(),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    parts: Vec<Part>,
    error: Option<Violation>,
}

fn decode(role: Role, wire: &[u8], pattern: u8) -> Outcome {
    let mut decoder = Decoder::new(role);
    let mut parts = Vec::new();
    let mut out = Vec::new();
    let mut error = None;
    // Fragments are kept until their message is whole, so what comes out of one call may have gone in before.
    let (mut taken, mut made) = (0, 0);
    'pieces: for mut piece in crate::pieces(wire, pattern) {
        loop {
            let before = out.len();
            match decoder.decode(piece, &mut out) {
                Ok((used, control)) => {
                    taken += used;
                    made += out.len() - before;
                    assert!(made <= most_from(taken));
                    assert!(control.is_some() || used == piece.len(), "input left over");
                    piece = &piece[used..];
                    let Some(control) = control else { break };
                    if !out.is_empty() {
                        parts.push(Part::Frames(std::mem::take(&mut out)));
                    }
                    let part = Part::Control(control);
                    assert!(part.len() <= MAX_CONTROL_LEN);
                    parts.push(part);
                }
                Err(cause) => {
                    error = Some(cause);
                    break 'pieces;
                }
            }
        }
    }
    if !out.is_empty() {
        parts.push(Part::Frames(out));
    }
    Outcome { parts, error }
}

/// The most that may come out of input of this length: a long ZMTP header has 9 bytes in place of the 5 that WebSocket
/// needs for header and flags.
const fn most_from(len: usize) -> usize {
    len + 9 + 4 * (len / 256)
}

/// The whole frames at the beginning.
fn complete(frames: &[u8]) -> &[u8] {
    let mut end = 0;
    while let Ok(Some((head, len))) = zmtp::header::decode(&frames[end..]) {
        let size = usize::try_from(head.size).unwrap_or(usize::MAX);
        let next = (end + len).saturating_add(size);
        if next > frames.len() {
            break;
        }
        end = next;
    }
    &frames[..end]
}

fn check_headers(mut rest: &[u8]) {
    loop {
        let answer = FrameHeader::decode(rest);
        assert_eq!(
            answer,
            FrameHeader::decode(&rest[..rest.len().min(MAX_HEADER_LEN)])
        );
        let Ok(Some((head, len))) = answer else {
            assert!(answer.is_err() || rest.len() < MAX_HEADER_LEN);
            return;
        };
        assert!(head.len <= i64::MAX as u64);
        assert!(!head.opcode.is_control() || head.fin && head.len <= MAX_CONTROL_LEN as u64);
        for cut in 0..len {
            assert_eq!(FrameHeader::decode(&rest[..cut]), Ok(None));
        }
        let mut encoded = Vec::new();
        head.encode(&mut encoded);
        assert!(encoded.len() <= len);
        assert_eq!(
            FrameHeader::decode(&encoded),
            Ok(Some((head, encoded.len())))
        );

        let size = usize::try_from(head.len).unwrap_or(usize::MAX);
        let Some(next) = rest.get(len.saturating_add(size)..) else {
            return;
        };
        rest = next;
    }
}

/// The bytes are a mask, a place to cut at, and payload.
fn check_masks(data: &[u8]) {
    let Some((&[a, b, c, d, cut], payload)) = data.split_first_chunk() else {
        return;
    };
    let mut masked = payload.to_vec();
    apply_mask([a, b, c, d], 0, &mut masked);
    for (at, byte) in masked.iter().enumerate() {
        assert_eq!(*byte, payload[at] ^ [a, b, c, d][at % 4]);
    }
    let cut = usize::from(cut).min(masked.len());
    let (head, tail) = masked.split_at_mut(cut);
    apply_mask([a, b, c, d], 0, head);
    apply_mask([a, b, c, d], cut as u64, tail);
    assert_eq!(masked, payload);
}
