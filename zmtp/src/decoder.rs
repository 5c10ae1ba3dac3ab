//! Takes traffic apart: bytes in, messages and commands out.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::{Buf, Bytes};

use crate::curve::Opener;
use crate::framing::{Framing, MAX_HEADER_LEN};
use crate::header::{Flags, FrameHeader};
use crate::scan::{FrameKind, Scanner};
use crate::{Error, Frame, Limits, Message, Version};

/// The least capacity, in bytes, that a body gets which arrives in pieces.
const MIN_BODY_CAPACITY: usize = 4096;

/// The length of a short header, in bytes: flags and size.
const SHORT_HEADER: usize = 2;

/// The bits among the flags that have a meaning.
const FLAGS: u8 = Flags::MORE.with(Flags::LONG).with(Flags::COMMAND).bits();

/// Bodies of up to this length, in bytes, are copied out of the buffer in which they were decrypted,
/// so that it can be used again.
const COPY_MAX: usize = 4096;

/// One thing that a [`Decoder`] took out of the traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A whole message.
    Message(Message),
    /// The body of a command frame, for [`Command::decode`](crate::Command::decode).
    Command(Frame),
}

/// What [`Decoder::decode_into`] took out of the traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A whole message, which is in the place that was given for it.
    Message,
    /// The body of a command frame, for [`Command::decode`](crate::Command::decode). The place for a
    /// message is as it was.
    Command(Frame),
}

/// What [`Decoder::decode_borrowed`] took out of the traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Borrowed<'a> {
    /// A whole message of one frame, with this body, which lies in the input.
    Single(&'a [u8]),
    /// Anything else: a message of several frames, one that came in pieces or encrypted, or a command.
    Item(Item),
}

/// Decodes traffic that arrives in pieces of any size.
///
/// A handshake makes one that fits the version and the security mechanism: see
/// [`Established`](crate::Established).
///
/// The buffer of an incomplete body grows with what has arrived, whatever size its header
/// announced. Each byte is copied once, and once more for each time that such a buffer grows.
///
/// # Examples
///
/// ```
/// use zmtp::{Decoder, Item, Limits, Message};
///
/// let mut decoder = Decoder::new(&Limits::default());
/// let wire = b"\x01\x02hi\x00\x05there";
/// assert_eq!(decoder.decode(&wire[..6])?, (6, None));
/// let (used, item) = decoder.decode(&wire[6..])?;
/// assert_eq!(used, 5);
/// assert_eq!(item, Some(Item::Message(Message::from(["hi", "there"]))));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    framing: Framing,
    scanner: Scanner,
    /// The beginning of a header that is not complete.
    head: [u8; MAX_HEADER_LEN],
    head_len: u8,
    /// The frame whose body is arriving.
    current: Option<(FrameHeader, FrameKind)>,
    body: Vec<u8>,
    message: Message,
    /// Opens everything, under CURVE.
    opener: Option<Opener>,
    /// Why nothing can be decoded any more.
    failed: Option<Box<Error>>,
    /// Whether a short frame that is a whole message would pass here, in the clear, in the frames of
    /// ZMTP 2.0 to 3.1. One such frame after another changes nothing, so this is found out only behind
    /// what is decoded otherwise.
    is_quick: bool,
}

