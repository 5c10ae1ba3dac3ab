//! Salsa20, the stream cipher, and HSalsa20, which makes XSalsa20 of it.
//!
//! The key stream is made of blocks of 64 bytes that do not depend on one another, so several are
//! computed side by side, one per lane of a vector. [`Lanes`] is that computation for a compiler
//! that vectorises arrays, which it does on every processor; the module [`avx2`](super::avx2) has
//! it once more in eight lanes for processors that are known to have them. The constants and
//! rotations are those of the Salsa20 specification.

use super::cpu::Cpu;
use zeroize::{Zeroize, Zeroizing};

/// The length of a block, in bytes.
pub(super) const BLOCK: usize = 64;

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646E, 0x7962_2D32, 0x6B20_6574];

/// Two columns rounds and row rounds are ten times applied.
pub(super) const DOUBLE_ROUNDS: usize = 10;

/// The quarter rounds of one double round, as positions in the state.
pub(super) const QUARTERS: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [5, 9, 13, 1],
    [10, 14, 2, 6],
    [15, 3, 7, 11],
    [0, 1, 2, 3],
    [5, 6, 7, 4],
    [10, 11, 8, 9],
    [15, 12, 13, 14],
];

/// Derives the key of XSalsa20 for all nonces that begin with `prefix`.
pub(super) fn hsalsa20(key: &[u8; 32], prefix: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    let mut state = state(key, prefix);
    let mut words = Lanes::<1>::splat(&state);
    words.rounds();
    let mut derived = Zeroizing::new([0; 32]);
    let picked = [0, 5, 10, 15, 6, 7, 8, 9];
    for (out, word) in derived.as_chunks_mut::<4>().0.iter_mut().zip(picked) {
        *out = words.0[word][0].to_le_bytes();
    }
    state.zeroize();
    words.0.zeroize();
    derived
}

/// The key stream of one key and nonce.
pub(super) struct Salsa20 {
    state: [u32; 16],
}

impl Salsa20 {
    pub(super) fn new(key: &[u8; 32], nonce: &[u8; 8]) -> Self {
        let mut input = [0; 16];
        input[..8].copy_from_slice(nonce);
        Self {
            state: state(key, &input),
        }
    }

    /// Xors the key stream onto `data`, from the beginning of block number `block` on.
    pub(super) fn apply(&self, cpu: Cpu, mut block: u64, data: &mut [u8]) {
        let mut rest = data;
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        if let Some(avx2) = cpu.avx2() {
            let (groups, tail) = rest.as_chunks_mut::<{ 8 * BLOCK }>();
            for group in groups {
                super::avx2::xor_8_blocks(avx2, &self.at(block), group);
                block += 8;
            }
            rest = tail;
            if rest.len() > 2 * BLOCK {
                let mut stream = Zeroizing::new([0; 8 * BLOCK]);
                super::avx2::xor_8_blocks(avx2, &self.at(block), &mut stream);
                xor(rest, &*stream);
                return;
            }
        }
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        let _ = cpu;
        while rest.len() > BLOCK {
            let (now, later) = rest.split_at_mut(rest.len().min(4 * BLOCK));
            self.xor_lanes::<4>(block, now);
            block += 4;
            rest = later;
        }
        if !rest.is_empty() {
            self.xor_lanes::<1>(block, rest);
        }
    }

    fn at(&self, block: u64) -> [u32; 16] {
        let mut state = self.state;
        (state[8], state[9]) = (block as u32, (block >> 32) as u32);
        state
    }

    fn xor_lanes<const N: usize>(&self, block: u64, data: &mut [u8]) {
        let mut start = Lanes::<N>::splat(&self.state);
        for lane in 0..N {
            let number = block + lane as u64;
            start.0[8][lane] = number as u32;
            start.0[9][lane] = (number >> 32) as u32;
        }
        let mut words = start.clone();
        words.rounds();
        for (word, start) in words.0.iter_mut().zip(&start.0) {
            for (word, start) in word.iter_mut().zip(start) {
                *word = word.wrapping_add(*start);
            }
        }
        for (lane, piece) in data.chunks_mut(BLOCK).enumerate() {
            let mut stream = [0; BLOCK];
            for (out, word) in stream.as_chunks_mut::<4>().0.iter_mut().zip(&words.0) {
                *out = word[lane].to_le_bytes();
            }
            xor(piece, &stream);
        }
        words.0.zeroize();
    }
}

impl Drop for Salsa20 {
    fn drop(&mut self) {
        self.state.zeroize();
    }
}

/// The state of `N` blocks, word by word.
#[derive(Clone)]
struct Lanes<const N: usize>([[u32; N]; 16]);

impl<const N: usize> Lanes<N> {
    fn splat(state: &[u32; 16]) -> Self {
        Self(state.map(|word| [word; N]))
    }

