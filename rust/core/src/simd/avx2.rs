//! AVX2 with FMA: 8 float32 lanes, 32 int8 products per instruction pair.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _MM_HINT_T1, _mm_add_epi32, _mm_add_ps, _mm_cvtsi128_si32,
    _mm_cvtss_f32, _mm_movehl_ps, _mm_prefetch, _mm_shuffle_epi32, _mm_shuffle_ps, _mm256_abs_epi8,
    _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castps256_ps128,
    _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_cvtepu16_epi32, _mm256_extractf128_ps,
    _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_load_si256, _mm256_loadu_ps,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_setr_epi64x, _mm256_setzero_ps,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_sign_epi8, _mm256_slli_epi16,
    _mm256_slli_epi32, _mm256_srli_epi16, _mm256_storeu_si256, _mm256_sub_epi16, _mm256_xor_si256,
};

use super::{Bound, LANES, Line, Planes, scalar};

compiled_for!("avx2,fma");

/// Eight accumulators of eight lanes: the 64 virtual lanes in order.
type Sums = [__m256; 8];

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(lanes: &[f32; 8]) -> __m256 {
    // SAFETY: the reference covers the 32 bytes that are read; no alignment is asked for.
    unsafe { _mm256_loadu_ps(lanes.as_ptr()) }
}

#[repr(C, align(32))]
struct HalfLine([u8; 32]);

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_line(line: &Line) -> [__m256i; 2] {
    let halves = std::ptr::from_ref(line).cast::<HalfLine>();
    // SAFETY: the first half of a `Line`, which is 64 bytes aligned to 64.
    let first = unsafe { _mm256_load_si256(halves.cast()) };
    let second = halves.wrapping_add(1);
    // SAFETY: the second half of the same `Line`.
    let second = unsafe { _mm256_load_si256(second.cast()) };
    [first, second]
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn multiply_add(sums: &mut Sums, x: &[f32; LANES], y: &[f32; LANES]) {
    let (x, _) = x.as_chunks::<8>();
    let (y, _) = y.as_chunks::<8>();
    for part in 0..8 {
        sums[part] = _mm256_fmadd_ps(load(&x[part]), load(&y[part]), sums[part]);
    }
}

/// The folding tree of `scalar::fold`; lanes 0-7 and 8-15 of its first step are `low` and `high`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn fold(sums: Sums) -> f32 {
    let low = _mm256_add_ps(
        _mm256_add_ps(sums[0], sums[2]),
        _mm256_add_ps(sums[4], sums[6]),
    );
    let high = _mm256_add_ps(
        _mm256_add_ps(sums[1], sums[3]),
        _mm256_add_ps(sums[5], sums[7]),
    );
    let eight = _mm256_add_ps(low, high);
    let four = _mm_add_ps(
        _mm256_castps256_ps128(eight),
        _mm256_extractf128_ps::<1>(eight),
    );
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ps(two, _mm_shuffle_ps::<1>(two, two)))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [_mm256_setzero_ps(); 8];
    let (a_blocks, a_tail) = a.as_chunks::<LANES>();
    let (b_blocks, b_tail) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        multiply_add(&mut sums, x, y);
    }
    if !a_tail.is_empty() {
        multiply_add(&mut sums, &scalar::padded(a_tail), &scalar::padded(b_tail));
    }
    fold(sums)
}

#[target_feature(enable = "avx2,fma")]
pub fn dots_into(query: &[f32], rows: &[f32], out: &mut [f32]) {
    for (row, score) in out.iter_mut().enumerate() {
        *score = dot(query, &rows[row * query.len()..(row + 1) * query.len()]);
    }
}

/// Row by row: sixteen registers hold the sums of one query only, but the row stays in the cache.
#[target_feature(enable = "avx2,fma")]
pub fn dots4_into(queries: [&[f32]; 4], rows: &[f32], out: [&mut [f32]; 4]) {
    let dim = queries[0].len();
    let [out0, out1, out2, out3] = out;
    for position in 0..out0.len() {
        let row = &rows[position * dim..(position + 1) * dim];
        out0[position] = dot(queries[0], row);
        out1[position] = dot(queries[1], row);
        out2[position] = dot(queries[2], row);
        out3[position] = dot(queries[3], row);
    }
}

#[target_feature(enable = "avx2,fma")]
pub fn prefetch(row: &[f32]) {
    for numbers in row.chunks(16) {
        _mm_prefetch::<_MM_HINT_T1>(numbers.as_ptr().cast());
    }
}

#[target_feature(enable = "avx2,fma")]
pub fn code_dots_into(query: Planes<'_>, codes: &[Line], out: &mut [i32]) {
    let width = query.high.len();
    for (row, dot) in out.iter_mut().enumerate() {
        let mut sum = _mm256_setzero_si256();
        for (line, codes) in codes[row * width..(row + 1) * width].iter().enumerate() {
            let high = load_line(&query.high[line]);
            let low = load_line(&query.low[line]);
            let codes = load_line(codes);
            for half in 0..2 {
                sum = add_products(sum, codes[half], high[half], low[half]);
            }
        }
        *dot = fold_codes(sum);
    }
}

