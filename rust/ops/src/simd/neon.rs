//! 64-bit ARM: the lanes of the scalar level, which the compiler turns into NEON by itself because
//! every such processor has it, and the integer dot product by hand.

// Where the target has NEON throughout, as all 64-bit ARM targets do, the compiler knows it.
#![allow(unused_unsafe)]

use std::arch::aarch64::{
    int8x8_t, int8x16_t, int32x4_t, vdup_n_s32, vdupq_n_s32, vget_high_s8, vget_low_s8, vld1q_s8,
    vmull_s8, vpadalq_s16, vpaddq_s32, vreinterpret_s8_s32, vst1q_s32,
};

use super::{Ahead, Isa, Kernel, LANES, PANEL, STEP, Scalar};

/// Proof that the processor has NEON.
#[derive(Clone, Copy, Debug)]
pub struct Neon(Scalar);

impl Neon {
    /// The proof, where the processor allows it.
    #[must_use]
    pub fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(Scalar))
    }
}

/// Runs one instruction whose operands are values, not addresses.
macro_rules! instruction {
    ($call:expr) => {
        // SAFETY: the instruction exists, because `detect` is the only maker of a `Neon`.
        unsafe { $call }
    };
}

type F = <Scalar as Isa>::F;

impl Isa for Neon {
    type F = F;
    const WIDE: bool = false;

    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> F {
        self.0.splat(x)
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> F {
        self.0.load(from)
    }

    #[inline(always)]
    fn store(self, x: F, to: &mut [f32; LANES]) {
        self.0.store(x, to);
    }

    #[inline(always)]
    fn load_i8(self, from: &[i8; LANES]) -> F {
        self.0.load_i8(from)
    }

    #[inline(always)]
    fn load_i32(self, from: &[i32; LANES]) -> F {
        self.0.load_i32(from)
    }

    #[inline(always)]
    fn load_byte(self, from: &[i8; 4 * LANES], byte: usize) -> F {
        self.0.load_byte(from, byte)
    }

    #[inline(always)]
    fn store_code(self, x: F, to: &mut [u8; LANES]) {
        self.0.store_code(x, to);
    }

    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        self.0.add(a, b)
    }

    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        self.0.sub(a, b)
    }

    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        self.0.mul(a, b)
    }

    #[inline(always)]
    fn fma(self, a: F, b: F, c: F) -> F {
        self.0.fma(a, b, c)
    }

    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        self.0.min(a, b)
    }

    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        self.0.max(a, b)
    }

    #[inline(always)]
    fn abs(self, x: F) -> F {
        self.0.abs(x)
    }

    #[inline(always)]
    fn round(self, x: F) -> F {
        self.0.round(x)
    }

    #[inline(always)]
    fn pow2(self, n: F) -> F {
        self.0.pow2(n)
    }

    #[inline(always)]
    fn mask_gt(self, a: F, b: F) -> u16 {
        self.0.mask_gt(a, b)
    }

    #[inline(always)]
    fn keep_within(self, x: F, limit: F) -> F {
        self.0.keep_within(x, limit)
    }

    #[inline(always)]
    fn dot_tile<const R: usize>(
        self,
        rows: [&[u8]; R],
        panel: &[i8],
        _start: &[i32; PANEL],
        _ahead: Ahead,
        out: &mut [[i32; PANEL]; R],
    ) {
        for (row, sums) in rows.iter().zip(out) {
            dot_row(row, panel, sums);
        }
    }
}

/// One row against one panel. The codes are made signed again, so the start values, which undo the
/// +128, are not needed: signed products fit into 16 bits, and pairs of them are added in 32.
#[inline(always)]
fn dot_row(row: &[u8], panel: &[i8], sums: &mut [i32; PANEL]) {
    // Each register holds two columns, each as the sums of its even and odd pairs of inputs.
    let mut totals: [int32x4_t; PANEL / 2] = [instruction!(vdupq_n_s32(0)); PANEL / 2];
    let (steps, _) = panel.as_chunks::<STEP>();
    for (weights, four) in steps.iter().zip(row.as_chunks::<4>().0) {
        let signed = i32::from_le_bytes(four.map(|code| code ^ 0x80));
        let input: int8x8_t = instruction!(vreinterpret_s8_s32(vdup_n_s32(signed)));
        for (pair, weights) in totals
            .as_chunks_mut::<2>()
            .0
            .iter_mut()
            .zip(weights.as_chunks::<16>().0)
        {
            // SAFETY: the reference is valid for sixteen bytes; any alignment will do.
            let weights: int8x16_t = unsafe { vld1q_s8(weights.as_ptr()) };
            let low = instruction!(vmull_s8(vget_low_s8(weights), input));
            let high = instruction!(vmull_s8(vget_high_s8(weights), input));
            pair[0] = instruction!(vpadalq_s16(pair[0], low));
            pair[1] = instruction!(vpadalq_s16(pair[1], high));
        }
    }
    for (pair, four) in totals
        .as_chunks::<2>()
        .0
        .iter()
        .zip(sums.as_chunks_mut::<4>().0)
    {
        let columns = instruction!(vpaddq_s32(pair[0], pair[1]));
        // SAFETY: the reference is valid for four integers; any alignment will do.
        unsafe { vst1q_s32(four.as_mut_ptr(), columns) }
    }
}
