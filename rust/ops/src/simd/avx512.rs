//! AVX-512 with VNNI: one register holds the sixteen lanes.

#![expect(
    clippy::cast_ptr_alignment,
    reason = "all loads and stores take any alignment"
)]

use std::arch::x86_64::{
    __m128i, __m512, __m512i, _CMP_GT_OQ, _CMP_LE_OQ, _MM_HINT_T1, _mm_cvtsi32_si128,
    _mm_loadu_si128, _mm_prefetch, _mm_storeu_si128, _mm512_abs_ps, _mm512_add_epi32,
    _mm512_add_ps, _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi8_epi32,
    _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps, _mm512_cvtps_epi32, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_maskz_mov_ps, _mm512_max_ps,
    _mm512_min_ps, _mm512_mul_ps, _mm512_roundscale_ps, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_sll_epi32, _mm512_slli_epi32, _mm512_srai_epi32, _mm512_storeu_ps, _mm512_storeu_si512,
    _mm512_sub_ps,
};

use super::{Ahead, Isa, Kernel, LANES, PANEL, STEP};

/// Proof that the processor has AVX-512 F, BW, DQ, VL and VNNI.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// The proof, where the processor and the system allow it.
    #[must_use]
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("fma"))
        .then_some(Self(()))
    }
}

/// Runs one instruction whose operands are values, not addresses.
macro_rules! instruction {
    ($call:expr) => {
        // SAFETY: the instruction exists, because `detect` is the only maker of an `Avx512`.
        unsafe { $call }
    };
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")]
fn enabled<K: Kernel>(isa: Avx512, kernel: K) -> K::Output {
    kernel.run(isa)
}

impl Isa for Avx512 {
    type F = __m512;
    const WIDE: bool = true;

    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        instruction!(enabled(self, kernel))
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        instruction!(_mm512_set1_ps(x))
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> __m512 {
        // SAFETY: the reference is valid for sixteen floats; any alignment will do.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, x: __m512, to: &mut [f32; LANES]) {
        // SAFETY: the reference is valid for sixteen floats; any alignment will do.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), x) }
    }

    #[inline(always)]
    fn load_i8(self, from: &[i8; LANES]) -> __m512 {
        // SAFETY: the reference is valid for sixteen bytes; any alignment will do.
        let bytes = unsafe { _mm_loadu_si128(from.as_ptr().cast::<__m128i>()) };
        instruction!(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)))
    }

    #[inline(always)]
    fn load_i32(self, from: &[i32; LANES]) -> __m512 {
        // SAFETY: the reference is valid for sixteen integers; any alignment will do.
        let integers = unsafe { _mm512_loadu_si512(from.as_ptr().cast::<__m512i>()) };
        instruction!(_mm512_cvtepi32_ps(integers))
    }

    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "0 to 24"
    )]
    fn load_byte(self, from: &[i8; 4 * LANES], byte: usize) -> __m512 {
        // SAFETY: the reference is valid for 64 bytes; any alignment will do.
        let fours = unsafe { _mm512_loadu_si512(from.as_ptr().cast::<__m512i>()) };
        let up = instruction!(_mm_cvtsi32_si128(24 - 8 * byte as i32));
        let top = instruction!(_mm512_sll_epi32(fours, up));
        instruction!(_mm512_cvtepi32_ps(_mm512_srai_epi32::<24>(top)))
    }

    #[inline(always)]
    fn store_code(self, x: __m512, to: &mut [u8; LANES]) {
        let codes = instruction!(_mm512_add_epi32(
            _mm512_cvtps_epi32(x),
            _mm512_set1_epi32(128)
        ));
        let bytes = instruction!(_mm512_cvtepi32_epi8(codes));
        // SAFETY: the reference is valid for sixteen bytes; any alignment will do.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast::<__m128i>(), bytes) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        instruction!(_mm512_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        instruction!(_mm512_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        instruction!(_mm512_mul_ps(a, b))
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        instruction!(_mm512_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        instruction!(_mm512_min_ps(a, b))
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        instruction!(_mm512_max_ps(a, b))
    }

    #[inline(always)]
    fn abs(self, x: __m512) -> __m512 {
        instruction!(_mm512_abs_ps(x))
    }

    #[inline(always)]
    fn round(self, x: __m512) -> __m512 {
        instruction!(_mm512_roundscale_ps::<0>(x))
    }

    #[inline(always)]
    fn pow2(self, n: __m512) -> __m512 {
        let biased = instruction!(_mm512_add_epi32(
            _mm512_cvtps_epi32(n),
            _mm512_set1_epi32(127)
        ));
        instruction!(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased)))
    }

    #[inline(always)]
    fn mask_gt(self, a: __m512, b: __m512) -> u16 {
        instruction!(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b))
    }

    #[inline(always)]
    fn keep_within(self, x: __m512, limit: __m512) -> __m512 {
        let kept = instruction!(_mm512_cmp_ps_mask::<_CMP_LE_OQ>(_mm512_abs_ps(x), limit));
        instruction!(_mm512_maskz_mov_ps(kept, x))
    }

    #[inline(always)]
    fn dot_tile<const R: usize>(
        self,
        rows: [&[u8]; R],
        panel: &[i8],
        start: &[i32; PANEL],
        ahead: Ahead,
        out: &mut [[i32; PANEL]; R],
    ) {
        let steps = panel.len() / STEP;
        assert!(
            rows.iter().all(|row| row.len() >= 4 * steps),
            "a row is shorter than the panel"
        );
        let mut sums = [[instruction!(_mm512_set1_epi32(0)); 3]; R];
        for sum in &mut sums {
            *sum = load_three(start.as_ptr().cast());
        }
        for step in 0..steps {
            let weights = panel.as_ptr().wrapping_add(step * STEP);
            for line in ahead.lines(step) {
                instruction!(_mm_prefetch::<_MM_HINT_T1>(line));
            }
            let weights = load_three(weights);
            for (row, sum) in rows.iter().zip(&mut sums) {
                let four = row.as_ptr().wrapping_add(4 * step).cast::<i32>();
                // SAFETY: `row` has at least `4 * steps` bytes, as asserted above.
                let input = instruction!(_mm512_set1_epi32(four.read_unaligned()));
                for (sum, &weight) in sum.iter_mut().zip(&weights) {
                    *sum = instruction!(_mm512_dpbusd_epi32(*sum, input, weight));
                }
            }
        }
        for (sum, out) in sums.iter().zip(out) {
            for (sum, lanes) in sum.iter().zip(out.as_chunks_mut::<LANES>().0) {
                // SAFETY: the reference is valid for sixteen integers; any alignment will do.
                unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast::<__m512i>(), *sum) }
            }
        }
    }
}

/// Reads 192 bytes; private, and called with whole steps of a panel or its start values only.
#[inline(always)]
fn load_three(from: *const i8) -> [__m512i; 3] {
    let mut lines = [instruction!(_mm512_set1_epi32(0)); 3];
    for (line, to) in lines.iter_mut().enumerate() {
        let at = from.wrapping_add(64 * line).cast::<__m512i>();
        // SAFETY: the callers pass an address inside a slice with 192 bytes left.
        *to = unsafe { _mm512_loadu_si512(at) };
    }
    lines
}