/// Add the 32 products of both planes. Neither factor exceeds 127 in absolute value, so a pair of
/// products stays at 32,258 and `maddubs` never saturates.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_products(sum: __m256i, codes: __m256i, high: __m256i, low: __m256i) -> __m256i {
    let codes = _mm256_xor_si256(codes, _mm256_set1_epi8(i8::MIN));
    let magnitude = _mm256_abs_epi8(codes);
    let high = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(high, codes));
    let low = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(low, codes));
    let sum = _mm256_add_epi32(sum, _mm256_madd_epi16(high, _mm256_set1_epi16(128)));
    _mm256_add_epi32(sum, _mm256_madd_epi16(low, _mm256_set1_epi16(1)))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn fold_codes(sum: __m256i) -> i32 {
    let four: __m128i = _mm_add_epi32(
        _mm256_castsi256_si128(sum),
        _mm256_extracti128_si256::<1>(sum),
    );
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b0100_1110>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b1011_0001>(two)))
}

#[target_feature(enable = "avx2,fma")]
pub fn reaching(floor: f32, bound: Bound, dots: &[i32], steps: &[f32], residuals: &[f32]) -> u64 {
    scalar::reaching(floor, bound, dots, steps, residuals)
}

#[target_feature(enable = "avx2,fma")]
pub fn sign_sums_into(query: &[Line], words: &[u64], out: &mut [i32]) {
    let width = query.len();
    for (row, sum) in out.iter_mut().enumerate() {
        let mut all = _mm256_setzero_si256();
        for (line, word) in query.iter().zip(&words[row * width..(row + 1) * width]) {
            let [front, back] = load_line(line);
            #[expect(clippy::cast_possible_truncation, reason = "half of the word")]
            let halves = [(front, *word as u32), (back, (*word >> 32) as u32)];
            for (numbers, bits) in halves {
                let chosen = _mm256_and_si256(numbers, spread(bits));
                let pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), chosen);
                let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
                all = _mm256_add_epi32(all, fours);
            }
        }
        *sum = fold_codes(all);
    }
}

/// Each bit as a byte of its own: all ones, or zero.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn spread(bits: u32) -> __m256i {
    let bytes = _mm256_shuffle_epi8(
        _mm256_set1_epi32(bits.cast_signed()),
        _mm256_setr_epi64x(
            0,
            0x0101_0101_0101_0101,
            0x0202_0202_0202_0202,
            0x0303_0303_0303_0303,
        ),
    );
    let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
    _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit)
}

/// Rows of a block, half of them in the low nibbles.
const HALF: usize = LANES / 2;

/// Half a line has the nibbles of one place; sums of 16 bits wrap, and what wrapped is taken back.
#[target_feature(enable = "avx2,fma")]
pub fn nibble_sums_into(tables: &[Line], codes: &[Line], out: &mut [u16; LANES]) {
    let nibble = _mm256_set1_epi8(0x0F);
    // Per nibble: both bytes of each pair together, and the odd ones alone.
    let mut sums = [[_mm256_setzero_si256(); 2]; 2];
    for (tables, codes) in tables.iter().zip(codes) {
        for (table, codes) in load_line(tables).into_iter().zip(load_line(codes)) {
            let nibbles = [
                _mm256_and_si256(codes, nibble),
                _mm256_and_si256(_mm256_srli_epi16::<4>(codes), nibble),
            ];
            for ([both, odd], nibbles) in sums.iter_mut().zip(nibbles) {
                let entries = _mm256_shuffle_epi8(table, nibbles);
                *both = _mm256_add_epi16(*both, entries);
                *odd = _mm256_add_epi16(*odd, _mm256_srli_epi16::<8>(entries));
            }
        }
    }
    for (half, [both, odd]) in out.as_chunks_mut::<HALF>().0.iter_mut().zip(sums) {
        let even = _mm256_sub_epi16(both, _mm256_slli_epi16::<8>(odd));
        let sides = [
            (_mm256_castsi256_si128(even), _mm256_castsi256_si128(odd)),
            (
                _mm256_extracti128_si256::<1>(even),
                _mm256_extracti128_si256::<1>(odd),
            ),
        ];
        for (out, (even, odd)) in half.as_chunks_mut::<16>().0.iter_mut().zip(sides) {
            let even = _mm256_cvtepu16_epi32(even);
            let odd = _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(odd));
            store(_mm256_or_si256(even, odd), out);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn store(numbers: __m256i, out: &mut [u16; 16]) {
    // SAFETY: the reference covers the 32 bytes that are written; no alignment is asked for.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), numbers) }
}