    #[inline]
    fn rounds(&mut self) {
        for _ in 0..DOUBLE_ROUNDS {
            for [a, b, c, d] in QUARTERS {
                self.step::<7>(b, a, d);
                self.step::<9>(c, b, a);
                self.step::<13>(d, c, b);
                self.step::<18>(a, d, c);
            }
        }
    }

    #[inline(always)]
    fn step<const BITS: u32>(&mut self, target: usize, one: usize, other: usize) {
        for lane in 0..N {
            let sum = self.0[one][lane].wrapping_add(self.0[other][lane]);
            self.0[target][lane] ^= sum.rotate_left(BITS);
        }
    }
}

fn state(key: &[u8; 32], input: &[u8; 16]) -> [u32; 16] {
    let word = |bytes: &[u8], at: usize| {
        let (words, _) = bytes.as_chunks::<4>();
        u32::from_le_bytes(words[at])
    };
    let mut state = [0; 16];
    for at in 0..4 {
        state[5 * at] = CONSTANTS[at];
        state[1 + at] = word(key, at);
        state[6 + at] = word(input, at);
        state[11 + at] = word(key, 4 + at);
    }
    state
}

fn xor(data: &mut [u8], stream: &[u8]) {
    for (byte, stream) in data.iter_mut().zip(stream) {
        *byte ^= stream;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use salsa20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};

    use super::*;

    fn cpus() -> [Cpu; 2] {
        [Cpu::portable(), Cpu::detect()]
    }

    // The vectors of section 8 of "Cryptography in NaCl".
    #[test]
    fn hsalsa20_known_answers() {
        let shared = [
            0x4A, 0x5D, 0x9D, 0x5B, 0xA4, 0xCE, 0x2D, 0xE1, 0x72, 0x8E, 0x3B, 0xF4, 0x80, 0x35,
            0x0F, 0x25, 0xE0, 0x7E, 0x21, 0xC9, 0x47, 0xD1, 0x9E, 0x33, 0x76, 0xF0, 0x9B, 0x3C,
            0x1E, 0x16, 0x17, 0x42,
        ];
        let first = [
            0x1B, 0x27, 0x55, 0x64, 0x73, 0xE9, 0x85, 0xD4, 0x62, 0xCD, 0x51, 0x19, 0x7A, 0x9A,
            0x46, 0xC7, 0x60, 0x09, 0x54, 0x9E, 0xAC, 0x64, 0x74, 0xF2, 0x06, 0xC4, 0xEE, 0x08,
            0x44, 0xF6, 0x83, 0x89,
        ];
        assert_eq!(*hsalsa20(&shared, &[0; 16]), first);
        let prefix = [
            0x69, 0x69, 0x6E, 0xE9, 0x55, 0xB6, 0x2B, 0x73, 0xCD, 0x62, 0xBD, 0xA8, 0x75, 0xFC,
            0x73, 0xD6,
        ];
        let second = [
            0xDC, 0x90, 0x8D, 0xDA, 0x0B, 0x93, 0x44, 0xA9, 0x53, 0x62, 0x9B, 0x73, 0x38, 0x20,
            0x77, 0x88, 0x80, 0xF3, 0xCE, 0xB4, 0x21, 0xBB, 0x61, 0xB9, 0x1C, 0xBD, 0x4C, 0x3E,
            0x66, 0x25, 0x6C, 0xE4,
        ];
        assert_eq!(*hsalsa20(&first, &prefix), second);
    }

    // Set 1, vector 0 of the eSTREAM vectors for 256-bit keys.
    #[test]
    fn salsa20_known_answer() {
        let mut key = [0; 32];
        key[0] = 0x80;
        let begin = [
            0xE3, 0xBE, 0x8F, 0xDD, 0x8B, 0xEC, 0xA2, 0xE3, 0xEA, 0x8E, 0xF9, 0x47, 0x5B, 0x29,
            0xA6, 0xE7,
        ];
        for cpu in cpus() {
            let mut data = [0; 600];
            Salsa20::new(&key, &[0; 8]).apply(cpu, 0, &mut data);
            assert_eq!(data[..16], begin);
        }
    }

    proptest! {
        /// Every length and every start gives what an independent implementation gives.
        #[test]
        fn agrees_with_another_implementation(
            key: [u8; 32],
            nonce: [u8; 8],
            block in prop_oneof![0_u64..20, (u64::from(u32::MAX) - 9)..=u64::from(u32::MAX) + 1],
            data in prop::collection::vec(any::<u8>(), 0..1800),
        ) {
            let mut expected = data.clone();
            let mut cipher = salsa20::Salsa20::new(&key.into(), &nonce.into());
            cipher.seek(block * BLOCK as u64);
            cipher.apply_keystream(&mut expected);
            for cpu in cpus() {
                let mut ours = data.clone();
                Salsa20::new(&key, &nonce).apply(cpu, block, &mut ours);
                prop_assert_eq!(&ours, &expected);
            }
        }
    }
}
