//! Frames: the decoder and the scanner agree with each other in any split, headers are encoded as they were, and
//! what is decoded is encoded again.

use zmtp::header::{self, Flags, FrameHeader, MAX_LEN, MAX_SIZE};
use zmtp::scan::{FrameKind, Scanner, Stop};
use zmtp::{Decoder, Item, Limits, encode_frame, encode_message};

/// The length of what stands in front of the frames: the pattern of the pieces, the limits, and the size from which
/// bodies are large (0: never).
pub const SETUP_LEN: usize = 3;

/// [`SETUP_LEN`] bytes, then frames, one after the other.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(data: &[u8]) {
    let Some((&[pattern, selector, large], wire)) = data.split_first_chunk::<SETUP_LEN>() else {
        return;
    };
    check_headers(wire);

    let limits = crate::limits(selector);
    let decoder = || Decoder::new(&limits);
    let whole = crate::decode_all(decoder(), wire, 0);
    let split = crate::decode_all(decoder(), wire, pattern);
    assert_eq!(whole, split, "pieces matter");
    crate::assert_memory_of_decoder(decoder(), wire, pattern, &limits);
    for pattern in [0, pattern] {
        let scanned = scan(wire, pattern, large, &limits);
        assert_eq!(whole.1, scanned.1, "the scanner ends otherwise");
        assert_eq!(whole.0, scanned.0, "the scanner finds other messages");
    }

    let mut encoded = Vec::new();
    for item in &whole.0 {
        match item {
            Item::Message(message) => {
                crate::assert_message_within(message, &limits);
                encode_message(message, &mut encoded);
            }
            Item::Command(body) => {
                crate::assert_command_within(body.len(), &limits);
                encode_frame(Flags::COMMAND, body, &mut encoded);
            }
        }
    }
    // The limits were kept, so they are kept again.
    let again = crate::decode_all(decoder(), &encoded, pattern);
    assert_eq!(again, (whole.0, Ok(false)));
}

/// Does with the scanner what an engine does that reads into memory and leaves messages there.
fn scan(wire: &[u8], pattern: u8, large: u8, limits: &Limits) -> crate::Decoded {
    let mut scanner = Scanner::new(limits);
    if large > 0 {
        scanner = scanner.with_large_body(u64::from(large));
    }
    let mut items = Vec::new();
    let mut message = Vec::new();
    let mut at = 0;
    let mut arrived = 0;
    for piece in crate::pieces(wire, pattern) {
        arrived += piece.len();
        loop {
            let bytes = &wire[at..arrived];
            let result = scanner.scan(bytes);
            assert!(result.boundary <= result.scanned && result.scanned <= bytes.len());
            assert_eq!(result.boundary > 0, result.messages > 0);
            let before = items.len();
            collect(&bytes[..result.scanned], &mut message, &mut items);
            assert_eq!(items.len() - before, result.messages);
            at += result.scanned;
            let rest = &wire[at..arrived];
            let (head, head_len) = match result.stop {
                Stop::NeedMore { missing } => {
                    assert!(missing > 0);
                    break;
                }
                Stop::Command { header, header_len } => (header, header_len),
                Stop::Large { header, header_len } => {
                    assert!(header.size > u64::from(large));
                    if rest.len() < frame_len(header, header_len) {
                        break;
                    }
                    (header, header_len)
                }
                Stop::Invalid(error) => return (items, Err(error)),
                stop => panic!("unknown stop {stop:?}"),
            };
            let kind = scanner.accept(head).expect("the scan has checked it");
            assert_eq!(kind == FrameKind::Command, head.flags.is_command());
            let end = frame_len(head, head_len);
            collect(&rest[..end], &mut message, &mut items);
            at += end;
        }
    }
    let partial = at < wire.len() || scanner.in_message();
    assert_eq!(scanner.in_message(), !message.is_empty());
    (items, Ok(partial))
}

fn frame_len(head: FrameHeader, head_len: usize) -> usize {
    usize::try_from(head.size)
        .unwrap_or(usize::MAX)
        .saturating_add(head_len)
}

/// Takes whole frames apart.
fn collect(mut frames: &[u8], message: &mut Vec<zmtp::Frame>, items: &mut Vec<Item>) {
    while !frames.is_empty() {
        let (head, len) = header::decode(frames)
            .expect("scanned")
            .expect("a whole header");
        let (frame, rest) = frames.split_at(frame_len(head, len));
        let body = zmtp::Frame::from(&frame[len..]);
        frames = rest;
        if head.flags.is_command() {
            items.push(Item::Command(body));
            continue;
        }
        message.push(body);
        if !head.flags.is_more() {
            items.push(Item::Message(std::mem::take(message).into()));
        }
    }
}

fn check_headers(mut rest: &[u8]) {
    loop {
        let answer = header::decode(rest);
        // Bytes behind the header make no difference, and a part of it is never enough.
        assert_eq!(answer, header::decode(&rest[..rest.len().min(MAX_LEN)]));
        let Ok(Some((head, len))) = answer else {
            assert!(answer.is_err() || rest.len() < MAX_LEN);
            return;
        };
        assert!(head.size <= MAX_SIZE);
        for cut in 0..len {
            assert_eq!(header::decode(&rest[..cut]), Ok(None));
        }

        let mut encoded = [0; MAX_LEN];
        let encoded_len = header::encode(head.flags, head.size, &mut encoded);
        assert_eq!(encoded_len, header::encoded_len(head.size));
        let again = header::decode(&encoded[..encoded_len]);
        let (again, _) = again.expect("valid").expect("whole");
        assert_eq!(again.size, head.size);
        assert_eq!(
            again.flags.without(Flags::LONG),
            head.flags.without(Flags::LONG)
        );

        let len = frame_len(head, len);
        if len > rest.len() {
            return;
        }
        rest = &rest[len..];
    }
}
