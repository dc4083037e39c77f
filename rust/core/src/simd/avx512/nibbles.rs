//! Sums of small tables' entries, which four bits each choose.

use std::arch::x86_64::{
    __m256i, __m512i, _MM_HINT_T0, _mm_prefetch, _mm256_add_epi16, _mm256_slli_epi16,
    _mm256_sub_epi16, _mm512_add_epi16, _mm512_and_si512, _mm512_castsi512_si256,
    _mm512_cvtepu16_epi32, _mm512_extracti64x4_epi64, _mm512_or_si512, _mm512_set1_epi8,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_slli_epi32, _mm512_srli_epi16,
    _mm512_storeu_si512,
};

use super::super::{LANES, Line};
use super::load_line;

/// Rows of a block, half of them in the low nibbles.
const HALF: usize = LANES / 2;

/// A line has the nibbles of two places; sums of 16 bits wrap, and what wrapped is taken back.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn nibble_sums_into(tables: &[Line], codes: &[Line], out: &mut [u16; LANES]) {
    let nibble = _mm512_set1_epi8(0x0F);
    // Per nibble: both bytes of each pair together, and the odd ones alone.
    let mut sums = [[_mm512_setzero_si512(); 2]; 2];
    for (table, codes) in tables.iter().zip(codes) {
        let next_block = std::ptr::from_ref(codes).wrapping_add(tables.len());
        _mm_prefetch::<_MM_HINT_T0>(next_block.cast());
        let (table, codes) = (load_line(table), load_line(codes));
        let nibbles = [
            _mm512_and_si512(codes, nibble),
            _mm512_and_si512(_mm512_srli_epi16::<4>(codes), nibble),
        ];
        for ([both, odd], nibbles) in sums.iter_mut().zip(nibbles) {
            let entries = _mm512_shuffle_epi8(table, nibbles);
            *both = _mm512_add_epi16(*both, entries);
            *odd = _mm512_add_epi16(*odd, _mm512_srli_epi16::<8>(entries));
        }
    }
    for (half, [both, odd]) in out.as_chunks_mut::<HALF>().0.iter_mut().zip(sums) {
        let (both, odd) = (added_halves(both), added_halves(odd));
        let even = _mm256_sub_epi16(both, _mm256_slli_epi16::<8>(odd));
        let even = _mm512_cvtepu16_epi32(even);
        let odd = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(odd));
        store(_mm512_or_si512(even, odd), half);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn added_halves(sums: __m512i) -> __m256i {
    _mm256_add_epi16(
        _mm512_castsi512_si256(sums),
        _mm512_extracti64x4_epi64::<1>(sums),
    )
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn store(numbers: __m512i, out: &mut [u16; HALF]) {
    // SAFETY: the reference covers the 64 bytes that are written; no alignment is asked for.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), numbers) }
}
