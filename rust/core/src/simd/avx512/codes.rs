//! The kernels over codes and signs, whose sums are of integers: their order is free.

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _CMP_GE_OQ, _MM_HINT_T0, _mm_add_epi32, _mm_prefetch,
    _mm_set1_epi32, _mm_storeu_si128, _mm_sub_epi32, _mm256_add_epi32, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_hadd_epi32, _mm256_setzero_si256, _mm512_add_epi32,
    _mm512_add_ps, _mm512_castsi512_si256, _mm512_cmp_ps_mask, _mm512_cvtepi32_ps,
    _mm512_dpbusd_epi32, _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_maskz_mov_epi8,
    _mm512_mul_ps, _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_set1_ps, _mm512_setzero_si512,
    _mm512_slli_epi32,
};

use super::super::{Bound, Line, Planes, scalar};
use super::{load, load_line};

/// How far ahead of the scan its prefetch is.
const PREFETCH_LINES: usize = 96;

/// How far ahead the prefetch of a scan over signs is.
const PREFETCH_WORDS: usize = 256;

/// Ask for the line that the scan will reach some rows later.
///
/// The hardware's own prefetch stops at the end of each 4 kB page, and pages are what large sets
/// have most of.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn prefetch_line(line: &Line) {
    let later = std::ptr::from_ref(line).wrapping_add(PREFETCH_LINES);
    _mm_prefetch::<_MM_HINT_T0>(later.cast());
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn load_integers(lanes: &[i32; 16]) -> __m512i {
    // SAFETY: the reference covers the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn store(numbers: __m128i, out: &mut [i32; 4]) {
    // SAFETY: the reference covers the 16 bytes that are written; no alignment is asked for.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), numbers) }
}

/// Rows are scored four at a time, because a query line then serves four products per load.
///
/// The products are u8 x s8, so each sum carries `128 * sum(query)` too much.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn code_dots_into(query: Planes<'_>, codes: &[Line], out: &mut [i32]) {
    let width = query.high.len();
    let bias = query.sum.wrapping_mul(128);
    let (fours, rest) = out.as_chunks_mut::<4>();
    let (in_fours, in_rest) = codes.split_at(fours.len() * 4 * width);
    for (group, dots) in fours.iter_mut().enumerate() {
        let start = group * 4 * width;
        code_dots4(query, &in_fours[start..start + 4 * width], bias, dots);
    }
    for (row, dot) in rest.iter_mut().enumerate() {
        *dot = code_dot(query, &in_rest[row * width..(row + 1) * width]).wrapping_sub(bias);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn code_dots4(query: Planes<'_>, codes: &[Line], bias: i32, out: &mut [i32; 4]) {
    let (front, back) = codes.split_at(codes.len() / 2);
    let (row0, row1) = front.split_at(front.len() / 2);
    let (row2, row3) = back.split_at(back.len() / 2);
    let lines = row0.iter().zip(row1).zip(row2).zip(row3);
    let mut high = [_mm512_setzero_si512(); 4];
    let mut low = [_mm512_setzero_si512(); 4];
    // In their order in memory: a scan with cold caches takes 0.5 to 0.85 of the time.
    let (in_order, _) = codes.as_chunks::<4>();
    for (((high_line, low_line), (((line0, line1), line2), line3)), together) in
        query.high.iter().zip(query.low).zip(lines).zip(in_order)
    {
        let (high_line, low_line) = (load_line(high_line), load_line(low_line));
        for line in together {
            prefetch_line(line);
        }
        let codes = [
            load_line(line0),
            load_line(line1),
            load_line(line2),
            load_line(line3),
        ];
        for row in 0..4 {
            high[row] = _mm512_dpbusd_epi32(high[row], codes[row], high_line);
            low[row] = _mm512_dpbusd_epi32(low[row], codes[row], low_line);
        }
    }
    let mut halves = [_mm256_setzero_si256(); 4];
    for row in 0..4 {
        halves[row] = fold_planes(high[row], low[row]);
    }
    let four = fold_rows(halves);
    store(_mm_sub_epi32(four, _mm_set1_epi32(bias)), out);
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn code_dot(query: Planes<'_>, codes: &[Line]) -> i32 {
    let mut high = _mm512_setzero_si512();
    let mut low = _mm512_setzero_si512();
    for ((h, l), codes) in query.high.iter().zip(query.low).zip(codes) {
        let codes = load_line(codes);
        high = _mm512_dpbusd_epi32(high, codes, load_line(h));
        low = _mm512_dpbusd_epi32(low, codes, load_line(l));
    }
    _mm512_reduce_add_epi32(_mm512_add_epi32(_mm512_slli_epi32::<7>(high), low))
}

/// Put the planes together and fold sixteen lanes to eight; integer addition wraps, so the order of
/// the sums is free.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn fold_planes(high: __m512i, low: __m512i) -> __m256i {
    let sum = _mm512_add_epi32(_mm512_slli_epi32::<7>(high), low);
    _mm256_add_epi32(
        _mm512_castsi512_si256(sum),
        _mm512_extracti64x4_epi64::<1>(sum),
    )
}

/// The sums of four rows side by side.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn fold_rows(rows: [__m256i; 4]) -> __m128i {
    let pairs = _mm256_hadd_epi32(rows[0], rows[1]);
    let four = _mm256_hadd_epi32(pairs, _mm256_hadd_epi32(rows[2], rows[3]));
    _mm_add_epi32(
        _mm256_castsi256_si128(four),
        _mm256_extracti128_si256::<1>(four),
    )
}

