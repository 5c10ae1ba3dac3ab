//! Salsa20, the stream cipher, and HSalsa20, which makes XSalsa20 of it.
//!
//! The state is a square of 4 × 4 words. A half round works on all of its columns at once, the next
//! on all rows, which is the same on the transposed square. So the state is held along its
//! diagonals: four vectors of four words each, of which every half round combines whole vectors, and
//! between half rounds three of them turn:
//!
//! ```text
//!  x0  x1  x2  x3        a: x0  x5  x10 x15
//!  x4  x5  x6  x7        b: x4  x9  x14 x3
//!  x8  x9  x10 x11       c: x8  x13 x2  x7
//!  x12 x13 x14 x15       d: x12 x1  x6  x11
//! ```
//!
//! Here this is written for arrays, which compilers put into the vectors that every processor has;
//! the module [`avx2`](super::avx2) has it once more for twice as wide ones, several side by side.
//! The constants and rotations are those of the Salsa20 specification.

use zeroize::Zeroize;

use super::cpu::Cpu;

/// The length of a block, in bytes.
pub(super) const BLOCK: usize = 64;

/// The number of rounds is twenty.
pub(super) const DOUBLE_ROUNDS: usize = 10;

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646E, 0x7962_2D32, 0x6B20_6574];

/// The words of the state along its diagonals.
type Diagonals = [[u32; 4]; 4];

/// Which words stand where in [`Diagonals`].
const PLACES: [[usize; 4]; 4] = [[0, 5, 10, 15], [4, 9, 14, 3], [8, 13, 2, 7], [12, 1, 6, 11]];

/// Derives the key of XSalsa20 for all nonces that begin with `prefix`.
///
/// It is written to its place at once, so that no copy is left behind by a move.
pub(super) fn hsalsa20(key: &[u8; 32], prefix: &[u8; 16], derived: &mut [u8; 32]) {
    let mut state = diagonals(key, prefix);
    rounds(&mut state);
    let mut words = square(&state);
    let picked = [0, 5, 10, 15, 6, 7, 8, 9];
    for (out, word) in derived.as_chunks_mut::<4>().0.iter_mut().zip(picked) {
        *out = words[word].to_le_bytes();
    }
    state.zeroize();
    words.zeroize();
}

/// The key stream of one key and nonce.
///
/// The key is overwritten in the end. Pieces of the stream are not: they are worth what the text is
/// that stands beside them.
pub(super) struct Salsa20 {
    start: Diagonals,
}

impl Salsa20 {
    pub(super) fn new(key: &[u8; 32], nonce: &[u8; 8]) -> Self {
        let mut input = [0; 16];
        input[..8].copy_from_slice(nonce);
        Self {
            start: diagonals(key, &input),
        }
    }

    /// Xors the key stream onto `data`, from the beginning of block number `block` on.
    pub(super) fn apply(&self, cpu: Cpu, mut block: u64, data: &mut [u8]) {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        if let Some(avx2) = cpu.avx2() {
            return self.apply_avx2(cpu, avx2, block, data);
        }
        let _ = cpu;
        let mut start = self.start;
        for piece in data.chunks_mut(BLOCK) {
            number(&mut start, block);
            let mut state = start;
            rounds(&mut state);
            for (words, start) in state.iter_mut().zip(&start) {
                for (word, start) in words.iter_mut().zip(start) {
                    *word = word.wrapping_add(*start);
                }
            }
            let mut stream = [0; BLOCK];
            for (out, word) in stream.as_chunks_mut::<4>().0.iter_mut().zip(square(&state)) {
                *out = word.to_le_bytes();
            }
            xor(piece, &stream);
            block += 1;
        }
        start.zeroize();
    }

    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    fn apply_avx2(&self, cpu: Cpu, avx2: fearless_simd::Avx2, mut block: u64, mut data: &mut [u8]) {
        use super::avx2::{xor_2_blocks, xor_6_blocks, xor_12_blocks};

        if let Some(avx512) = cpu.avx512() {
            let (groups, rest) = data.as_chunks_mut::<{ 12 * BLOCK }>();
            for group in groups {
                xor_12_blocks(avx512, avx2, &self.start, block, group);
                block += 12;
            }
            data = rest;
        }
        let (groups, rest) = data.as_chunks_mut::<{ 6 * BLOCK }>();
        for group in groups {
            xor_6_blocks(avx2, &self.start, block, group);
            block += 6;
        }
        if rest.len() > 2 * BLOCK {
            let mut stream = [0; 6 * BLOCK];
            xor_6_blocks(avx2, &self.start, block, &mut stream);
            return xor(rest, &stream);
        }
        if let Ok(whole) = <&mut [u8; 2 * BLOCK]>::try_from(&mut *rest) {
            return xor_2_blocks(avx2, &self.start, block, whole);
        }
        if !rest.is_empty() {
            let mut stream = [0; 2 * BLOCK];
            xor_2_blocks(avx2, &self.start, block, &mut stream);
            xor(rest, &stream);
        }
    }
}

