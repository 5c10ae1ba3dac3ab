//! WebSocket frames on one side, the frames of ZMTP 2.0 to 3.1 on the other.
//!
//! ZWS puts each ZMTP frame into one binary WebSocket message: a flags byte and the body, without a
//! size. Everything else about a frame is the same, so the two forms are turned into each other and
//! all that deals with ZMTP frames works over WebSocket.

use core::fmt;

use bytes::Bytes;

use super::frame::MAX_CONTROL_LEN;
use super::{FrameHeader, MAX_HEADER_LEN, Opcode, Violation, apply_mask};
use crate::header::{self, Flags};
use crate::{Error, Random};

/// In the flags byte of ZWS: more frames of the message follow.
pub const MORE: u8 = 0x01;

/// In the flags byte of ZWS: the frame is a command. On a stream the bit is another one.
pub const COMMAND: u8 = 0x02;

/// How many bytes of randomness are drawn at a time.
const MASK_BATCH: usize = 128;

/// Which end of a WebSocket this is. A client masks what it sends, a server does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that asked for the upgrade.
    Client,
    /// The end that granted it.
    Server,
}

/// A frame about the WebSocket itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// A heartbeat, to be answered with the same payload.
    Ping(Bytes),
    /// The answer to a heartbeat.
    Pong(Bytes),
    /// The end of the connection: nothing, or a status code of two bytes and a reason.
    Close(Bytes),
}

/// Turns WebSocket frames that arrive in pieces of any size into ZMTP frames.
///
/// # Examples
///
/// ```
/// use zmtp::zws::{Control, Decoder, Role};
///
/// let mut decoder = Decoder::new(Role::Client);
/// let mut wire = Vec::new();
/// let input = b"\x82\x03\x01hi\x89\x00\x82\x02\x02x";
/// assert_eq!(decoder.decode(input, &mut wire)?, (7, Some(Control::Ping("".into()))));
/// assert_eq!(decoder.decode(&input[7..], &mut wire)?, (4, None));
/// assert_eq!(wire, b"\x01\x02hi\x04\x01x");
/// # Ok::<(), zmtp::zws::Violation>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    role: Role,
    /// The beginning of a header that is not complete.
    head: [u8; MAX_HEADER_LEN],
    head_len: usize,
    /// The frame whose payload is arriving, and how much of it has arrived.
    current: Option<(FrameHeader, u64)>,
    /// The payload of a control frame.
    control: Vec<u8>,
    /// The fragments of a message, without their end.
    fragments: Option<Vec<u8>>,
    /// How long fragments may be together, in bytes.
    max_fragments: u64,
    /// Whether to return after each message.
    is_stepwise: bool,
}

