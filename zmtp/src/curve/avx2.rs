//! Salsa20 and Poly1305 in vectors of 256 bits, for x86 processors with AVX2, and what more there is
//! to gain from AVX-512.
//!
//! Everything here is safe code: the intrinsics compute on values only, and the token that each
//! function takes proves that the processor has what they need. The portable code beside it is the
//! specification; tests hold the two against each other.

#[cfg(target_arch = "x86")]
use core::arch::x86::*;
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::*;

use fearless_simd::prelude::*;
use fearless_simd::{Avx2, kernel, u8x32};

use super::poly1305::{Limbs, multiply};
use super::salsa::{BLOCK, DOUBLE_ROUNDS};

type Vector = __m256i;

/// The state of two blocks, one in each half of the vectors, along its diagonals.
type Diagonals = [Vector; 4];

kernel!(
    /// Xors two blocks of key stream onto `data`, from block number `first` on.
    pub(super) fn xor_2_blocks(
        avx2: Avx2,
        start: &[[u32; 4]; 4],
        first: u64,
        data: &mut [u8; 2 * BLOCK],
    ) {
        xor_blocks(avx2, start, first, &mut [data]);
    }
);

kernel!(
    /// Xors six blocks of key stream onto `data`, from block number `first` on: as many as there
    /// are registers for.
    pub(super) fn xor_6_blocks(
        avx2: Avx2,
        start: &[[u32; 4]; 4],
        first: u64,
        data: &mut [u8; 6 * BLOCK],
    ) {
        if let ([one, two, three], []) = data.as_chunks_mut::<{ 2 * BLOCK }>() {
            xor_blocks(avx2, start, first, &mut [one, two, three]);
        }
    }
);

kernel!(
    /// The same for twelve blocks, on processors with AVX-512: they have twice the registers, and
    /// one instruction for a rotation.
    #[inline]
    pub(super) fn xor_12_blocks(
        avx512: Avx512,
        avx2: Avx2,
        start: &[[u32; 4]; 4],
        first: u64,
        data: &mut [u8; 12 * BLOCK],
    ) {
        if let ([one, two, three, four, five, six], []) = data.as_chunks_mut::<{ 2 * BLOCK }>() {
            xor_blocks(avx2, start, first, &mut [one, two, three, four, five, six]);
        }
    }
);

/// Xors two blocks onto each of the pieces. The pieces are computed side by side, for one of them
/// alone would leave the processor waiting for itself.
#[inline]
#[target_feature(enable = "avx2")]
fn xor_blocks<const N: usize>(
    avx2: Avx2,
    start: &[[u32; 4]; 4],
    first: u64,
    pieces: &mut [&mut [u8; 2 * BLOCK]; N],
) {
    let [a, b, c, d] = start.map(|words| {
        let [w0, w1, w2, w3] = words.map(u32::cast_signed);
        _mm256_setr_epi32(w0, w1, w2, w3, w0, w1, w2, w3)
    });
    let mut starts = [[a, b, c, d]; N];
    for (piece, [_, b, c, _]) in starts.iter_mut().enumerate() {
        let one = first.wrapping_add(2 * piece as u64);
        let other = one.wrapping_add(1);
        // The low half of a block's number is word 8, the high half word 9; both were zero.
        let low = |number: u64| i64::from(number as u32);
        let high = |number: u64| (number & !0xFFFF_FFFF).cast_signed();
        *c = _mm256_or_si256(*c, _mm256_setr_epi64x(low(one), 0, low(other), 0));
        *b = _mm256_or_si256(*b, _mm256_setr_epi64x(high(one), 0, high(other), 0));
    }
    let mut states = starts;
    for _ in 0..DOUBLE_ROUNDS {
        half_round(&mut states);
        for [_, b, c, d] in &mut states {
            (*b, *c, *d) = (turn::<0x93>(*b), turn::<0x4E>(*c), turn::<0x39>(*d));
            core::mem::swap(b, d);
        }
        half_round(&mut states);
        for [_, b, c, d] in &mut states {
            (*b, *c, *d) = (turn::<0x93>(*b), turn::<0x4E>(*c), turn::<0x39>(*d));
            core::mem::swap(b, d);
        }
    }
    for ((piece, state), start) in pieces.iter_mut().zip(states).zip(starts) {
        let mut state = state;
        for (word, start) in state.iter_mut().zip(start) {
            *word = _mm256_add_epi32(*word, start);
        }
        let (quarters, _) = piece.as_chunks_mut::<32>();
        for (quarter, stream) in quarters.iter_mut().zip(rows(state)) {
            let mixed = _mm256_xor_si256(load(avx2, quarter), stream);
            u8x32::simd_from(avx2, mixed).store_slice(quarter);
        }
    }
}

