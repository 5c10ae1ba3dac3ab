//! ZMTP 1.0 in packets: what lies in a rope is cut into packets, and packets become messages.
//!
//! The data of a packet begins with two bytes that say where the first message begins that begins in this packet, counted from
//! behind them; 0xFFFF if none does. What follows is a piece of one endless stream of frames, so messages and packets begin and
//! end where they like.
//!
//! ```text
//!   rope (ZMTP 3)    01 01 A   00 02 B C   00 05 h e l l o
//!   data of a packet 00 00   02 01 A   03 00 B C   06 00 h e l l o
//! ```

use std::io::IoSlice;

use zmtp::{
    Decoder, Item, Limits, Message, Version,
    header::{self, Flags},
};

/// No message begins in the packet.
const NONE: u16 = 0xffff;
/// Bytes of that field.
const FIELD: usize = 2;
/// The longest header of a frame of ZMTP 1.0.
const MAX_HEADER: usize = 10;
/// The largest frame with a short header, in bytes of its body.
const MAX_SHORT: u64 = 253;

/// Makes packets of what lies in a rope.
#[derive(Debug)]
pub(crate) struct Packer {
    /// The data of the packet that is being filled, with the field in front.
    data: Vec<u8>,
    capacity: usize,
    /// Where the first message begins.
    offset: u16,
    /// A header that has not gone into a packet whole: its bytes and the place of the next one.
    header: ([u8; MAX_HEADER], usize, usize),
    /// Bytes of the body that are still to come, and whether they belong to a command, which nobody gets.
    left: u64,
    skips: bool,
    /// A message has begun, and its last frame has not.
    has_more: bool,
}

impl Packer {
    /// For packets of at most so much data, which is more than the field.
    pub(crate) fn new(max_tsdu: usize) -> Self {
        Self {
            data: vec![0; FIELD],
            capacity: max_tsdu.max(FIELD + 1),
            offset: NONE,
            header: ([0; MAX_HEADER], 0, 0),
            left: 0,
            skips: false,
            has_more: false,
        }
    }

    fn room(&self) -> usize {
        self.capacity - self.data.len()
    }

    fn is_between_frames(&self) -> bool {
        self.header.2 == self.header.1 && self.left == 0
    }

    /// Whether the packet is as large as it can be.
    pub(crate) fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.data.len() == FIELD
    }

    /// Takes as much of the rope as fits, and says how many bytes that is. A header that is cut off at the end is left.
    pub(crate) fn fill(&mut self, slices: &[IoSlice<'_>]) -> usize {
        let mut taken = 0;
        for slice in slices {
            let mut rope: &[u8] = slice;
            loop {
                self.put_header();
                if self.is_full() {
                    return taken;
                }
                if self.left > 0 {
                    let count = self.take_body(rope);
                    (taken, rope) = (taken + count, &rope[count..]);
                    if self.left > 0 && rope.is_empty() {
                        break;
                    }
                    continue;
                }
                self.note_beginning();
                if rope.is_empty() {
                    break;
                }
                // It is our own, so there is nothing wrong with it.
                let Ok(Some((frame, count))) = header::decode(rope) else {
                    return taken;
                };
                (taken, rope) = (taken + count, &rope[count..]);
                self.begin(frame.flags, frame.size);
            }
        }
        taken
    }

    fn take_body(&mut self, rope: &[u8]) -> usize {
        let room = if self.skips { usize::MAX } else { self.room() };
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let count = rope.len().min(left).min(room);
        if !self.skips {
            self.data.extend_from_slice(&rope[..count]);
        }
        self.left -= count as u64;
        if self.left == 0 {
            self.note_beginning();
        }
        count
    }

    /// The next byte of the packet is the first of a message, if there is one.
    fn note_beginning(&mut self) {
        if self.offset == NONE && !self.has_more && self.is_between_frames() && !self.is_full() {
            self.offset = (self.data.len() - FIELD) as u16;
        }
    }

    fn begin(&mut self, flags: Flags, size: u64) {
        self.left = size;
        self.skips = flags.contains(Flags::COMMAND);
        if self.skips {
            return;
        }
        self.has_more = flags.contains(Flags::MORE);
        let mut bytes = [0; MAX_HEADER];
        let more = u8::from(self.has_more);
        let length = if size <= MAX_SHORT {
            bytes[..2].copy_from_slice(&[size as u8 + 1, more]);
            2
        } else {
            bytes[0] = 0xff;
            bytes[1..9].copy_from_slice(&(size + 1).to_be_bytes());
            bytes[9] = more;
            MAX_HEADER
        };
        self.header = (bytes, length, 0);
        self.put_header();
        self.note_beginning();
    }

    fn put_header(&mut self) {
        let room = self.room();
        let (bytes, length, at) = &mut self.header;
        let count = room.min(*length - *at);
        self.data.extend_from_slice(&bytes[*at..*at + count]);
        *at += count;
    }

    /// The data of the packet.
    pub(crate) fn data(&mut self) -> &[u8] {
        self.data[..FIELD].copy_from_slice(&self.offset.to_be_bytes());
        &self.data
    }

    /// Begins the next packet.
    pub(crate) fn clear(&mut self) {
        self.data.truncate(FIELD);
        self.offset = NONE;
    }
}

