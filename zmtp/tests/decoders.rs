//! Every way of decoding gives the same, and takes the same.

use bytes::Bytes;
use proptest::prelude::*;
use zmtp::{
    Borrowed, Decoded, Decoder, Encoder, Error, Flags, Item, Limits, Message, Version, encode_frame,
};

/// What came, and how it ended.
type Outcome = (Vec<Item>, Option<Error>);

/// Decodes one thing at the front of input, and tells how much that took.
type Step<'a> = dyn FnMut(&mut Decoder, &[u8]) -> Result<(usize, Option<Item>), Error> + 'a;

fn run(version: Version, limits: &Limits, wire: &[u8], cut: usize, step: &mut Step<'_>) -> Outcome {
    let mut decoder = Decoder::for_version(version, limits);
    let mut items = Vec::new();
    for mut piece in wire.chunks(cut) {
        while !piece.is_empty() {
            match step(&mut decoder, piece) {
                Ok((used, item)) => {
                    assert!(used > 0 || item.is_some());
                    piece = &piece[used..];
                    items.extend(item);
                }
                Err(error) => {
                    // The end is the end for everybody.
                    assert_eq!(decoder.decode(b"\x00\x00"), Err(error.clone()));
                    let mut other = Message::new();
                    let again = decoder.decode_into(b"\x00\x00", &mut other);
                    assert_eq!(again, Err(error.clone()));
                    let again = decoder.decode_borrowed(b"\x00\x00");
                    assert_eq!(again, Err(error.clone()));
                    return (items, Some(error));
                }
            }
        }
    }
    (items, None)
}

fn into_one_message(
    message: &mut Message,
    decoder: &mut Decoder,
    input: &[u8],
) -> Result<(usize, Option<Item>), Error> {
    let before = message.clone();
    let (used, decoded) = decoder.decode_into(input, message)?;
    let item = match decoded {
        Some(Decoded::Message) => Some(Item::Message(message.clone())),
        Some(Decoded::Command(body)) => Some(Item::Command(body)),
        None => None,
    };
    if !matches!(item, Some(Item::Message(_))) {
        assert_eq!(*message, before, "what is no message has changed one");
    }
    Ok((used, item))
}

fn borrowed(decoder: &mut Decoder, input: &[u8]) -> Result<(usize, Option<Item>), Error> {
    let (used, item) = decoder.decode_borrowed(input)?;
    let item = item.map(|item| match item {
        Borrowed::Single(body) => {
            assert!(input.as_ptr_range().contains(&body.as_ptr()) || body.is_empty());
            Item::Message(Message::from(body))
        }
        Borrowed::Item(item) => item,
    });
    Ok((used, item))
}

fn shared(decoder: &mut Decoder, input: &[u8]) -> Result<(usize, Option<Item>), Error> {
    let mut bytes = Bytes::copy_from_slice(input);
    let item = decoder.decode_shared(&mut bytes)?;
    Ok((input.len() - bytes.len(), item))
}

fn frame() -> impl Strategy<Value = (u8, usize)> {
    let flags = prop_oneof![6 => Just(0_u8), 2 => Just(1), 1 => Just(4), 1 => Just(0xF8)];
    let size = prop_oneof![6 => 0..80_usize, 1 => 250..260_usize, 1 => 4000..6000_usize];
    (flags, size)
}

proptest! {
    #[test]
    fn every_way_gives_the_same(
        frames in prop::collection::vec(frame(), 0..12),
        version in prop::sample::select(vec![Version::V1_0, Version::V2_0, Version::V3_1]),
        max_frame_size in prop_oneof![3 => Just(None), 1 => (0..300_u64).prop_map(Some)],
        max_frames in prop_oneof![3 => Just(100_u32), 1 => 0..3_u32],
        cut in prop_oneof![Just(usize::MAX), 1..100_usize],
        garbage in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut wire = Vec::new();
        for (flags, size) in frames {
            let at = wire.len();
            let known = Flags::from_bits(flags);
            if version == Version::V1_0 {
                Encoder::new(version).encode_frame(known, &vec![7; size], &mut wire);
            } else {
                encode_frame(known, &vec![7; size], &mut wire);
                wire[at] |= flags;
            }
        }
        wire.extend(garbage);
        let limits = Limits::default()
            .with_max_frame_size(max_frame_size)
            .with_max_frames(max_frames);
        let expected = run(version, &limits, &wire, cut, &mut |decoder, input| decoder.decode(input));
        let mut message = Message::from(["what", "was", "there"]);
        let mut into = |decoder: &mut Decoder, input: &[u8]| {
            into_one_message(&mut message, decoder, input)
        };
        prop_assert_eq!(&run(version, &limits, &wire, cut, &mut into), &expected);
        prop_assert_eq!(&run(version, &limits, &wire, cut, &mut borrowed), &expected);
        prop_assert_eq!(&run(version, &limits, &wire, cut, &mut shared), &expected);
        // All of them in turn, on one decoder.
        let mut turn = 0;
        let mut message = Message::new();
        let mut mixed = |decoder: &mut Decoder, input: &[u8]| {
            turn += 1;
            match turn % 4 {
                0 => decoder.decode(input),
                1 => into_one_message(&mut message, decoder, input),
                2 => borrowed(decoder, input),
                _ => shared(decoder, input),
            }
        };
        prop_assert_eq!(&run(version, &limits, &wire, cut, &mut mixed), &expected);
    }
}

#[test]
fn a_long_body_in_shared_input_is_not_copied() {
    let mut wire = Vec::new();
    encode_frame(Flags::NONE, &[7; 100_000], &mut wire);
    let mut input = Bytes::from(wire);
    let place = input.as_ptr_range();
    let item = Decoder::new(&Limits::default())
        .decode_shared(&mut input)
        .unwrap();
    let Some(Item::Message(message)) = item else {
        panic!("no message")
    };
    assert!(message[0].is_shared() && place.contains(&message[0].as_ptr()));
}
