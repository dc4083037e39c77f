//! The reference: sixteen lanes as an array, one operation after the other.

use super::{Ahead, Isa, Kernel, LANES, PANEL, STEP};

/// Plain Rust. Needs nothing, and is what the other levels are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

type F = [f32; LANES];

#[inline(always)]
fn map(f: impl Fn(usize) -> f32) -> F {
    std::array::from_fn(f)
}

impl Isa for Scalar {
    type F = F;
    const WIDE: bool = false;

    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> F {
        [x; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> F {
        *from
    }

    #[inline(always)]
    fn store(self, x: F, to: &mut [f32; LANES]) {
        *to = x;
    }

    #[inline(always)]
    fn load_i8(self, from: &[i8; LANES]) -> F {
        map(|i| f32::from(from[i]))
    }

    #[inline(always)]
    #[expect(
        clippy::cast_precision_loss,
        reason = "rounding to nearest is what is documented"
    )]
    fn load_i32(self, from: &[i32; LANES]) -> F {
        map(|i| from[i] as f32)
    }

    #[inline(always)]
    fn load_byte(self, from: &[i8; 4 * LANES], byte: usize) -> F {
        map(|i| f32::from(from[4 * i + byte]))
    }

    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in [0, 255]"
    )]
    fn store_code(self, x: F, to: &mut [u8; LANES]) {
        *to = x.map(|lane| (lane.round_ties_even() + 128.0) as u8);
    }

    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        map(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        map(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        map(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn fma(self, a: F, b: F, c: F) -> F {
        map(|i| a[i].mul_add(b[i], c[i]))
    }

    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        map(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        map(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn abs(self, x: F) -> F {
        x.map(f32::abs)
    }

    #[inline(always)]
    fn round(self, x: F) -> F {
        x.map(f32::round_ties_even)
    }

    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in [1, 254]"
    )]
    fn pow2(self, n: F) -> F {
        n.map(|lane| f32::from_bits(((lane + 127.0) as u32) << 23))
    }

    #[inline(always)]
    fn mask_gt(self, a: F, b: F) -> u16 {
        (0..LANES).fold(0, |mask, i| mask | (u16::from(a[i] > b[i]) << i))
    }

    #[inline(always)]
    fn keep_within(self, x: F, limit: F) -> F {
        map(|i| if x[i].abs() <= limit[i] { x[i] } else { 0.0 })
    }

    #[inline(always)]
    fn dot_tile<const R: usize>(
        self,
        rows: [&[u8]; R],
        panel: &[i8],
        start: &[i32; PANEL],
        _ahead: Ahead,
        out: &mut [[i32; PANEL]; R],
    ) {
        let (steps, _) = panel.as_chunks::<STEP>();
        for (row, sums) in rows.iter().zip(out) {
            *sums = *start;
            let (inputs, _) = row.as_chunks::<4>();
            for (weights, input) in steps.iter().zip(inputs) {
                for (sum, four) in sums.iter_mut().zip(weights.as_chunks::<4>().0) {
                    for (&w, &x) in four.iter().zip(input) {
                        *sum += i32::from(w) * i32::from(x);
                    }
                }
            }
        }
    }
}
