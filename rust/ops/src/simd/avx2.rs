//! AVX2 with FMA: two registers hold the sixteen lanes.

#![expect(
    clippy::cast_ptr_alignment,
    reason = "all loads and stores take any alignment"
)]

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _CMP_GT_OQ, _CMP_LE_OQ, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT,
    _MM_HINT_T1, _mm_cvtsi32_si128, _mm_loadl_epi64, _mm_prefetch, _mm256_abs_epi8,
    _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps, _mm256_andnot_ps, _mm256_castsi256_ps,
    _mm256_cmp_ps, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps, _mm256_cvtps_epi32, _mm256_fmadd_ps,
    _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_max_ps,
    _mm256_min_ps, _mm256_movemask_ps, _mm256_mul_ps, _mm256_round_ps, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_sign_epi8, _mm256_sll_epi32,
    _mm256_slli_epi32, _mm256_srai_epi32, _mm256_storeu_ps, _mm256_storeu_si256, _mm256_sub_ps,
    _mm256_xor_si256,
};

use super::{Ahead, Isa, Kernel, LANES, PANEL, STEP};

/// Proof that the processor has AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The proof, where the processor and the system allow it.
    #[must_use]
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

type F = [__m256; 2];

/// Runs one instruction whose operands are values, not addresses.
macro_rules! instruction {
    ($call:expr) => {
        // SAFETY: the instruction exists, because `detect` is the only maker of an `Avx2`.
        unsafe { $call }
    };
}

#[target_feature(enable = "avx2,fma")]
fn enabled<K: Kernel>(isa: Avx2, kernel: K) -> K::Output {
    kernel.run(isa)
}

#[inline(always)]
fn load_integers(from: &[i32; 8]) -> __m256i {
    // SAFETY: the reference is valid for 32 bytes; any alignment will do.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast::<__m256i>()) }
}

#[inline(always)]
fn load_codes(from: &[i8; 32]) -> __m256i {
    // SAFETY: the reference is valid for 32 bytes; any alignment will do.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast::<__m256i>()) }
}

#[inline(always)]
fn load_floats(from: &[f32; 8]) -> __m256 {
    // SAFETY: the reference is valid for eight floats; any alignment will do.
    unsafe { _mm256_loadu_ps(from.as_ptr()) }
}

/// Eight signed bytes as floats.
#[inline(always)]
fn load_bytes(from: &[i8; 8]) -> __m256 {
    // SAFETY: the reference is valid for eight bytes; any alignment will do.
    let bytes = unsafe { _mm_loadl_epi64(from.as_ptr().cast::<__m128i>()) };
    instruction!(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)))
}