/// Makes messages of the packets of one source.
#[derive(Debug)]
pub(crate) struct Unpacker {
    limits: Limits,
    /// `None` until it is known where a message begins.
    decoder: Option<Decoder>,
}

impl Unpacker {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            decoder: None,
        }
    }

    /// Something is missing before what comes next, so a message that has begun will not be whole. Says whether one had.
    pub(crate) fn interrupt(&mut self) -> bool {
        self.decoder
            .take()
            .is_some_and(|decoder| decoder.is_partial())
    }

    /// Takes the data of the next packet. `false` if it is malformed: then what comes next begins with the next message.
    pub(crate) fn push(&mut self, data: &[u8], mut deliver: impl FnMut(Message)) -> bool {
        let Some((field, stream)) = data.split_first_chunk() else {
            self.decoder = None;
            return false;
        };
        let offset = u16::from_be_bytes(*field);
        if offset != NONE && usize::from(offset) > stream.len() {
            self.decoder = None;
            return false;
        }
        let mut input = stream;
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            None if offset == NONE => return true,
            None => {
                input = &stream[usize::from(offset)..];
                let decoder = Decoder::for_version(Version::V1_0, &self.limits);
                self.decoder.insert(decoder)
            }
        };
        loop {
            match decoder.decode(input) {
                Ok((used, item)) => {
                    input = &input[used..];
                    match item {
                        Some(Item::Message(message)) => deliver(message),
                        // ZMTP 1.0 has none.
                        Some(Item::Command(_)) => {}
                        None => return true,
                    }
                }
                Err(_) => {
                    self.decoder = None;
                    return false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zmtp::encode_message;

    use super::*;

    /// The data of all packets that carry these messages, if the rope is given in pieces.
    fn pack(messages: &[Message], max_tsdu: usize, cut: usize) -> Vec<Vec<u8>> {
        let mut rope = Vec::new();
        messages
            .iter()
            .for_each(|message| encode_message(message, &mut rope));
        let mut packer = Packer::new(max_tsdu);
        let (mut at, mut packets) = (0, Vec::new());
        loop {
            let window = &rope[at..];
            // As `gather` gives them: a header is never cut but at the very end.
            let taken = packer.fill(&[IoSlice::new(&window[..window.len().min(cut.max(9))])]);
            at += taken;
            if packer.is_full() || taken == 0 && !packer.is_empty() {
                packets.push(packer.data().to_vec());
                packer.clear();
            } else if taken == 0 {
                break;
            }
        }
        assert_eq!(at, rope.len());
        packets
    }

    fn unpack<'a>(packets: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<Message> {
        let mut unpacker = Unpacker::new(&Limits::default());
        let mut messages = Vec::new();
        for packet in packets {
            assert!(unpacker.push(packet, |message| messages.push(message)));
        }
        messages
    }

    fn offsets(packets: &[Vec<u8>]) -> Vec<(u16, usize)> {
        let offset = |data: &Vec<u8>| (u16::from_be_bytes([data[0], data[1]]), data.len());
        packets.iter().map(offset).collect()
    }

    #[test]
    fn packets_are_those_of_libzmq() {
        let large = Message::from(vec![0; 4000]);
        let packets = pack(std::slice::from_ref(&large), 1428, usize::MAX);
        assert_eq!(offsets(&packets), [(0, 1428), (NONE, 1428), (0x486, 1160)]);

        let batch = [
            Message::from(["A", "BC"]),
            Message::from(""),
            Message::from("hello"),
        ];
        let packets = pack(&batch, 1428, usize::MAX);
        let expected = b"\0\0\x02\x01A\x03\0BC\x01\0\x06\0hello";
        assert_eq!(packets, [expected]);

        let small = Message::from(vec![b'0'; 100]);
        let packets = pack(&[small], 48, usize::MAX);
        assert_eq!(offsets(&packets), [(0, 48), (NONE, 48), (10, 12)]);

        // One that ends with the packet leaves the field as it was.
        let exact = [Message::from(vec![1; 44]), Message::from("x")];
        let packets = pack(&exact, 48, usize::MAX);
        assert_eq!(offsets(&packets), [(0, 48), (0, 5)]);
        let exact = [Message::from(vec![1; 90]), Message::from("x")];
        assert_eq!(
            offsets(&pack(&exact, 48, usize::MAX)),
            [(0, 48), (NONE, 48), (0, 5)]
        );

        // A frame that goes on with a message is no beginning.
        let multipart = Message::from([vec![0; 60], vec![1; 2]]);
        let packets = pack(&[multipart, Message::from("")], 48, usize::MAX);
        assert_eq!(offsets(&packets), [(0, 48), (20, 24)]);

        let headers =
            [253, 254].map(|size| pack(&[Message::from(vec![7; size])], 400, usize::MAX)[0][2]);
        assert_eq!(headers, [254, 255]);
    }

    #[test]
    fn malformed_data_is_survived() {
        let mut unpacker = Unpacker::new(&Limits::default());
        let mut push = |data: &[u8]| {
            let mut messages = Vec::new();
            let fine = unpacker.push(data, |message| messages.push(message));
            (fine, messages.len())
        };
        assert_eq!(push(b""), (false, 0));
        assert_eq!(push(b"\0"), (false, 0));
        assert_eq!(push(b"\0\x03\x01\0"), (false, 0), "beyond the data");
        assert_eq!(push(b"\xff\xffjunk"), (true, 0), "nothing begins");
        assert_eq!(push(b"\0\x02xx\x01\0\x01\0"), (true, 2));
        assert_eq!(
            push(b"\xff\xff\x01\0"),
            (true, 1),
            "no beginning has to be looked for"
        );
        assert_eq!(push(b"\0\0\0\0"), (false, 0), "no frame is of length 0");
        assert_eq!(push(b"\xff\xff\x01\0"), (true, 0));
        assert_eq!(
            push(b"\0\x04\x01\0\x01\0"),
            (true, 0),
            "begins behind the packet"
        );
        assert_eq!(push(b"\0\0\x01\0"), (true, 1));
    }

    fn message() -> impl Strategy<Value = Message> {
        let size = prop_oneof![0..20usize, 240..270usize, 0..3000usize];
        let frame = (size, any::<u8>()).prop_map(|(size, byte)| vec![byte; size]);
        proptest::collection::vec(frame, 1..4).prop_map(Message::from_iter)
    }

    proptest! {
        #[test]
        fn messages_arrive_as_they_were(
            messages in proptest::collection::vec(message(), 1..12),
            max_tsdu in 16..600usize,
            cut in 9..500usize,
        ) {
            let packets = pack(&messages, max_tsdu, cut);
            prop_assert!(packets.iter().all(|data| data.len() <= max_tsdu && data.len() > FIELD));
            prop_assert_eq!(unpack(&packets), messages);
        }

        /// What is lost costs the messages that it has a part of, and no others.
        #[test]
        fn a_loss_costs_the_messages_in_it(
            messages in proptest::collection::vec(message(), 1..12),
            max_tsdu in 16..600usize,
            lost in any::<prop::sample::Index>(),
        ) {
            let packets = pack(&messages, max_tsdu, usize::MAX);
            let lost = lost.index(packets.len());
            let mut unpacker = Unpacker::new(&Limits::default());
            let mut found = Vec::new();
            for (number, data) in packets.iter().enumerate() {
                if number == lost {
                    unpacker.interrupt();
                } else {
                    prop_assert!(unpacker.push(data, |message| found.push(message)));
                }
            }
            // Those whose bytes are all before the loss or all behind it.
            let capacity = max_tsdu - FIELD;
            let (from, to) = (lost * capacity, lost * capacity + packets[lost].len() - FIELD);
            let (mut at, mut expected) = (0, Vec::new());
            for message in &messages {
                let frame = |frame: &zmtp::Frame| frame.len() + if frame.len() > 253 { 10 } else { 2 };
                let end = at + message.iter().map(frame).sum::<usize>();
                if end <= from || at >= to {
                    expected.push(message.clone());
                }
                at = end;
            }
            prop_assert_eq!(found, expected);
        }
    }
}
