//! The frames of ZMTP 1.0 and 2.0: no pieces make a difference, and what is decoded is encoded again.

use zmtp::header::MAX_SIZE;
use zmtp::v1::{self, MAX_LEN, MAX_SHORT_SIZE};
use zmtp::{Decoder, Encoder, Flags, Item, Version};

/// The length of what stands in front of the frames: the version (even: 1.0, odd: 2.0), the pattern of the pieces,
/// the limits.
pub const SETUP_LEN: usize = 3;

/// [`SETUP_LEN`] bytes, then frames, one after the other.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(data: &[u8]) {
    let Some((&[version, pattern, selector], wire)) = data.split_first_chunk::<SETUP_LEN>() else {
        return;
    };
    let version = if version.is_multiple_of(2) {
        check_headers(wire);
        Version::V1_0
    } else {
        Version::V2_0
    };
    let limits = crate::limits(selector);
    let decoder = || Decoder::for_version(version, &limits);
    let whole = crate::decode_all(decoder(), wire, 0);
    let split = crate::decode_all(decoder(), wire, pattern);
    assert_eq!(whole, split, "pieces matter");
    crate::assert_memory_of_decoder(decoder(), wire, pattern, &limits);

    let mut encoder = Encoder::new(version);
    let mut encoded = Vec::new();
    for item in &whole.0 {
        let Item::Message(message) = item else {
            panic!("there are no commands in {version}");
        };
        crate::assert_message_within(message, &limits);
        encoder.encode_message(message, &mut encoded);
    }
    // The limits were kept, so they are kept again.
    let again = crate::decode_all(decoder(), &encoded, pattern);
    assert_eq!(again, (whole.0, Ok(false)));
}

fn check_headers(mut rest: &[u8]) {
    loop {
        let answer = v1::decode(rest);
        // Bytes behind the header make no difference, and a part of it is never enough.
        assert_eq!(answer, v1::decode(&rest[..rest.len().min(MAX_LEN)]));
        let Ok(Some((head, len))) = answer else {
            assert!(answer.is_err() || rest.len() < MAX_LEN);
            return;
        };
        assert!(head.size <= MAX_SIZE);
        assert_eq!(head.flags, head.flags.without(Flags::COMMAND));
        for cut in 0..len {
            assert_eq!(v1::decode(&rest[..cut]), Ok(None));
        }

        let mut encoded = [0; MAX_LEN];
        let encoded_len = v1::encode(head.flags, head.size, &mut encoded);
        assert_eq!(encoded_len == 2, head.size <= MAX_SHORT_SIZE);
        let again = v1::decode(&encoded[..encoded_len]);
        assert_eq!(again, Ok(Some((head, encoded_len))));

        let size = usize::try_from(head.size).unwrap_or(usize::MAX);
        let Some(next) = rest.get(len.saturating_add(size)..) else {
            return;
        };
        rest = next;
    }
}