impl Isa for Avx2 {
    type F = F;
    const WIDE: bool = false;

    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        instruction!(enabled(self, kernel))
    }

    #[inline(always)]
    fn splat(self, x: f32) -> F {
        [instruction!(_mm256_set1_ps(x)); 2]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> F {
        let halves = from.as_chunks::<8>().0;
        [load_floats(&halves[0]), load_floats(&halves[1])]
    }

    #[inline(always)]
    fn store(self, x: F, to: &mut [f32; LANES]) {
        for (half, lanes) in x.iter().zip(to.as_chunks_mut::<8>().0) {
            // SAFETY: the reference is valid for eight floats; any alignment will do.
            unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), *half) }
        }
    }

    #[inline(always)]
    fn load_i8(self, from: &[i8; LANES]) -> F {
        let halves = from.as_chunks::<8>().0;
        [load_bytes(&halves[0]), load_bytes(&halves[1])]
    }

    #[inline(always)]
    fn load_i32(self, from: &[i32; LANES]) -> F {
        let halves = from.as_chunks::<8>().0;
        let (low, high) = (load_integers(&halves[0]), load_integers(&halves[1]));
        instruction!([_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high)])
    }

    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "0 to 24"
    )]
    fn load_byte(self, from: &[i8; 4 * LANES], byte: usize) -> F {
        let up = instruction!(_mm_cvtsi32_si128(24 - 8 * byte as i32));
        let mut lanes = self.splat(0.0);
        for (lanes, fours) in lanes.iter_mut().zip(from.as_chunks::<32>().0) {
            let top = instruction!(_mm256_sll_epi32(load_codes(fours), up));
            *lanes = instruction!(_mm256_cvtepi32_ps(_mm256_srai_epi32::<24>(top)));
        }
        lanes
    }

    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "low byte wanted"
    )]
    fn store_code(self, x: F, to: &mut [u8; LANES]) {
        let mut codes = [0_i32; LANES];
        for (half, eight) in x.iter().zip(codes.as_chunks_mut::<8>().0) {
            let integers = instruction!(_mm256_cvtps_epi32(*half));
            let biased = instruction!(_mm256_add_epi32(integers, _mm256_set1_epi32(128)));
            // SAFETY: the reference is valid for eight integers; any alignment will do.
            unsafe { _mm256_storeu_si256(eight.as_mut_ptr().cast::<__m256i>(), biased) }
        }
        *to = codes.map(|code| code as u8);
    }

    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        instruction!([_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        instruction!([_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        instruction!([_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn fma(self, a: F, b: F, c: F) -> F {
        instruction!([
            _mm256_fmadd_ps(a[0], b[0], c[0]),
            _mm256_fmadd_ps(a[1], b[1], c[1])
        ])
    }

    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        instruction!([_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        instruction!([_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn abs(self, x: F) -> F {
        let sign = instruction!(_mm256_set1_ps(-0.0));
        instruction!([_mm256_andnot_ps(sign, x[0]), _mm256_andnot_ps(sign, x[1])])
    }

    #[inline(always)]
    fn round(self, x: F) -> F {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        instruction!([
            _mm256_round_ps::<NEAREST>(x[0]),
            _mm256_round_ps::<NEAREST>(x[1])
        ])
    }

    #[inline(always)]
    fn pow2(self, mut n: F) -> F {
        for half in &mut n {
            let integers = instruction!(_mm256_cvtps_epi32(*half));
            let biased = instruction!(_mm256_add_epi32(integers, _mm256_set1_epi32(127)));
            *half = instruction!(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased)));
        }
        n
    }

    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "eight bits each"
    )]
    fn mask_gt(self, a: F, b: F) -> u16 {
        let low = instruction!(_mm256_cmp_ps::<_CMP_GT_OQ>(a[0], b[0]));
        let high = instruction!(_mm256_cmp_ps::<_CMP_GT_OQ>(a[1], b[1]));
        let bits = instruction!([_mm256_movemask_ps(low), _mm256_movemask_ps(high)]);
        bits[0] as u16 | ((bits[1] as u16) << 8)
    }

    #[inline(always)]
    fn keep_within(self, x: F, limit: F) -> F {
        let size = self.abs(x);
        let low = instruction!(_mm256_cmp_ps::<_CMP_LE_OQ>(size[0], limit[0]));
        let high = instruction!(_mm256_cmp_ps::<_CMP_LE_OQ>(size[1], limit[1]));
        instruction!([_mm256_and_ps(low, x[0]), _mm256_and_ps(high, x[1])])
    }

    #[inline(always)]
    fn dot_tile<const R: usize>(
        self,
        rows: [&[u8]; R],
        panel: &[i8],
        _start: &[i32; PANEL],
        ahead: Ahead,
        out: &mut [[i32; PANEL]; R],
    ) {
        for (row, sums) in rows.iter().zip(out) {
            dot_row(row, panel, ahead, sums);
        }
    }
}

/// One row against one panel. The start values undo the +128 of the codes, so they are not used:
/// here the codes are made signed again, because `maddubs` adds two products in 16 bits, which
/// holds 2 * 127 * 127 but not 2 * 255 * 127.
#[inline(always)]
fn dot_row(row: &[u8], panel: &[i8], ahead: Ahead, sums: &mut [i32; PANEL]) {
    let ones = instruction!(_mm256_set1_epi16(1));
    let flip = instruction!(_mm256_set1_epi8(-128));
    let mut totals = [instruction!(_mm256_set1_epi32(0)); 6];
    let (steps, _) = panel.as_chunks::<STEP>();
    for (step, (weights, four)) in steps.iter().zip(row.as_chunks::<4>().0).enumerate() {
        for line in ahead.lines(step) {
            instruction!(_mm_prefetch::<_MM_HINT_T1>(line));
        }
        let input = instruction!(_mm256_set1_epi32(i32::from_le_bytes(*four)));
        let input = instruction!(_mm256_xor_si256(input, flip));
        let size = instruction!(_mm256_abs_epi8(input));
        for (total, weights) in totals.iter_mut().zip(weights.as_chunks::<32>().0) {
            let signed = instruction!(_mm256_sign_epi8(load_codes(weights), input));
            let pairs = instruction!(_mm256_maddubs_epi16(size, signed));
            let fours = instruction!(_mm256_madd_epi16(pairs, ones));
            *total = instruction!(_mm256_add_epi32(*total, fours));
        }
    }
    for (total, eight) in totals.iter().zip(sums.as_chunks_mut::<8>().0) {
        // SAFETY: the reference is valid for eight integers; any alignment will do.
        unsafe { _mm256_storeu_si256(eight.as_mut_ptr().cast::<__m256i>(), *total) }
    }
}