/// Multiplied and added without fusing, as `Bound::of` does it.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn reaching(floor: f32, bound: Bound, dots: &[i32], steps: &[f32], residuals: &[f32]) -> u64 {
    let factor = _mm512_set1_ps(bound.residual_factor);
    let slack = _mm512_set1_ps(bound.slack);
    let (dots, last_dots) = dots.as_chunks::<16>();
    let (steps, last_steps) = steps.as_chunks::<16>();
    let (residuals, last_residuals) = residuals.as_chunks::<16>();
    let mut mask = 0;
    for (part, ((dots, steps), residuals)) in dots.iter().zip(steps).zip(residuals).enumerate() {
        let step = _mm512_mul_ps(load(steps), _mm512_set1_ps(bound.step));
        let estimate = _mm512_mul_ps(_mm512_cvtepi32_ps(load_integers(dots)), step);
        let margin = _mm512_add_ps(_mm512_mul_ps(load(residuals), factor), slack);
        let upper = _mm512_add_ps(estimate, margin);
        let reaches = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(upper, _mm512_set1_ps(floor));
        mask |= u64::from(reaches) << (16 * part);
    }
    let done = 16 * dots.len();
    match scalar::reaching(floor, bound, last_dots, last_steps, last_residuals) {
        0 => mask,
        last => mask | last << done,
    }
}

/// A word is the mask under which a line of the query is added up; four rows share its load.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn sign_sums_into(query: &[Line], words: &[u64], out: &mut [i32]) {
    let width = query.len();
    let (fours, rest) = out.as_chunks_mut::<4>();
    let (in_fours, in_rest) = words.split_at(fours.len() * 4 * width);
    for (group, sums) in fours.iter_mut().enumerate() {
        let words = &in_fours[group * 4 * width..(group + 1) * 4 * width];
        prefetch_words(words);
        let (front, back) = words.split_at(2 * width);
        let (row0, row1) = front.split_at(width);
        let (row2, row3) = back.split_at(width);
        let mut four = [_mm512_setzero_si512(); 4];
        let together = row0.iter().zip(row1).zip(row2).zip(row3);
        for (line, (((word0, word1), word2), word3)) in query.iter().zip(together) {
            let line = load_line(line);
            for (sum, word) in four.iter_mut().zip([word0, word1, word2, word3]) {
                *sum = add_chosen(*sum, *word, line);
            }
        }
        let mut halves = [_mm256_setzero_si256(); 4];
        for (half, sum) in halves.iter_mut().zip(four) {
            *half = _mm256_add_epi32(
                _mm512_castsi512_si256(sum),
                _mm512_extracti64x4_epi64::<1>(sum),
            );
        }
        store(fold_rows(halves), sums);
    }
    for (row, sum) in rest.iter_mut().enumerate() {
        let mut one = _mm512_setzero_si512();
        for (line, word) in query.iter().zip(&in_rest[row * width..(row + 1) * width]) {
            one = add_chosen(one, *word, load_line(line));
        }
        *sum = _mm512_reduce_add_epi32(one);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn add_chosen(sum: __m512i, word: u64, line: __m512i) -> __m512i {
    let chosen = _mm512_maskz_mov_epi8(word, line);
    _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), chosen)
}

/// Ask for the words of some rows ahead.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn prefetch_words(words: &[u64]) {
    for line in words.chunks(8) {
        let later = std::ptr::from_ref(&line[0]).wrapping_add(PREFETCH_WORDS);
        _mm_prefetch::<_MM_HINT_T0>(later.cast());
    }
}
