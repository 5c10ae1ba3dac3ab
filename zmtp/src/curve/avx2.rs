//! Salsa20 and Poly1305 in vectors of 256 bits, for x86 processors with AVX2.
//!
//! Everything here is safe code: the intrinsics compute on values only, and the token that each
//! function takes proves that the processor has what they need. The portable code beside it is the
//! specification; tests hold the two against each other.

#[cfg(target_arch = "x86")]
use std::arch::x86::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use fearless_simd::prelude::*;
use fearless_simd::{Avx2, kernel, u8x32};

use super::poly1305::{Limbs, multiply};
use super::salsa::{BLOCK, DOUBLE_ROUNDS};

type Vector = __m256i;

macro_rules! quarter_round {
    ($x:ident, $a:literal, $b:literal, $c:literal, $d:literal) => {
        $x[$b] = step::<7, 25>($x[$b], $x[$a], $x[$d]);
        $x[$c] = step::<9, 23>($x[$c], $x[$b], $x[$a]);
        $x[$d] = step::<13, 19>($x[$d], $x[$c], $x[$b]);
        $x[$a] = step::<18, 14>($x[$a], $x[$d], $x[$c]);
    };
}

kernel!(
    /// Xors eight blocks of key stream onto `data`; the state names the first of them.
    pub(super) fn xor_8_blocks(avx2: Avx2, state: &[u32; 16], data: &mut [u8; 8 * BLOCK]) {
        // One vector per word of the state, one lane per block.
        let mut start = state.map(|word| _mm256_set1_epi32(word as i32));
        let first = u64::from(state[8]) | u64::from(state[9]) << 32;
        let number = |lane: u64| first.wrapping_add(lane);
        let low = |lane| number(lane) as i32;
        let high = |lane| (number(lane) >> 32) as i32;
        start[8] = _mm256_setr_epi32(
            low(0),
            low(1),
            low(2),
            low(3),
            low(4),
            low(5),
            low(6),
            low(7),
        );
        start[9] = _mm256_setr_epi32(
            high(0),
            high(1),
            high(2),
            high(3),
            high(4),
            high(5),
            high(6),
            high(7),
        );
        let mut x = start;
        for _ in 0..DOUBLE_ROUNDS {
            quarter_round!(x, 0, 4, 8, 12);
            quarter_round!(x, 5, 9, 13, 1);
            quarter_round!(x, 10, 14, 2, 6);
            quarter_round!(x, 15, 3, 7, 11);
            quarter_round!(x, 0, 1, 2, 3);
            quarter_round!(x, 5, 6, 7, 4);
            quarter_round!(x, 10, 11, 8, 9);
            quarter_round!(x, 15, 12, 13, 14);
        }
        for (word, start) in x.iter_mut().zip(start) {
            *word = _mm256_add_epi32(*word, start);
        }
        // From words side by side to blocks one after another.
        let (pieces, _) = data.as_chunks_mut::<32>();
        let [a0, a1, a2, a3, a4, a5, a6, a7, b @ ..] = x;
        for (half, rows) in [[a0, a1, a2, a3, a4, a5, a6, a7], b]
            .into_iter()
            .enumerate()
        {
            for (block, row) in transpose(rows).into_iter().enumerate() {
                let piece = &mut pieces[2 * block + half];
                let mixed = _mm256_xor_si256(load(avx2, piece), row);
                u8x32::simd_from(avx2, mixed).store_slice(piece);
            }
        }
    }
);

#[inline]
#[target_feature(enable = "avx2")]
fn step<const LEFT: i32, const RIGHT: i32>(target: Vector, one: Vector, other: Vector) -> Vector {
    let sum = _mm256_add_epi32(one, other);
    let rotated = _mm256_or_si256(
        _mm256_slli_epi32::<LEFT>(sum),
        _mm256_srli_epi32::<RIGHT>(sum),
    );
    _mm256_xor_si256(target, rotated)
}

#[inline]
#[target_feature(enable = "avx2")]
fn transpose(rows: [Vector; 8]) -> [Vector; 8] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    let (t0, t1) = (_mm256_unpacklo_epi32(r0, r1), _mm256_unpackhi_epi32(r0, r1));
    let (t2, t3) = (_mm256_unpacklo_epi32(r2, r3), _mm256_unpackhi_epi32(r2, r3));
    let (t4, t5) = (_mm256_unpacklo_epi32(r4, r5), _mm256_unpackhi_epi32(r4, r5));
    let (t6, t7) = (_mm256_unpacklo_epi32(r6, r7), _mm256_unpackhi_epi32(r6, r7));
    let (u0, u1) = (_mm256_unpacklo_epi64(t0, t2), _mm256_unpackhi_epi64(t0, t2));
    let (u2, u3) = (_mm256_unpacklo_epi64(t1, t3), _mm256_unpackhi_epi64(t1, t3));
    let (u4, u5) = (_mm256_unpacklo_epi64(t4, t6), _mm256_unpackhi_epi64(t4, t6));
    let (u6, u7) = (_mm256_unpacklo_epi64(t5, t7), _mm256_unpackhi_epi64(t5, t7));
    [
        _mm256_permute2x128_si256::<0x20>(u0, u4),
        _mm256_permute2x128_si256::<0x20>(u1, u5),
        _mm256_permute2x128_si256::<0x20>(u2, u6),
        _mm256_permute2x128_si256::<0x20>(u3, u7),
        _mm256_permute2x128_si256::<0x31>(u0, u4),
        _mm256_permute2x128_si256::<0x31>(u1, u5),
        _mm256_permute2x128_si256::<0x31>(u2, u6),
        _mm256_permute2x128_si256::<0x31>(u3, u7),
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
        let step = with_fivefold(lanes([r4, r4, r4, r4]));
        let mut sum = blocks(avx2, first);
        for group in groups {
            sum = mul(sum, &step);
            for (limb, block) in sum.iter_mut().zip(blocks(avx2, group)) {
                *limb = _mm256_add_epi64(*limb, block);
            }
        }
        let sum = mul(sum, &with_fivefold(lanes([r4, r2, r3, *r])));
        let mut limbs = [0; 5];
        for (limb, lanes) in limbs.iter_mut().zip(sum) {
            *limb = [
                _mm256_extract_epi64::<0>(lanes),
                _mm256_extract_epi64::<1>(lanes),
                _mm256_extract_epi64::<2>(lanes),
                _mm256_extract_epi64::<3>(lanes),
            ]
            .into_iter()
            .sum::<i64>() as u64;
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

/// The products lane by lane, carried so far that they can be added to and multiplied again.
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
