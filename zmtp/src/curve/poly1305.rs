//! Poly1305, the one-time authenticator: the message as a polynomial modulo 2^130 - 5, evaluated at
//! a secret point.
//!
//! Numbers are held in three limbs of 44, 44 and 42 bits, whose products fit in 128 bits and leave
//! room to add. No branch and no index depends on a secret. RFC 8439, section 2.5, is followed.
//! Long messages go through [`avx2`](super::avx2) where the processor has it, four blocks at a time.

use super::cpu::Cpu;
use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroize;

/// The length of a tag, in bytes.
pub(crate) const TAG: usize = 16;

const BLOCK: usize = 16;
const MASK_44: u64 = (1 << 44) - 1;
const MASK_42: u64 = (1 << 42) - 1;
/// The bit that stands above every whole block, 2^128, in the third limb.
const HIGH: u64 = 1 << 40;

/// From this length on, in bytes, computing powers of the key pays.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
const VECTOR_MIN: usize = 512;

/// The tag of a message under a key that is used for it alone.
pub(super) fn tag(cpu: Cpu, key: &[u8; 32], message: &[u8]) -> [u8; TAG] {
    let mut state = Poly1305::new(key);
    let rest = state.begin(cpu, message);
    let (blocks, rest) = rest.as_chunks::<BLOCK>();
    for block in blocks {
        state.block(block, HIGH);
    }
    if !rest.is_empty() {
        let mut last = [0; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        last[rest.len()] = 1;
        state.block(&last, 0);
    }
    state.finish(key)
}

/// A number modulo 2^130 - 5.
pub(super) type Limbs = [u64; 3];

struct Poly1305 {
    r: Limbs,
    h: Limbs,
}

impl Poly1305 {
    fn new(key: &[u8; 32]) -> Self {
        let (low, high) = halves(key[..16].first_chunk().expect("16 bytes"));
        // The clamp of r, as it falls on the limbs.
        let r = [
            low & 0x0FFC_0FFF_FFFF,
            (low >> 44 | high << 20) & 0x0FFF_FFC0_FFFF,
            (high >> 24) & 0x000F_FFFF_FC0F,
        ];
        Self { r, h: [0; 3] }
    }

    /// Takes the beginning of a message in vectors, if that pays, and returns the rest.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    #[inline(always)]
    fn begin<'a>(&mut self, cpu: Cpu, message: &'a [u8]) -> &'a [u8] {
        match cpu.avx2() {
            Some(avx2) if message.len() >= VECTOR_MIN => {
                let (groups, rest) = message.as_chunks::<{ 4 * BLOCK }>();
                self.h = super::avx2::poly1305(avx2, &self.r, groups);
                rest
            }
            _ => message,
        }
    }

    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    const fn begin<'a>(&mut self, _: Cpu, message: &'a [u8]) -> &'a [u8] {
        message
    }

    #[inline(always)]
    fn block(&mut self, block: &[u8; BLOCK], high_bit: u64) {
        let (low, high) = halves(block);
        self.h[0] += low & MASK_44;
        self.h[1] += (low >> 44 | high << 20) & MASK_44;
        self.h[2] += high >> 24 | high_bit;
        self.h = multiply(self.h, self.r);
    }

    fn finish(mut self, key: &[u8; 32]) -> [u8; TAG] {
        let [mut h0, mut h1, mut h2] = self.h;
        // Carry completely, twice round.
        for _ in 0..2 {
            h1 += h0 >> 44;
            h0 &= MASK_44;
            h2 += h1 >> 44;
            h1 &= MASK_44;
            h0 += (h2 >> 42) * 5;
            h2 &= MASK_42;
        }
        h1 += h0 >> 44;
        h0 &= MASK_44;
        // h - (2^130 - 5), which is taken if it is not negative.
        let mut g0 = h0 + 5;
        let mut g1 = h1 + (g0 >> 44);
        g0 &= MASK_44;
        let g2 = (h2 + (g1 >> 44)).wrapping_sub(1 << 42);
        g1 &= MASK_44;
        let smaller = Choice::from((g2 >> 63) as u8);
        h0 = u64::conditional_select(&g0, &h0, smaller);
        h1 = u64::conditional_select(&g1, &h1, smaller);
        h2 = u64::conditional_select(&g2, &h2, smaller);
        let number = u128::from(h0) | u128::from(h1) << 44 | u128::from(h2) << 88;
        let pad = u128::from_le_bytes(*key[16..].first_chunk().expect("16 bytes"));
        self.r.zeroize();
        number.wrapping_add(pad).to_le_bytes()
    }
}