impl Decoder {
    /// Makes a decoder for the end that plays `role`.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            head: [0; MAX_HEADER_LEN],
            head_len: 0,
            current: None,
            control: Vec::new(),
            fragments: None,
            max_fragments: u64::MAX,
            is_stepwise: false,
        }
    }

    /// Sets how long the fragments of one message may be together, in bytes. Default: no limit.
    ///
    /// The size of a message in one frame is known at its beginning, and passed on; that of one in
    /// fragments only at its end, and until then it is kept here.
    pub const fn set_max_fragments(&mut self, bytes: u64) {
        self.max_fragments = bytes;
    }

    /// Sets whether [`decode`](Self::decode) returns after each message as well, because the next one
    /// may have other limits.
    pub(super) const fn set_stepwise(&mut self, is_stepwise: bool) {
        self.is_stepwise = is_stepwise;
    }

    /// How many bytes of the payload that is arriving are missing.
    pub(super) fn missing(&self) -> usize {
        let missing = self.current.map_or(0, |(header, at)| header.len - at);
        usize::try_from(missing).unwrap_or(usize::MAX)
    }

    /// Consumes input up to the end of the next control frame, or all of it, and returns how much
    /// that was. What belongs to binary frames is appended to `out` as ZMTP frames, whole or in
    /// pieces just as it arrives, and so never more than a few bytes beyond the input. Only a message
    /// in fragments, as browsers send large ones, is appended when its last fragment is complete.
    ///
    /// # Errors
    ///
    /// How the peer broke the rules. The decoder must not be used again.
    pub fn decode(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(usize, Option<Control>), Violation> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            let Some((header, at)) = self.current else {
                if rest.is_empty() {
                    return Ok((used, None));
                }
                used += self.header(rest)?;
                continue;
            };
            if at == header.len {
                self.current = None;
                if header.opcode.is_control() {
                    return self.take_control(header.opcode).map(|it| (used, Some(it)));
                }
                if header.fin
                    && let Some(message) = self.fragments.take()
                {
                    let (flags, body) = message.split_first().ok_or(Violation::Empty)?;
                    push_header(*flags, body.len() as u64, out);
                    out.extend_from_slice(body);
                }
                if header.fin && self.is_stepwise {
                    return Ok((used, None));
                }
                continue;
            }
            if rest.is_empty() {
                return Ok((used, None));
            }
            let missing = usize::try_from(header.len - at).unwrap_or(usize::MAX);
            let piece = &rest[..rest.len().min(missing)];
            self.payload(header, at, piece, out);
            used += piece.len();
            self.current = Some((header, at + piece.len() as u64));
        }
    }

    /// Takes bytes of a header.
    fn header(&mut self, input: &[u8]) -> Result<usize, Violation> {
        let old = self.head_len;
        let taken = input.len().min(MAX_HEADER_LEN - old);
        self.head[old..old + taken].copy_from_slice(&input[..taken]);
        let Some((header, len)) = FrameHeader::decode(&self.head[..old + taken])? else {
            self.head_len += taken;
            return Ok(taken);
        };
        self.check(header)?;
        self.head_len = 0;
        self.current = Some((header, 0));
        if header.opcode == Opcode::Binary && !header.fin {
            self.fragments = Some(Vec::new());
        }
        if let Some(fragments) = &self.fragments
            && !header.opcode.is_control()
            && header.len > self.max_fragments.saturating_sub(fragments.len() as u64)
        {
            let limit = self.max_fragments;
            return Err(Violation::FragmentsTooLong { limit });
        }
        Ok(len - old)
    }

    // The order decides which of several causes is told.
    fn check(&self, header: FrameHeader) -> Result<(), Violation> {
        let is_inside = self.fragments.is_some();
        match (header.opcode, self.role, header.mask) {
            (Opcode::Text, ..) => Err(Violation::Text),
            // A message ends before the next begins, and only one that has begun goes on.
            (Opcode::Continuation, ..) if !is_inside => Err(Violation::Fragmented),
            (Opcode::Binary, ..) if is_inside => Err(Violation::Fragmented),
            (_, Role::Server, None) => Err(Violation::Unmasked),
            (_, Role::Client, Some(_)) => Err(Violation::Masked),
            (Opcode::Binary, ..) if header.fin && header.len == 0 => Err(Violation::Empty),
            _ => Ok(()),
        }
    }

    /// Takes bytes of a payload; `at` is where they stand in it.
    fn payload(&mut self, header: FrameHeader, at: u64, piece: &[u8], out: &mut Vec<u8>) {
        let key = header.mask.unwrap_or_default();
        let (mut piece, mut at) = (piece, at);
        if header.opcode == Opcode::Binary
            && header.fin
            && at == 0
            && let Some((flags, body)) = piece.split_first()
        {
            push_header(*flags ^ key[0], header.len - 1, out);
            (piece, at) = (body, 1);
        }
        let to = match &mut self.fragments {
            // At most 125 bytes.
            _ if header.opcode.is_control() => &mut self.control,
            Some(fragments) => fragments,
            None => out,
        };
        let from = to.len();
        to.extend_from_slice(piece);
        if header.mask.is_some() {
            apply_mask(key, at, &mut to[from..]);
        }
    }

    fn take_control(&mut self, opcode: Opcode) -> Result<Control, Violation> {
        let payload = Bytes::from(core::mem::take(&mut self.control));
        match opcode {
            Opcode::Ping => Ok(Control::Ping(payload)),
            Opcode::Pong => Ok(Control::Pong(payload)),
            _ => match check_close(&payload) {
                Some(violation) => Err(violation),
                None => Ok(Control::Close(payload)),
            },
        }
    }
}

/// What is wrong with the payload of a CLOSE, if anything is.
fn check_close(payload: &[u8]) -> Option<Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return (!payload.is_empty()).then_some(Violation::MalformedClose);
    };
    let code = u16::from_be_bytes(*code);
    // The others stand for the lack of a code, mean nothing yet, or are for nobody.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Some(Violation::CloseCode { code });
    }
    str::from_utf8(reason)
        .is_err()
        .then_some(Violation::CloseReason)
}

/// Appends the ZMTP header of a frame with these flags of ZWS.
fn push_header(zws: u8, size: u64, out: &mut Vec<u8>) {
    let mut flags = Flags::NONE;
    if zws & COMMAND != 0 {
        flags = flags.with(Flags::COMMAND);
    } else if zws & MORE != 0 {
        flags = flags.with(Flags::MORE);
    }
    let mut head = [0; header::MAX_LEN];
    let len = header::encode(flags, size, &mut head);
    out.extend_from_slice(&head[..len]);
}