/// Quarter rounds of all columns, or of all rows, of all states.
#[inline]
#[target_feature(enable = "avx2")]
fn half_round<const N: usize>(states: &mut [Diagonals; N]) {
    for [a, b, _, d] in &mut *states {
        *b = step::<7, 25>(*b, *a, *d);
    }
    for [a, b, c, _] in &mut *states {
        *c = step::<9, 23>(*c, *b, *a);
    }
    for [_, b, c, d] in &mut *states {
        *d = step::<13, 19>(*d, *c, *b);
    }
    for [a, _, c, d] in &mut *states {
        *a = step::<18, 14>(*a, *d, *c);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn step<const LEFT: i32, const RIGHT: i32>(target: Vector, one: Vector, other: Vector) -> Vector {
    let sum = _mm256_add_epi32(one, other);
    // Where there is an instruction that rotates, this is it.
    let rotated = _mm256_or_si256(
        _mm256_slli_epi32::<LEFT>(sum),
        _mm256_srli_epi32::<RIGHT>(sum),
    );
    _mm256_xor_si256(target, rotated)
}

/// Turns the words within each half.
#[inline]
#[target_feature(enable = "avx2")]
fn turn<const ORDER: i32>(vector: Vector) -> Vector {
    _mm256_shuffle_epi32::<ORDER>(vector)
}

/// From diagonals to rows, and from two blocks side by side to one after the other.
#[inline]
#[target_feature(enable = "avx2")]
fn rows([a, b, c, d]: Diagonals) -> [Vector; 4] {
    let (ad, cb) = (
        _mm256_blend_epi32::<0x22>(a, d),
        _mm256_blend_epi32::<0x88>(c, b),
    );
    let (ba, dc) = (
        _mm256_blend_epi32::<0x22>(b, a),
        _mm256_blend_epi32::<0x88>(d, c),
    );
    let (c_b, a_d) = (
        _mm256_blend_epi32::<0x22>(c, b),
        _mm256_blend_epi32::<0x88>(a, d),
    );
    let (d_c, b_a) = (
        _mm256_blend_epi32::<0x22>(d, c),
        _mm256_blend_epi32::<0x88>(b, a),
    );
    let row0 = _mm256_blend_epi32::<0xCC>(ad, cb);
    let row1 = _mm256_blend_epi32::<0xCC>(ba, dc);
    let row2 = _mm256_blend_epi32::<0xCC>(c_b, a_d);
    let row3 = _mm256_blend_epi32::<0xCC>(d_c, b_a);
    [
        _mm256_permute2x128_si256::<0x20>(row0, row1),
        _mm256_permute2x128_si256::<0x20>(row2, row3),
        _mm256_permute2x128_si256::<0x31>(row0, row1),
        _mm256_permute2x128_si256::<0x31>(row2, row3),
    ]
}

#[inline(always)]
fn load(avx2: Avx2, bytes: &[u8; 32]) -> Vector {
    u8x32::from_slice(avx2, bytes).into()
}

/// A number modulo 2^130 - 5 in each of four lanes, in limbs of 26 bits.
type Lanes = [Vector; 5];

const MASK_26: u64 = (1 << 26) - 1;

kernel!(
    /// The value of Poly1305's polynomial at `r` for a message of whole blocks, four to a group.
    ///
    /// Each lane sums every fourth block with the powers of r^4; in the end the lanes are
    /// multiplied by r^4 to r and added.
    pub(super) fn poly1305(avx2: Avx2, r: &Limbs, groups: &[[u8; 64]]) -> Limbs {
        let Some((first, groups)) = groups.split_first() else {
            return [0; 3];
        };
        let r2 = multiply(*r, *r);
        let r3 = multiply(r2, *r);
        let r4 = multiply(r2, r2);
        let one = with_fivefold(lanes([r4, r4, r4, r4]));
        let r8 = multiply(r4, r4);
        let two = with_fivefold(lanes([r8, r8, r8, r8]));
        let mut sum = blocks(avx2, first);
        let (pairs, last) = groups.as_chunks::<2>();
        for [group, next] in pairs {
            // Only one of the two products waits for the sum.
            let product = add(mul(sum, &two), mul(blocks(avx2, group), &one));
            sum = add(carry(product), blocks(avx2, next));
        }
        if let [group] = last {
            sum = add(carry(mul(sum, &one)), blocks(avx2, group));
        }
        let sum = carry(mul(sum, &with_fivefold(lanes([r4, r2, r3, *r]))));
        let mut limbs = [0; 5];
        for (limb, lanes) in limbs.iter_mut().zip(sum) {
            let mut bytes = [0; 32];
            u8x32::simd_from(avx2, lanes).store_slice(&mut bytes);
            let (words, _) = bytes.as_chunks::<8>();
            *limb = words.iter().map(|word| u64::from_le_bytes(*word)).sum();
        }
        from_26(limbs)
    }
);

/// The limbs and, beside the last four, their fivefold.
struct Factor {
    limbs: Lanes,
    fivefold: Lanes,
}

#[inline]
#[target_feature(enable = "avx2")]
fn with_fivefold(limbs: Lanes) -> Factor {
    let fivefold = limbs.map(|limb| _mm256_add_epi64(limb, _mm256_slli_epi64::<2>(limb)));
    Factor { limbs, fivefold }
}

/// Puts a number into each lane.
#[inline]
#[target_feature(enable = "avx2")]
fn lanes(numbers: [Limbs; 4]) -> Lanes {
    let [a, b, c, d] = numbers.map(to_26);
    [0, 1, 2, 3, 4].map(|limb| {
        _mm256_setr_epi64x(
            a[limb] as i64,
            b[limb] as i64,
            c[limb] as i64,
            d[limb] as i64,
        )
    })
}

/// Four blocks of a message, in the order 0, 2, 1, 3.
#[inline]
#[target_feature(enable = "avx2")]
fn blocks(avx2: Avx2, group: &[u8; 64]) -> Lanes {
    let (halves, _) = group.as_chunks::<32>();
    let (one, other) = (load(avx2, &halves[0]), load(avx2, &halves[1]));
    let low = _mm256_unpacklo_epi64(one, other);
    let high = _mm256_unpackhi_epi64(one, other);
    let mask = _mm256_set1_epi64x(MASK_26 as i64);
    let across = _mm256_or_si256(_mm256_srli_epi64::<52>(low), _mm256_slli_epi64::<12>(high));
    [
        _mm256_and_si256(low, mask),
        _mm256_and_si256(_mm256_srli_epi64::<26>(low), mask),
        _mm256_and_si256(across, mask),
        _mm256_and_si256(_mm256_srli_epi64::<14>(high), mask),
        _mm256_or_si256(_mm256_srli_epi64::<40>(high), _mm256_set1_epi64x(1 << 24)),
    ]
}

/// The products lane by lane, not carried. Sums of two of them still fit.
#[inline]
#[target_feature(enable = "avx2")]
fn mul(a: Lanes, factor: &Factor) -> Lanes {
    let (b, b5) = (&factor.limbs, &factor.fivefold);
    let mut d = [_mm256_setzero_si256(); 5];
    for (at, sum) in d.iter_mut().enumerate() {
        *sum = _mm256_mul_epu32(a[0], b[at]);
        for limb in 1..5 {
            let other = if limb <= at {
                b[at - limb]
            } else {
                b5[at + 5 - limb]
            };
            *sum = _mm256_add_epi64(*sum, _mm256_mul_epu32(a[limb], other));
        }
    }
    d
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(mut a: Lanes, b: Lanes) -> Lanes {
    for (a, b) in a.iter_mut().zip(b) {
        *a = _mm256_add_epi64(*a, b);
    }
    a
}

/// Carries so far that the number can be added to and multiplied again.
#[inline]
#[target_feature(enable = "avx2")]
fn carry(mut d: Lanes) -> Lanes {
    let mask = _mm256_set1_epi64x(MASK_26 as i64);
    macro_rules! carry {
        ($from:literal to $to:literal) => {
            d[$to] = _mm256_add_epi64(d[$to], _mm256_srli_epi64::<26>(d[$from]));
            d[$from] = _mm256_and_si256(d[$from], mask);
        };
    }
    // Two chains side by side; from the last limb to the first five times as much.
    carry!(0 to 1);
    carry!(3 to 4);
    carry!(1 to 2);
    let over = _mm256_srli_epi64::<26>(d[4]);
    d[4] = _mm256_and_si256(d[4], mask);
    let fivefold = _mm256_add_epi64(over, _mm256_slli_epi64::<2>(over));
    d[0] = _mm256_add_epi64(d[0], fivefold);
    carry!(2 to 3);
    carry!(0 to 1);
    carry!(3 to 4);
    d
}

fn to_26(limbs: Limbs) -> [u64; 5] {
    let [h0, h1, h2] = carried(limbs);
    [
        h0 & MASK_26,
        (h0 >> 26 | h1 << 18) & MASK_26,
        (h1 >> 8) & MASK_26,
        (h1 >> 34 | h2 << 10) & MASK_26,
        h2 >> 16,
    ]
}

/// Brings the limbs below 2^44 but for the last.
fn carried([mut h0, mut h1, mut h2]: Limbs) -> Limbs {
    const MASK: u64 = (1 << 44) - 1;
    h1 += h0 >> 44;
    h0 &= MASK;
    h2 += h1 >> 44;
    h1 &= MASK;
    [h0, h1, h2]
}

fn from_26(limbs: [u64; 5]) -> Limbs {
    let [t0, t1, t2, t3, t4] = limbs;
    const MASK: u64 = (1 << 44) - 1;
    // Each limb has at most 30 bits; shifted ones are split at the borders of 44 bits.
    let h0 = t0 + (t1 << 26);
    let h1 = (h0 >> 44) + (t2 << 8) + (t3 << 34 & MASK);
    let h2 = (h1 >> 44) + (t3 >> 10) + (t4 << 16);
    carried([h0 & MASK, h1 & MASK, h2])
}