/// The product, carried so far that it can be multiplied again.
#[inline(always)]
pub(super) fn multiply(a: Limbs, b: Limbs) -> Limbs {
    let product = |a: u64, b: u64| u128::from(a) * u128::from(b);
    // What overflows 2^130 comes back five times; the limbs make it twenty.
    let (b1, b2) = (b[1] * 20, b[2] * 20);
    let low = product(a[0], b[0]) + product(a[1], b2) + product(a[2], b1);
    let middle = product(a[0], b[1]) + product(a[1], b[0]) + product(a[2], b2);
    let high = product(a[0], b[2]) + product(a[1], b[1]) + product(a[2], b[0]);
    let middle = middle + u128::from((low >> 44) as u64);
    let high = high + u128::from((middle >> 44) as u64);
    let h0 = (low as u64 & MASK_44) + (high >> 42) as u64 * 5;
    [
        h0 & MASK_44,
        (middle as u64 & MASK_44) + (h0 >> 44),
        high as u64 & MASK_42,
    ]
}

#[inline(always)]
fn halves(block: &[u8; BLOCK]) -> (u64, u64) {
    let (words, _) = block.as_chunks::<8>();
    (u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]))
}

#[cfg(test)]
mod tests {
    use ::poly1305::universal_hash::KeyInit;
    use proptest::prelude::*;

    use super::*;

    fn cpus() -> [Cpu; 2] {
        [Cpu::portable(), Cpu::detect()]
    }

    // RFC 8439, section 2.5.2.
    #[test]
    fn known_answer() {
        let key = [
            0x85, 0xD6, 0xBE, 0x78, 0x57, 0x55, 0x6D, 0x33, 0x7F, 0x44, 0x52, 0xFE, 0x42, 0xD5,
            0x06, 0xA8, 0x01, 0x03, 0x80, 0x8A, 0xFB, 0x0D, 0xB2, 0xFD, 0x4A, 0xBF, 0xF6, 0xAF,
            0x41, 0x49, 0xF5, 0x1B,
        ];
        let expected = [
            0xA8, 0x06, 0x1D, 0xC1, 0x30, 0x51, 0x36, 0xC6, 0xC2, 0x2B, 0x8B, 0xAF, 0x0C, 0x01,
            0x27, 0xA9,
        ];
        for cpu in cpus() {
            let tag = tag(cpu, &key, b"Cryptographic Forum Research Group");
            assert_eq!(tag, expected);
        }
    }

    /// Messages that bring the sum to the edge of the modulus, where carries go wrong.
    #[test]
    fn edges_of_the_modulus() {
        let mut keys = [[0; 32]; 3];
        keys[0][0] = 2;
        keys[1][0] = 1;
        keys[2] = [0xFF; 32];
        let mut messages = vec![
            vec![0xFF; 16],
            vec![0xFF; 48],
            vec![0xFF; 4096],
            vec![0; 640],
        ];
        for low in 0xF8..=0xFF {
            let mut message = vec![0xFF; 16];
            message[0] = low;
            messages.push(message.repeat(64));
            messages.push(message);
        }
        for key in keys {
            for message in &messages {
                let expected = reference(&key, message);
                for cpu in cpus() {
                    assert_eq!(tag(cpu, &key, message), expected, "{key:?} {message:?}");
                }
            }
        }
    }

    fn reference(key: &[u8; 32], message: &[u8]) -> [u8; TAG] {
        ::poly1305::Poly1305::new(key.into())
            .compute_unpadded(message)
            .into()
    }

    proptest! {
        #[test]
        fn agrees_with_another_implementation(
            key: [u8; 32],
            message in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xFF), Just(0)], 0..1500),
        ) {
            let expected = reference(&key, &message);
            for cpu in cpus() {
                prop_assert_eq!(tag(cpu, &key, &message), expected);
            }
        }
    }
}
