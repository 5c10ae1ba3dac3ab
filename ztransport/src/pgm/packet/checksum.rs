//! The Internet checksum, over a whole packet.

/// Where the checksum is in a packet.
const AT: std::ops::Range<usize> = 6..8;

/// The sum of all 16-bit words, with the carries not yet added. The order of the bytes does not matter to the sum, except that
/// it comes out in the same order, so the words are read as the machine has them.
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(4);
    let rest = words.remainder();
    let mut sum: u64 = words
        .map(|word| u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]])))
        .sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum += u64::from(u32::from_ne_bytes(last));
    sum
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Two ends of the same machine word: what was read in the machine's order is written in it.
    u16::from_be_bytes((sum as u16).to_ne_bytes())
}

/// The checksum of a packet whose field for it holds zero. Never 0, which means that there is none.
fn of_cleared(packet: &[u8]) -> u16 {
    match !fold(sum(packet)) {
        0 => 0xffff,
        sum => sum,
    }
}

/// Writes the checksum into a packet, for whoever makes one by hand or has changed it.
///
/// # Panics
///
/// If it is shorter than the header.
pub fn fill(packet: &mut [u8]) {
    packet[AT].fill(0);
    let checksum = of_cleared(packet);
    packet[AT].copy_from_slice(&checksum.to_be_bytes());
}

/// The checksum that a packet carries: `None` if it is 0, which means that it was not computed.
pub(super) fn carried(packet: &[u8]) -> Option<u16> {
    let field = packet.get(AT)?;
    match u16::from_be_bytes([field[0], field[1]]) {
        0 => None,
        sum => Some(sum),
    }
}

/// Whether a packet is what its checksum, if it carries one, was made of.
pub(super) fn is_right(packet: &[u8]) -> bool {
    // With the checksum in it, the sum of all words is one of the two zeros of this arithmetic.
    carried(packet).is_none() || matches!(fold(sum(packet)), 0 | 0xffff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Word for word as it is defined.
    fn slow(packet: &[u8]) -> u16 {
        let mut sum = 0u32;
        for word in packet.chunks(2) {
            sum += u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        match !(sum as u16) {
            0 => 0xffff,
            sum => sum,
        }
    }

    proptest! {
        #[test]
        fn is_what_the_definition_says(mut packet in proptest::collection::vec(any::<u8>(), 16..200)) {
            fill(&mut packet);
            let found = carried(&packet);
            prop_assert!(is_right(&packet));
            packet[AT].fill(0);
            prop_assert_eq!(found, Some(slow(&packet)));
        }

        #[test]
        fn one_bit_is_noticed(
            mut packet in proptest::collection::vec(any::<u8>(), 16..200),
            at in any::<prop::sample::Index>(),
            bit in 0..8,
        ) {
            fill(&mut packet);
            let at = at.index(packet.len());
            packet[at] ^= 1u8 << bit;
            // One that has no checksum any more is taken as it is.
            prop_assert!(carried(&packet).is_none() || !is_right(&packet));
        }
    }

    #[test]
    fn zero_is_sent_as_the_other_zero() {
        let mut packet = [0; 16];
        packet[..2].copy_from_slice(&[0xff, 0xff]);
        fill(&mut packet);
        assert_eq!(carried(&packet), Some(0xffff));
        assert!(is_right(&packet));
    }
}