/// Turns ZMTP frames into WebSocket frames.
///
/// # Examples
///
/// ```
/// use zmtp::Random;
/// use zmtp::zws::{Encoder, Role};
///
/// let mut encoder = Encoder::new(Role::Server, Random::system());
/// let mut wire = Vec::new();
/// encoder.encode(b"\x01\x02hi\x04\x01x", &mut wire)?;
/// assert_eq!(wire, b"\x82\x03\x01hi\x82\x02\x02x");
/// # Ok::<(), zmtp::Error>(())
/// ```
pub struct Encoder {
    role: Role,
    random: Random,
    /// Randomness for masks; what is before `masks_used` is spent.
    masks: [u8; MASK_BATCH],
    masks_used: usize,
}

impl Encoder {
    /// Makes an encoder for the end that plays `role`. A client takes its masks from `random`.
    #[must_use]
    pub const fn new(role: Role, random: Random) -> Self {
        Self {
            role,
            random,
            masks: [0; MASK_BATCH],
            masks_used: MASK_BATCH,
        }
    }

    /// Appends whole ZMTP frames as WebSocket frames.
    ///
    /// # Errors
    ///
    /// [`Error::RandomUnavailable`] when there is no randomness for a mask, and
    /// [`Error::FrameSizeOutOfRange`] when a header is invalid. What was appended before is complete.
    /// A piece of a frame at the end of `frames` is left out.
    pub fn encode(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut rest = frames;
        while let Some((header, at)) = header::decode(rest)? {
            let frame = usize::try_from(header.size)
                .ok()
                .and_then(|size| rest[at..].split_at_checked(size));
            let Some((body, next)) = frame else { break };
            let mut flags = 0;
            if header.flags.is_more() {
                flags |= MORE;
            }
            if header.flags.is_command() {
                flags |= COMMAND;
            }
            self.push(Opcode::Binary, &[&[flags], body], out)?;
            rest = next;
        }
        Ok(())
    }

    /// Appends a control frame. What exceeds 125 bytes of payload is cut.
    ///
    /// # Errors
    ///
    /// [`Error::RandomUnavailable`] when there is no randomness for a mask.
    pub fn encode_control(&mut self, control: &Control, out: &mut Vec<u8>) -> Result<(), Error> {
        let (opcode, payload) = match control {
            Control::Ping(payload) => (Opcode::Ping, payload),
            Control::Pong(payload) => (Opcode::Pong, payload),
            Control::Close(payload) => (Opcode::Close, payload),
        };
        let payload = &payload[..payload.len().min(MAX_CONTROL_LEN)];
        self.push(opcode, &[payload], out)
    }

    fn push(&mut self, opcode: Opcode, parts: &[&[u8]], out: &mut Vec<u8>) -> Result<(), Error> {
        let mask = match self.role {
            Role::Client => Some(self.next_mask()?),
            Role::Server => None,
        };
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        out.reserve(MAX_HEADER_LEN + len);
        FrameHeader {
            fin: true,
            opcode,
            mask,
            len: len as u64,
        }
        .encode(out);
        let from = out.len();
        for part in parts {
            out.extend_from_slice(part);
        }
        if let Some(key) = mask {
            apply_mask(key, 0, &mut out[from..]);
        }
        Ok(())
    }

    fn next_mask(&mut self) -> Result<[u8; 4], Error> {
        if self.masks_used == MASK_BATCH {
            self.random.fill(&mut self.masks)?;
            self.masks_used = 0;
        }
        let mut key = [0; 4];
        key.copy_from_slice(&self.masks[self.masks_used..][..4]);
        self.masks_used += 4;
        Ok(key)
    }
}

impl fmt::Debug for Encoder {
    /// Does not show the masks, which nobody shall foresee.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("role", &self.role)
            .field("random", &self.random)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::script;

    /// Decodes in pieces of `chunk` bytes.
    fn decode(
        role: Role,
        input: &[u8],
        chunk: usize,
    ) -> Result<(Vec<u8>, Vec<Control>), Violation> {
        let mut decoder = Decoder::new(role);
        let (mut wire, mut controls) = (Vec::new(), Vec::new());
        for mut piece in input.chunks(chunk) {
            loop {
                let (used, control) = decoder.decode(piece, &mut wire)?;
                piece = &piece[used..];
                match control {
                    Some(control) => controls.push(control),
                    None => break,
                }
            }
            assert!(piece.is_empty());
        }
        Ok((wire, controls))
    }

