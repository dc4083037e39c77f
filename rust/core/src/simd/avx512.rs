//! AVX-512 with VNNI: 16 float32 lanes, 64 int8 products per instruction.

mod codes;
mod nibbles;

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T1, _mm_add_ps, _mm_cvtss_f32, _mm_movehl_ps, _mm_prefetch,
    _mm_shuffle_ps, _mm256_add_ps, _mm256_castpd_ps, _mm256_castps256_ps128, _mm256_extractf128_ps,
    _mm512_add_ps, _mm512_castps_pd, _mm512_castps512_ps256, _mm512_extractf64x4_pd,
    _mm512_fmadd_ps, _mm512_load_si512, _mm512_loadu_ps, _mm512_setzero_ps,
};

pub use codes::{code_dots_into, reaching, sign_sums_into};
pub use nibbles::nibble_sums_into;

use super::{LANES, Line, scalar};

compiled_for!("avx512f,avx512bw,avx512vnni");

/// Four accumulators cover 64 lanes and the latency of one multiply-add.
type Sums = [__m512; 4];

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn load_line(line: &Line) -> __m512i {
    // SAFETY: a `Line` is 64 bytes, aligned to 64.
    unsafe { _mm512_load_si512(std::ptr::from_ref(line).cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn load(lanes: &[f32; 16]) -> __m512 {
    // SAFETY: the reference covers the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_ps(lanes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn multiply_add(sums: &mut Sums, x: &[f32; LANES], y: &[f32; LANES]) {
    let (x, _) = x.as_chunks::<16>();
    let (y, _) = y.as_chunks::<16>();
    for part in 0..4 {
        sums[part] = _mm512_fmadd_ps(load(&x[part]), load(&y[part]), sums[part]);
    }
}

/// The folding tree of `scalar::fold`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn fold(sums: Sums) -> f32 {
    let sum = _mm512_add_ps(
        _mm512_add_ps(sums[0], sums[1]),
        _mm512_add_ps(sums[2], sums[3]),
    );
    let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(sum)));
    let eight = _mm256_add_ps(_mm512_castps512_ps256(sum), upper);
    let four = _mm_add_ps(
        _mm256_castps256_ps128(eight),
        _mm256_extractf128_ps::<1>(eight),
    );
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ps(two, _mm_shuffle_ps::<1>(two, two)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [_mm512_setzero_ps(); 4];
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

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn dots_into(query: &[f32], rows: &[f32], out: &mut [f32]) {
    for (row, score) in out.iter_mut().enumerate() {
        *score = dot(query, &rows[row * query.len()..(row + 1) * query.len()]);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn dots4_into(queries: [&[f32]; 4], rows: &[f32], out: [&mut [f32]; 4]) {
    let dim = queries[0].len();
    let [out0, out1, out2, out3] = out;
    let blocks = queries.map(|query| query.as_chunks::<LANES>().0);
    let tails = queries.map(|query| scalar::padded(query.as_chunks::<LANES>().1));
    for row in 0..out0.len() {
        let (row_blocks, row_tail) = rows[row * dim..(row + 1) * dim].as_chunks::<LANES>();
        let mut sums = [[_mm512_setzero_ps(); 4]; 4];
        for (position, y) in row_blocks.iter().enumerate() {
            for query in 0..4 {
                multiply_add(&mut sums[query], &blocks[query][position], y);
            }
        }
        if !row_tail.is_empty() {
            let y = scalar::padded(row_tail);
            for query in 0..4 {
                multiply_add(&mut sums[query], &tails[query], &y);
            }
        }
        out0[row] = fold(sums[0]);
        out1[row] = fold(sums[1]);
        out2[row] = fold(sums[2]);
        out3[row] = fold(sums[3]);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn prefetch(row: &[f32]) {
    for numbers in row.chunks(16) {
        _mm_prefetch::<_MM_HINT_T1>(numbers.as_ptr().cast());
    }
}