impl Drop for Salsa20 {
    fn drop(&mut self) {
        self.start.zeroize();
    }
}

/// Gives a state the number of its block, words 8 and 9.
#[inline]
const fn number(state: &mut Diagonals, block: u64) {
    state[2][0] = block as u32;
    state[1][1] = (block >> 32) as u32;
}

fn diagonals(key: &[u8; 32], input: &[u8; 16]) -> Diagonals {
    let word = |bytes: &[u8], at: usize| {
        let (words, _) = bytes.as_chunks::<4>();
        u32::from_le_bytes(words[at])
    };
    let mut square = [0; 16];
    for at in 0..4 {
        square[5 * at] = CONSTANTS[at];
        square[1 + at] = word(key, at);
        square[6 + at] = word(input, at);
        square[11 + at] = word(key, 4 + at);
    }
    let state = PLACES.map(|places| places.map(|place| square[place]));
    square.zeroize();
    state
}

fn square(state: &Diagonals) -> [u32; 16] {
    let mut square = [0; 16];
    for (places, words) in PLACES.iter().zip(state) {
        for (place, word) in places.iter().zip(words) {
            square[*place] = *word;
        }
    }
    square
}

#[inline]
fn rounds([a, b, c, d]: &mut Diagonals) {
    for _ in 0..DOUBLE_ROUNDS {
        half_round(a, b, c, d);
        // The square is transposed: b and d change places, and all but a turn.
        (*b, *c, *d) = (turn(*d, 1), turn(*c, 2), turn(*b, 3));
        half_round(a, b, c, d);
        (*b, *c, *d) = (turn(*d, 1), turn(*c, 2), turn(*b, 3));
    }
}

#[inline(always)]
fn half_round(a: &mut [u32; 4], b: &mut [u32; 4], c: &mut [u32; 4], d: &mut [u32; 4]) {
    step(b, a, d, 7);
    step(c, b, a, 9);
    step(d, c, b, 13);
    step(a, d, c, 18);
}

#[inline(always)]
fn step(target: &mut [u32; 4], one: &[u32; 4], other: &[u32; 4], bits: u32) {
    for lane in 0..4 {
        target[lane] ^= one[lane].wrapping_add(other[lane]).rotate_left(bits);
    }
}

#[inline(always)]
fn turn(words: [u32; 4], by: usize) -> [u32; 4] {
    [0, 1, 2, 3].map(|lane| words[(lane + by) % 4])
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

    fn cpus() -> [Cpu; 3] {
        [Cpu::portable(), Cpu::without_avx512(), Cpu::detect()]
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
        let derive = |key: &[u8; 32], prefix: &[u8; 16]| {
            let mut derived = [0; 32];
            hsalsa20(key, prefix, &mut derived);
            derived
        };
        assert_eq!(derive(&shared, &[0; 16]), first);
        let prefix = [
            0x69, 0x69, 0x6E, 0xE9, 0x55, 0xB6, 0x2B, 0x73, 0xCD, 0x62, 0xBD, 0xA8, 0x75, 0xFC,
            0x73, 0xD6,
        ];
        let second = [
            0xDC, 0x90, 0x8D, 0xDA, 0x0B, 0x93, 0x44, 0xA9, 0x53, 0x62, 0x9B, 0x73, 0x38, 0x20,
            0x77, 0x88, 0x80, 0xF3, 0xCE, 0xB4, 0x21, 0xBB, 0x61, 0xB9, 0x1C, 0xBD, 0x4C, 0x3E,
            0x66, 0x25, 0x6C, 0xE4,
        ];
        assert_eq!(derive(&first, &prefix), second);
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