    fn violation(role: Role, input: &[u8]) -> Violation {
        let whole = decode(role, input, usize::MAX).unwrap_err();
        assert_eq!(decode(role, input, 1).unwrap_err(), whole);
        whole
    }

    // spec: RFC45/frame: a ZMTP frame is one binary message of flags byte and body
    // spec: RFC45/masking: frames from the client are masked, those from the server are not
    // spec: RFC6455/5.2-framing: frames in pieces of any size, with and without masks, are understood
    #[test]
    fn frames_pass_through_both_ways() {
        let mut frames = b"\x00\x00\x01\x02hi\x04\x03\x02ab".to_vec();
        for len in [124, 125, 126, 255, 256, 70_000] {
            crate::encode_frame(Flags::NONE, &vec![len as u8; len], &mut frames);
        }
        for (role, other) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
            let mut wire = Vec::new();
            Encoder::new(role, Random::system())
                .encode(&frames, &mut wire)
                .unwrap();
            assert_eq!(wire[1] & 0x80 != 0, role == Role::Client);
            for chunk in [1, 2, 5, 1000, usize::MAX] {
                let decoded = decode(other, &wire, chunk).unwrap();
                assert_eq!(decoded, (frames.clone(), Vec::new()));
            }
        }
    }

    // spec: RFC45/flags: 00 is the last frame, 01 announces more, 02 is a command
    #[test]
    fn flags_are_those_of_zws() {
        let cases: [(u8, &[u8]); 6] = [
            (0x00, b"\x00\x01x"),
            (0x01, b"\x01\x01x"),
            (0x02, b"\x04\x01x"),
            (0x03, b"\x04\x01x"),
            (0x04, b"\x00\x01x"),
            (0xF9, b"\x01\x01x"),
        ];
        for (flags, expected) in cases {
            let input = [0x82, 2, flags, b'x'];
            let (wire, _) = decode(Role::Client, &input, usize::MAX).unwrap();
            assert_eq!(wire, expected, "{flags:#x}");
        }
    }

    #[test]
    fn control_frames_stand_between_others_in_order() {
        let input = b"\x89\x00\x82\x02\x00a\x8a\x03xyz\x82\x02\x00b\x88\x02\x03\xe8";
        let expected = [
            Control::Ping(Bytes::new()),
            Control::Pong("xyz".into()),
            Control::Close(Bytes::from_static(b"\x03\xe8")),
        ];
        for chunk in 1..input.len() {
            let (wire, controls) = decode(Role::Client, input, chunk).unwrap();
            assert_eq!(wire, b"\x00\x01a\x00\x01b");
            assert_eq!(controls, expected);
        }
    }

    // spec: RFC6455/5.4-fragments: a message in fragments is one message, with control frames in between
    #[test]
    fn fragments_make_one_message() {
        let mut frames = Vec::new();
        let body: Vec<u8> = (0..70_000_u32).map(|number| number as u8).collect();
        crate::encode_frame(Flags::MORE, &body, &mut frames);
        crate::encode_frame(Flags::NONE, b"whole", &mut frames);
        let payload = [&[MORE], &body[..]].concat();
        for cut in [0, 1, 2, 125, 70_001] {
            let mut wire = Vec::new();
            let mut push = |opcode, fin, payload: &[u8]| {
                let mask = Some([1, 2, 3, 4]);
                let len = payload.len() as u64;
                let header = FrameHeader {
                    fin,
                    opcode,
                    mask,
                    len,
                };
                header.encode(&mut wire);
                let at = wire.len();
                wire.extend_from_slice(payload);
                apply_mask([1, 2, 3, 4], 0, &mut wire[at..]);
            };
            push(Opcode::Binary, false, &payload[..cut]);
            push(Opcode::Ping, true, b"ping");
            push(Opcode::Continuation, false, b"");
            push(Opcode::Continuation, true, &payload[cut..]);
            push(Opcode::Binary, true, b"\0whole");
            for chunk in [1, 2, 1000, usize::MAX] {
                let decoded = decode(Role::Server, &wire, chunk).unwrap();
                assert_eq!(
                    decoded,
                    (frames.clone(), vec![Control::Ping("ping".into())])
                );
            }
        }
    }

    // spec: RFC6455/10.4-limits: frames, and messages in fragments, have a largest size
    #[test]
    fn fragments_have_a_bound_together() {
        let mut decoder = Decoder::new(Role::Client);
        decoder.set_max_fragments(5);
        let mut out = Vec::new();
        let input = b"\x02\x03\0ab\x80\x02cd\x02\x03\0ab";
        assert_eq!(decoder.decode(input, &mut out), Ok((input.len(), None)));
        assert_eq!(out, b"\0\x04abcd");
        let error = decoder.decode(b"\x00\x03", &mut out);
        assert_eq!(error, Err(Violation::FragmentsTooLong { limit: 5 }));
        assert_eq!(Violation::FragmentsTooLong { limit: 5 }.close_code(), 1009);
    }

    // spec: RFC6455/7.4-close-codes: a CLOSE has one of the codes that may be sent, and a reason in UTF-8
    #[test]
    fn closing_codes_and_reasons_are_checked() {
        let close = |code: u16, reason: &[u8]| {
            let mut input = vec![0x88, 2 + reason.len() as u8];
            input.extend_from_slice(&code.to_be_bytes());
            input.extend_from_slice(reason);
            decode(Role::Client, &input, usize::MAX)
        };
        for code in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999] {
            assert!(close(code, "why ä".as_bytes()).is_ok(), "{code}");
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            assert_eq!(close(code, b""), Err(Violation::CloseCode { code }));
        }
        assert_eq!(close(1000, b"\xFF"), Err(Violation::CloseReason));
        assert_eq!(Violation::CloseReason.close_code(), 1007);
    }

    // spec: RFC45/violations: text, empty messages and the wrong masking end the connection
    // spec: RFC6455/5.1-masking: a client that does not mask, and a server that does, fail the connection
    // spec: RFC6455/5.4-order: fragments of two messages are not mixed, and a continuation continues something
    // spec: RFC6455/5.5.1-half-code: a CLOSE has no payload, or at least the two bytes of a code
    #[test]
    fn says_how_the_rules_are_broken() {
        let client = [
            (&b"\x81\x01x"[..], Violation::Text),
            (b"\x80\x01x", Violation::Fragmented),
            (b"\x02\x01x\x82\x01x", Violation::Fragmented),
            (b"\x02\x01x\x01\x01x", Violation::Text),
            (b"\x02\x00\x80\x00", Violation::Empty),
            (b"\x82\x00", Violation::Empty),
            (b"\x82\x82\0\0\0\0\0x", Violation::Masked),
            (b"\x88\x01\x03", Violation::MalformedClose),
            (b"\xc2\x02\0x", Violation::ReservedBits),
        ];
        for (input, expected) in client {
            assert_eq!(violation(Role::Client, input), expected);
        }
        assert_eq!(violation(Role::Server, b"\x82\x02\0x"), Violation::Unmasked);
        assert_eq!(violation(Role::Server, b"\x89\x00"), Violation::Unmasked);
        assert_eq!(
            violation(Role::Server, b"\x82\x80\0\0\0\0"),
            Violation::Empty
        );
    }

    #[test]
    fn a_long_frame_is_passed_on_as_it_arrives() {
        let mut decoder = Decoder::new(Role::Client);
        let mut wire = Vec::new();
        let head = b"\x82\x7f\x40\0\0\0\0\0\0\x01\x00abc";
        assert_eq!(decoder.decode(head, &mut wire), Ok((head.len(), None)));
        assert_eq!(wire, b"\x02\x40\0\0\0\0\0\0\0abc");
        assert!(wire.capacity() < 100);
    }

    // spec: RFC6455/5.3-fresh-mask: each frame of a client has a mask of its own, from a source that nobody can predict
    #[test]
    fn each_frame_has_a_mask_of_its_own() {
        let script: Vec<u8> = (0..2 * MASK_BATCH).map(|n| n as u8).collect();
        let mut encoder = Encoder::new(Role::Client, script::random(&[&script]));
        for mask in script.chunks(4).take(MASK_BATCH / 2) {
            let mut wire = Vec::new();
            let ping = Control::Ping(Bytes::new());
            encoder.encode_control(&ping, &mut wire).unwrap();
            assert_eq!(wire, [&[0x89, 0x80], mask].concat());
        }
    }

    #[test]
    fn long_control_payloads_are_cut() {
        let mut wire = Vec::new();
        Encoder::new(Role::Server, Random::system())
            .encode_control(&Control::Pong(vec![1; 200].into()), &mut wire)
            .unwrap();
        assert_eq!((wire[1], wire.len()), (125, 127));
    }

    #[test]
    fn the_masks_do_not_show() {
        let script = [0xA5; MASK_BATCH];
        let mut encoder = Encoder::new(Role::Client, script::random(&[&script]));
        let mut wire = Vec::new();
        let ping = Control::Ping(Bytes::new());
        encoder.encode_control(&ping, &mut wire).unwrap();
        assert_eq!(wire[2..], [0xA5; 4]);
        let shown = format!("{encoder:?} {encoder:x?}").to_lowercase();
        assert!(!shown.contains("165") && !shown.contains("a5"), "{shown}");
    }
}