impl Decoder {
    /// Makes a decoder for a peer of ZMTP 3.x, without encryption.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self::for_version(Version::V3_1, limits)
    }

    /// Makes a decoder for a peer of this version, without encryption.
    #[must_use]
    pub fn for_version(version: Version, limits: &Limits) -> Self {
        let mut decoder = Self {
            framing: Framing::of(version),
            scanner: Scanner::new(limits),
            head: [0; MAX_HEADER_LEN],
            head_len: 0,
            current: None,
            body: Vec::new(),
            message: Message::new(),
            opener: None,
            failed: None,
            is_quick: false,
        };
        decoder.update_is_quick();
        decoder
    }

    /// Expects everything encrypted from now on.
    #[cfg(feature = "curve")]
    pub(crate) fn with_opener(mut self, opener: Opener) -> Self {
        self.opener = Some(opener);
        self.update_is_quick();
        self
    }

    /// Consumes input up to the end of the next message or command, and returns how much that was
    /// and what it is.
    ///
    /// `None` means that all of the input is consumed and more is needed.
    ///
    /// # Errors
    ///
    /// When a header breaks the protocol or a limit, or a box does not open. The position in the
    /// traffic is lost then: each further call returns the same error.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Option<Item>), Error> {
        if let Some(body) = self.quick_frame(input) {
            let item = Item::Message(Message::from(body));
            return Ok((SHORT_HEADER + body.len(), Some(item)));
        }
        self.decode_slowly(input)
    }

    fn decode_slowly(&mut self, input: &[u8]) -> Result<(usize, Option<Item>), Error> {
        if let Some(error) = &self.failed {
            return Err(Error::clone(error));
        }
        let result = self.next_item(input);
        if let Err(error) = &result {
            self.failed = Some(Box::new(error.clone()));
        }
        self.update_is_quick();
        result
    }

    /// Like [`decode`](Self::decode), with a message that is used again: one small frame after another
    /// costs a copy of its body and nothing else.
    ///
    /// What was in `message` is gone when the next message is there, and untouched before.
    ///
    /// # Errors
    ///
    /// Those of [`decode`](Self::decode).
    ///
    /// # Examples
    ///
    /// ```
    /// use zmtp::{Decoded, Decoder, Limits, Message};
    ///
    /// let mut decoder = Decoder::new(&Limits::default());
    /// let mut message = Message::new();
    /// let mut rest = &b"\x00\x03one\x00\x03two"[..];
    /// for expected in ["one", "two"] {
    ///     let (used, decoded) = decoder.decode_into(rest, &mut message)?;
    ///     rest = &rest[used..];
    ///     assert_eq!((decoded, &message), (Some(Decoded::Message), &expected.into()));
    /// }
    /// # Ok::<(), zmtp::Error>(())
    /// ```
    #[inline]
    pub fn decode_into(
        &mut self,
        input: &[u8],
        message: &mut Message,
    ) -> Result<(usize, Option<Decoded>), Error> {
        if let Some(body) = self.quick_frame(input) {
            match message.frames_mut() {
                [frame] => frame.assign(body),
                _ => *message = Message::from(body),
            }
            return Ok((SHORT_HEADER + body.len(), Some(Decoded::Message)));
        }
        self.decode_into_slowly(input, message)
    }

    fn decode_into_slowly(
        &mut self,
        input: &[u8],
        message: &mut Message,
    ) -> Result<(usize, Option<Decoded>), Error> {
        if self.is_at_start()
            && let Ok(Some((body, end))) = self.single_frame(input)
        {
            match message.frames_mut() {
                [frame] => frame.assign(&input[body..end]),
                _ => *message = Message::from(&input[body..end]),
            }
            return Ok((end, Some(Decoded::Message)));
        }
        let (used, item) = self.decode_slowly(input)?;
        let decoded = item.map(|item| match item {
            Item::Message(decoded) => {
                *message = decoded;
                Decoded::Message
            }
            Item::Command(body) => Decoded::Command(body),
        });
        Ok((used, decoded))
    }

    /// Like [`decode`](Self::decode), but the body of a message of one frame that is whole in the input is
    /// shown where it lies: whoever puts it elsewhere anyway copies it once, and who only looks at it not
    /// at all.
    ///
    /// # Errors
    ///
    /// Those of [`decode`](Self::decode).
    ///
    /// # Examples
    ///
    /// ```
    /// use zmtp::{Borrowed, Decoder, Limits};
    ///
    /// let mut decoder = Decoder::new(&Limits::default());
    /// let wire = b"\x00\x05hello";
    /// let (used, item) = decoder.decode_borrowed(wire)?;
    /// assert_eq!((used, item), (wire.len(), Some(Borrowed::Single(b"hello"))));
    /// # Ok::<(), zmtp::Error>(())
    /// ```
    #[inline]
    pub fn decode_borrowed<'a>(
        &mut self,
        input: &'a [u8],
    ) -> Result<(usize, Option<Borrowed<'a>>), Error> {
        if let Some(body) = self.quick_frame(input) {
            let item = Borrowed::Single(body);
            return Ok((SHORT_HEADER + body.len(), Some(item)));
        }
        self.decode_borrowed_slowly(input)
    }

    fn decode_borrowed_slowly<'a>(
        &mut self,
        input: &'a [u8],
    ) -> Result<(usize, Option<Borrowed<'a>>), Error> {
        if self.is_at_start()
            && let Ok(Some((body, end))) = self.single_frame(input)
        {
            return Ok((end, Some(Borrowed::Single(&input[body..end]))));
        }
        let (used, item) = self.decode_slowly(input)?;
        Ok((used, item.map(Borrowed::Item)))
    }

    /// Like [`decode`](Self::decode), with input that can be shared: the body of a message of one
    /// frame, longer than 4 KiB and whole in the input, is not copied but keeps a handle to the input.
    /// Such a message keeps all of the input's buffer alive.
    ///
    /// What is consumed is taken off the front of `input`.
    ///
    /// # Errors
    ///
    /// Those of [`decode`](Self::decode), which take nothing.
    pub fn decode_shared(&mut self, input: &mut Bytes) -> Result<Option<Item>, Error> {
        if self.is_at_start()
            && input.len() > COPY_MAX
            && let Ok(Some((header, body))) = self.framing.decode(input)
            && header.size > COPY_MAX as u64
            && let Ok(Some((_, end))) = self.single_frame(input)
        {
            let frame = Frame::from(input.slice(body..end));
            input.advance(end);
            return Ok(Some(Item::Message(Message::from(frame))));
        }
        let (used, item) = self.decode(input)?;
        input.advance(used);
        Ok(item)
    }

    /// The body of the next frame, if that is short, whole, a message of its own and fine.
    #[inline]
    fn quick_frame<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        let [flags, size, rest @ ..] = input else {
            return None;
        };
        if !self.is_quick || *flags & FLAGS != 0 {
            return None;
        }
        rest.get(..usize::from(*size))
    }

    fn update_is_quick(&mut self) {
        self.is_quick =
            self.framing != Framing::V1 && self.is_at_start() && self.scanner.short_is_fine();
    }

    /// Whether a message may begin here that is taken as it stands.
    fn is_at_start(&self) -> bool {
        self.failed.is_none() && self.opener.is_none() && !self.is_partial()
    }

    fn next_item(&mut self, input: &[u8]) -> Result<(usize, Option<Item>), Error> {
        if self.opener.is_none()
            && !self.is_partial()
            && let Some((body, end)) = self.single_frame(input)?
        {
            return Ok((end, Some(Item::Message(Message::from(&input[body..end])))));
        }
        let mut used = 0;
        loop {
            let (taken, frame) = if self.opener.is_some() {
                self.next_sealed(&input[used..])?
            } else {
                self.next_frame(&input[used..])?
            };
            used += taken;
            let Some((frame, kind)) = frame else {
                return Ok((used, None));
            };
            match kind {
                FrameKind::Command if self.framing.has_commands() => {
                    return Ok((used, Some(Item::Command(frame))));
                }
                // libzmq drops them as well.
                FrameKind::Command => {}
                FrameKind::More => self.message.push_back(frame),
                FrameKind::Last => {
                    self.message.push_back(frame);
                    let message = core::mem::take(&mut self.message);
                    return Ok((used, Some(Item::Message(message))));
                }
            }
        }
    }

    /// Whether the traffic is the bare frames of ZMTP 3.x, so that whoever keeps it in a buffer of
    /// its own may use a [`Scanner`] instead.
    #[inline]
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        matches!(self.framing, Framing::V2) && self.opener.is_none()
    }

    /// Whether the traffic seen so far ends inside a frame or a message.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.head_len > 0 || self.current.is_some() || !self.message.is_empty()
    }

    /// Where the body begins and ends if the input begins with a whole message of one frame.
    ///
    /// This is the common case, and a message made in one go is several times faster than one made
    /// frame by frame.
    fn single_frame(&mut self, input: &[u8]) -> Result<Option<(usize, usize)>, Error> {
        let Some((header, body)) = self.framing.decode(input)? else {
            return Ok(None);
        };
        let is_whole = header.size <= (input.len() - body) as u64;
        if header.flags.is_more() || header.flags.is_command() || !is_whole {
            return Ok(None);
        }
        self.scanner.accept(header)?;
        Ok(Some((body, body + header.size as usize)))
    }

    fn next_frame(&mut self, input: &[u8]) -> Result<(usize, Option<(Frame, FrameKind)>), Error> {
        let mut used = 0;
        let (header, kind) = match self.current {
            Some(current) => current,
            None => {
                let (taken, header) = self.next_header(input)?;
                used = taken;
                let Some(header) = header else {
                    return Ok((used, None));
                };
                let kind = self.scanner.accept(header)?;
                (header, kind)
            }
        };
        let rest = &input[used..];
        // Both sides of the comparison are exact: what is missing never exceeds what was announced.
        let missing = header.size - self.body.len() as u64;
        if (rest.len() as u64) < missing {
            self.extend_body(rest, header.size);
            self.current = Some((header, kind));
            return Ok((input.len(), None));
        }
        let missing = missing as usize;
        let frame = if self.body.is_empty() {
            Frame::copy_from_slice(&rest[..missing])
        } else {
            self.extend_body(&rest[..missing], header.size);
            Frame::from(core::mem::take(&mut self.body))
        };
        self.current = None;
        Ok((used + missing, Some((frame, kind))))
    }

    /// The next frame out of its box, judged by the flags in there.
    fn next_sealed(&mut self, input: &[u8]) -> Result<(usize, Option<(Frame, FrameKind)>), Error> {
        let mut used = 0;
        let header = match self.current {
            Some((header, _)) => header,
            None => {
                let (taken, header) = self.next_header(input)?;
                used = taken;
                let Some(header) = header else {
                    return Ok((used, None));
                };
                self.scanner.check_sealed(header.size)?;
                header
            }
        };
        let rest = &input[used..];
        let missing = header.size - self.body.len() as u64;
        if (rest.len() as u64) < missing {
            self.extend_body(rest, header.size);
            // What kind it is only the box tells.
            self.current = Some((header, FrameKind::Last));
            return Ok((input.len(), None));
        }
        let missing = missing as usize;
        self.extend_body(&rest[..missing], header.size);
        self.current = None;
        let Some(opener) = &mut self.opener else {
            return Ok((used + missing, None));
        };
        let (flags, text) = opener.open(&mut self.body)?;
        let size = text.len() as u64;
        let kind = self.scanner.accept(FrameHeader { flags, size })?;
        let frame = if text.len() <= COPY_MAX {
            let frame = Frame::copy_from_slice(&self.body[text]);
            self.body.clear();
            frame
        } else {
            Frame::from(Bytes::from(core::mem::take(&mut self.body)).slice(text))
        };
        Ok((used + missing, Some((frame, kind))))
    }

    fn next_header(&mut self, input: &[u8]) -> Result<(usize, Option<FrameHeader>), Error> {
        if self.head_len == 0
            && let Some((header, len)) = self.framing.decode(input)?
        {
            return Ok((len, Some(header)));
        }
        for (used, byte) in input.iter().enumerate() {
            let len = usize::from(self.head_len);
            self.head[len] = *byte;
            self.head_len += 1;
            if let Some((header, _)) = self.framing.decode(&self.head[..=len])? {
                self.head_len = 0;
                return Ok((used + 1, Some(header)));
            }
        }
        Ok((input.len(), None))
    }

    /// Doubles the buffer as needed, but never beyond the announced size.
    fn extend_body(&mut self, bytes: &[u8], announced: u64) {
        let needed = self.body.len() + bytes.len();
        if needed > self.body.capacity() {
            let doubled = (self.body.capacity() * 2)
                .max(MIN_BODY_CAPACITY)
                .max(needed);
            let announced = usize::try_from(announced).unwrap_or(usize::MAX);
            self.body
                .reserve_exact(doubled.min(announced) - self.body.len());
        }
        self.body.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::encode_message;
    use crate::header;

    fn decode_all(chunks: &[&[u8]]) -> Vec<Item> {
        decode_all_of(Version::V3_1, chunks)
    }

    fn decode_all_of(version: Version, chunks: &[&[u8]]) -> Vec<Item> {
        let mut decoder = Decoder::for_version(version, &Limits::default());
        let mut items = Vec::new();
        for mut chunk in chunks.iter().copied() {
            loop {
                let (used, item) = decoder.decode(chunk).unwrap();
                chunk = &chunk[used..];
                match item {
                    Some(item) => items.push(item),
                    None => break assert!(chunk.is_empty()),
                }
            }
        }
        assert!(!decoder.is_partial());
        items
    }

    // spec: RFC37/messages: MORE joins the frames of a message
    #[test]
    fn every_cut_gives_the_same_items() {
        let messages = [
            Message::from(["", "one", ""]),
            Message::from(vec![7; 300]),
            Message::from([vec![1; 255], vec![2; 256]]),
            Message::from(""),
        ];
        let mut wire = Vec::new();
        for message in &messages {
            encode_message(message, &mut wire);
        }
        let expected: Vec<_> = messages.into_iter().map(Item::Message).collect();
        for cut in 0..=wire.len() {
            assert_eq!(
                decode_all(&[&wire[..cut], &wire[cut..]]),
                expected,
                "cut at {cut}"
            );
        }
        let bytes: Vec<_> = wire.chunks(1).collect();
        assert_eq!(decode_all(&bytes), expected);
    }

    #[test]
    fn commands_inside_a_message_come_first() {
        let wire = b"\x01\x01a\x04\x05\x04PONG\x00\x01b";
        let pong = Item::Command(Frame::from("\x04PONG"));
        assert_eq!(
            decode_all(&[wire]),
            [pong, Item::Message(Message::from(["a", "b"]))]
        );
    }

    // spec: RFC13/framing-decoded: frames are length, flags, body; MORE joins the frames of a message
    #[test]
    fn every_cut_of_1_0_traffic_gives_the_same_items() {
        let messages = [
            Message::from(["", "one", ""]),
            Message::from([vec![1; 253], vec![2; 254], vec![3; 255]]),
            Message::from(""),
        ];
        let mut wire = Vec::new();
        for message in &messages {
            crate::Encoder::new(Version::V1_0).encode_message(message, &mut wire);
        }
        let expected: Vec<_> = messages.into_iter().map(Item::Message).collect();
        for cut in 0..=wire.len() {
            let parts = [&wire[..cut], &wire[cut..]];
            assert_eq!(decode_all_of(Version::V1_0, &parts), expected, "cut {cut}");
        }
        let bytes: Vec<_> = wire.chunks(1).collect();
        assert_eq!(decode_all_of(Version::V1_0, &bytes), expected);
    }

    #[test]
    fn limits_hold_for_1_0_and_count_the_body_alone() {
        let limits = Limits::default().with_max_frame_size(Some(3));
        let decode = |wire: &[u8]| Decoder::for_version(Version::V1_0, &limits).decode(wire);
        assert!(matches!(decode(b"\x04\0abc"), Ok((5, Some(_)))));
        let too_large = Err(Error::FrameTooLarge { size: 4, limit: 3 });
        assert_eq!(decode(b"\x05\0"), too_large);
        assert_eq!(decode(b"\xFF\0\0\0\0\0\0\0\x05\x01"), too_large);
        assert_eq!(decode(b"\0"), Err(Error::FrameWithoutFlags));
    }

    // spec: WIRE-2.2/commands-in-2.0: a frame with the command bit is dropped in a 2.0 session
    #[test]
    fn commands_of_2_0_are_dropped() {
        let wire = b"\x04\x05\x04PONG\x01\x01a\x04\0\0\x01b\x04\x01\x00";
        let expected = [Item::Message(Message::from(["a", "b"]))];
        assert_eq!(decode_all_of(Version::V2_0, &[wire]), expected);
        let bytes: Vec<_> = wire.chunks(1).collect();
        assert_eq!(decode_all_of(Version::V2_0, &bytes), expected);
    }

    #[test]
    fn an_error_is_final() {
        let limits = Limits::default().with_max_frame_size(Some(3));
        for (version, wire) in [
            (Version::V3_1, &b"\x02\xFF\0\0\0\0\0\0\0"[..]),
            (Version::V3_1, b"\0\x04"),
            (Version::V1_0, b"\0"),
        ] {
            for size in [1, 100] {
                let mut decoder = Decoder::for_version(version, &limits);
                let mut results = wire.chunks(size).map(|piece| decoder.decode(piece));
                let error = results.find_map(Result::err).unwrap();
                for _ in 0..20 {
                    assert_eq!(decoder.decode(b"\0\0"), Err(error.clone()));
                }
            }
        }
    }

    #[test]
    fn memory_follows_what_arrived_not_what_was_announced() {
        let mut decoder = Decoder::new(&Limits::default());
        let mut header = [0; header::MAX_LEN];
        header::encode(Flags::NONE, 1 << 62, &mut header);
        assert_eq!(decoder.decode(&header).unwrap(), (9, None));
        assert_eq!(decoder.body.capacity(), 0);
        decoder.decode(&[0; 100]).unwrap();
        assert_eq!(decoder.body.capacity(), MIN_BODY_CAPACITY);
        for _ in 0..100 {
            decoder.decode(&[0; 1000]).unwrap();
        }
        assert!(decoder.body.capacity() <= 2 * 100_100);
        assert!(decoder.is_partial());
    }

    /// Both other ways give what `decode` gives, for any pieces.
    #[test]
    fn every_way_to_decode_gives_the_same() {
        let mut wire = Vec::new();
        for message in [
            Message::from("one"),
            Message::from(["a", "", "b"]),
            Message::from(vec![7; COPY_MAX]),
            Message::from(vec![8; COPY_MAX + 1]),
            Message::from(""),
            Message::from("last"),
        ] {
            encode_message(&message, &mut wire);
            wire.extend_from_slice(b"\x04\x05\x04PONG");
        }
        let expected = decode_all(&[&wire]);
        for chunk in [1, 7, 5000, wire.len()] {
            let limits = Limits::default();
            let (mut into, mut shared) = (Decoder::new(&limits), Decoder::new(&limits));
            let (mut one, mut other) = (Vec::new(), Vec::new());
            let mut message = Message::new();
            for piece in wire.chunks(chunk) {
                let mut rest = piece;
                loop {
                    let (used, decoded) = into.decode_into(rest, &mut message).unwrap();
                    rest = &rest[used..];
                    one.push(match decoded {
                        Some(Decoded::Message) => Item::Message(message.clone()),
                        Some(Decoded::Command(body)) => Item::Command(body),
                        None => break,
                    });
                }
                let mut rest = Bytes::copy_from_slice(piece);
                while let Some(item) = shared.decode_shared(&mut rest).unwrap() {
                    other.push(item);
                }
                assert!(rest.is_empty());
            }
            assert_eq!((&one, &other), (&expected, &expected));
        }
    }

    #[test]
    fn errors_are_the_same_whichever_way() {
        let limits = Limits::default().with_max_frame_size(Some(3));
        let expected = Err(Error::FrameTooLarge { size: 4, limit: 3 });
        for _ in 0..2 {
            let mut decoder = Decoder::new(&limits);
            let mut message = Message::from("old");
            let result = decoder.decode_into(b"\0\x04four", &mut message);
            assert_eq!(result.map(drop), expected);
            assert_eq!(decoder.decode(b"\0\0").map(drop), expected);
            assert_eq!(message, Message::from("old"));
            let mut input = Bytes::from_static(b"\0\x04four");
            let mut decoder = Decoder::new(&limits);
            assert_eq!(decoder.decode_shared(&mut input).map(drop), expected);
        }
    }

    #[test]
    fn a_long_body_is_shared_and_a_message_is_used_again() {
        let mut wire = Vec::new();
        encode_message(&Message::from(vec![7; COPY_MAX + 1]), &mut wire);
        let mut input = Bytes::from(wire);
        let at = input[9..].as_ptr();
        let item = Decoder::new(&Limits::default()).decode_shared(&mut input);
        let Ok(Some(Item::Message(message))) = item else {
            panic!("{item:?}")
        };
        assert_eq!(message[0].as_ptr(), at);
        let wire = [&[0, 200][..], &[1; 200]].concat();
        let mut decoder = Decoder::new(&Limits::default());
        let mut message = Message::from(vec![0; 300]);
        let taken = allocation_counter::measure(|| {
            for _ in 0..10 {
                decoder.decode_into(&wire, &mut message).unwrap();
            }
        });
        assert_eq!(message, Message::from(vec![1; 200]));
        assert_eq!(taken.count_total, 0);
    }

    #[test]
    fn a_body_in_pieces_is_allocated_exactly() {
        let wire: Vec<u8> = [&b"\x02\0\0\0\0\0\0\x17\x70"[..], &[9; 6000]].concat();
        let mut decoder = Decoder::new(&Limits::default());
        decoder.decode(&wire[..20]).unwrap();
        let (_, item) = decoder.decode(&wire[20..]).unwrap();
        let Some(Item::Message(message)) = item else {
            panic!("{item:?}")
        };
        let body = message.into_single().unwrap().into_vec();
        assert_eq!((body.len(), body.capacity()), (6000, 6000));
    }
}
