//! What the tests share: values, levels, and a float64 error function.
#![allow(dead_code, reason = "each test file uses a part")]

use std::fmt::Debug;

use openviking_ops::simd::Level;
use proptest::prelude::*;

/// Runs `f` at every level of this machine; all must give the same, which is returned.
pub fn on_all_levels<T: PartialEq + Debug>(mut f: impl FnMut(Level) -> T) -> T {
    let mut levels = Level::available().into_iter();
    let first = f(levels.next().expect("the scalar level is always there"));
    for level in levels {
        assert_eq!(f(level), first, "{level:?} differs from the scalar level");
    }
    first
}

/// Rows of any finite floats: ordinary ones, zeros, denormals, giants.
pub fn floats(len: usize) -> impl Strategy<Value = Vec<f32>> {
    let value = prop_oneof![
        8 => -3.0_f32..3.0,
        1 => -90.0_f32..90.0,
        1 => prop::sample::select(vec![0.0, -0.0, 1e-40, -1e-38, 1e-30, 1e30, -1e20]),
    ];
    prop::collection::vec(value, len)
}

/// Rows of ordinary floats.
pub fn normal_floats(len: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-2.0_f32..2.0, len)
}

/// The error function in float64, by its series or continued fraction; error below 1e-12.
#[must_use]
pub fn erf(x: f64) -> f64 {
    let size = x.abs();
    let value = if size < 3.0 {
        let (mut term, mut sum, mut n) = (size, size, 0.0);
        while term.abs() > 1e-17 {
            n += 1.0;
            term *= -size * size / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    } else {
        let mut fraction = size;
        for n in (1..60).rev() {
            fraction = size + f64::from(n) / 2.0 / fraction;
        }
        1.0 - (-size * size).exp() / fraction / std::f64::consts::PI.sqrt()
    };
    value.copysign(x)
}

/// A weight code in -127..=127 made from a number.
#[must_use]
pub fn small_code(number: usize) -> i8 {
    i8::try_from(number % 128).expect("at most 127")
        - i8::try_from(number / 128 % 128).expect("same")
}
