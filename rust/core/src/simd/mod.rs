//! The numeric kernels, one file per instruction set, chosen once at run time.
//!
//! Every kernel set computes the same function bit for bit: `scalar.rs` defines the order of the
//! operations (64 virtual float32 lanes, 32 float64 lanes, a fixed folding tree, fused
//! multiply-adds), and the others keep to it. So a vector stored by one machine scores the same on
//! another, and one test - equality with `scalar` - covers all of them.

/// Kernels whose plain Rust is as quick as any other once it is compiled for an instruction set.
macro_rules! compiled_for {
    ($features:literal) => {
        compiled_for! { $features;
            hadamard(numbers: &mut [f32]);
            max_abs(a: &[f32]) -> f32;
            round_into(a: &[f32], step: f32, limit: i16, out: &mut [i16]) -> f64;
            scale_into(a: &[f32], factor: f64, out: &mut [f32]);
            sum_squares(a: &[f32]) -> f64;
            take_away(directions: &[f32], shares: &[f32], rest: &mut [f32]);
            weighted_into(
                sums: [&[u16; crate::simd::LANES]; 2],
                scales: [crate::simd::Affine; 2],
                weights: [&[f32]; 2],
                out: &mut [f32]
            );
        }
    };
    ($features:literal; $($kernel:ident($($name:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        #[target_feature(enable = $features)]
        pub fn $kernel($($name: $type),*) $(-> $result)? {
            crate::simd::scalar::$kernel($($name),*)
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod level;
#[cfg(target_arch = "aarch64")]
mod neon;
mod operands;
mod scalar;

use std::sync::OnceLock;

pub use level::Level;
pub use operands::{Affine, Bound, Line, Planes};

/// float32 numbers per step of a dot product, on every instruction set.
pub const LANES: usize = 64;

/// A kernel set that this machine can run; having one is the proof that it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    level: Level,
}

/// Call the same function of the chosen instruction set.
macro_rules! dispatch {
    ($self:ident, $function:ident($($argument:expr),*)) => {
        match $self.level {
            // SAFETY: a `Kernels` of this level is made only after `Level::is_supported`.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512::$function($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2::$function($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { neon::$function($($argument),*) },
            _ => scalar::$function($($argument),*),
        }
    };
}

impl Kernels {
    /// The kernels of `level`, or `None` if this machine cannot run them.
    #[must_use]
    pub fn of(level: Level) -> Option<Self> {
        level.is_supported().then_some(Self { level })
    }

    /// The fastest kernels of this machine; detected once.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Kernels> = OnceLock::new();
        *BEST.get_or_init(|| {
            Self::available().last().copied().unwrap_or(Self {
                level: Level::Scalar,
            })
        })
    }

    /// Every kernel set that this machine can run, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Level::ALL.into_iter().filter_map(Self::of).collect()
    }

    /// Which instruction set these kernels use.
    #[must_use]
    pub fn level(self) -> Level {
        self.level
    }

    /// `sum(a * b)` in float32; the error is at most `(dim / 64 + 8) * 2^-24 * sum(|a * b|)`.
    ///
    /// # Panics
    /// If the lengths differ.
    #[must_use]
    pub fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "a dot product needs equal lengths");
        dispatch!(self, dot(a, b))
    }

    /// The dot products of `query` with each row of `rows`.
    ///
    /// # Panics
    /// If `rows` does not hold `out.len()` rows as long as `query`.
    pub fn dots_into(self, query: &[f32], rows: &[f32], out: &mut [f32]) {
        assert_eq!(rows.len(), query.len() * out.len(), "rows x dim numbers");
        dispatch!(self, dots_into(query, rows, out));
    }

    /// The dot products of four queries with each row, each the same as [`Kernels::dots_into`]'s.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn dots4_into(self, queries: [&[f32]; 4], rows: &[f32], out: [&mut [f32]; 4]) {
        for (query, scores) in queries.iter().zip(&out) {
            assert_eq!(query.len(), queries[0].len(), "queries of one width");
            assert_eq!(rows.len(), query.len() * scores.len(), "rows x dim numbers");
        }
        dispatch!(self, dots4_into(queries, rows, out));
    }

    /// Ask for the numbers of a row that will be read soon, where the instruction set has a way.
    pub fn prefetch(self, row: &[f32]) {
        dispatch!(self, prefetch(row));
    }

    /// `sum(a * a)` in float64, where no product is rounded.
    #[must_use]
    pub fn sum_squares(self, a: &[f32]) -> f64 {
        dispatch!(self, sum_squares(a))
    }

    /// `out = a * factor`, computed in float64 and rounded once.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn scale_into(self, a: &[f32], factor: f64, out: &mut [f32]) {
        assert_eq!(a.len(), out.len(), "scaling needs equal lengths");
        dispatch!(self, scale_into(a, factor, out));
    }

    /// The largest absolute value, 0 for no numbers.
    #[must_use]
    pub fn max_abs(self, a: &[f32]) -> f32 {
        dispatch!(self, max_abs(a))
    }

    /// `out = round(a / step)` within `±limit`; returns `sum((a - step * out)^2)` in float64.
    ///
    /// A `step` of 0 gives zeros.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn round_into(self, a: &[f32], step: f32, limit: i16, out: &mut [i16]) -> f64 {
        assert_eq!(a.len(), out.len(), "rounding needs equal lengths");
        dispatch!(self, round_into(a, step, limit, out))
    }

    /// The dot products of a query's planes with rows of codes, whose bytes are `code + 128`.
    ///
    /// Exact as long as `127 * max(|query|) * dim < 2^31`; modulo 2^32 otherwise.
    ///
    /// # Panics
    /// If the planes differ in length, or `codes` does not hold `out.len()` rows of their length.
    pub fn code_dots_into(self, query: Planes<'_>, codes: &[Line], out: &mut [i32]) {
        assert_eq!(query.high.len(), query.low.len(), "planes of one width");
        assert_eq!(codes.len(), query.high.len() * out.len(), "rows x lines");
        dispatch!(self, code_dots_into(query, codes, out));
    }

    /// For each row of `words` the sum of the query's signed bytes whose bit is set, exactly; a word
    /// holds the bits of one line, lowest first.
    ///
    /// # Panics
    /// If `words` does not hold `out.len()` rows of `query.len()` words.
    pub fn sign_sums_into(self, query: &[Line], words: &[u64], out: &mut [i32]) {
        assert_eq!(words.len(), query.len() * out.len(), "rows x words");
        dispatch!(self, sign_sums_into(query, words, out));
    }

    /// For each of 64 rows the sum of the entries that its nibbles choose, wrapping.
    ///
    /// A line of `tables` is two tables of 16 entries, each of them twice. The same line of `codes`
    /// has the nibbles for the first table and then for the second: byte `i` of each half is that
    /// of row `i` in its low nibble, and that of row `32 + i` in its high one. Exact.
    ///
    /// # Panics
    /// If there are not as many lines of both.
    pub fn nibble_sums_into(self, tables: &[Line], codes: &[Line], out: &mut [u16; LANES]) {
        assert_eq!(tables.len(), codes.len(), "a line of tables for each line");
        dispatch!(self, nibble_sums_into(tables, codes, out));
    }

    /// For at most 64 rows the numbers of two sums, each multiplied with the row's weight, and added.
    ///
    /// # Panics
    /// If the lengths differ or exceed 64.
    pub fn weighted_into(
        self,
        sums: [&[u16; LANES]; 2],
        scales: [Affine; 2],
        weights: [&[f32]; 2],
        out: &mut [f32],
    ) {
        let count = out.len();
        assert!(count <= LANES, "one sum per row");
        assert!(
            weights.iter().all(|weights| weights.len() == count),
            "one of each per row"
        );
        dispatch!(self, weighted_into(sums, scales, weights, out));
    }

    /// Take vectors, each as often as its share says, away from `rest`.
    ///
    /// # Panics
    /// If `directions` does not hold a vector as long as `rest` for each share.
    pub fn take_away(self, directions: &[f32], shares: &[f32], rest: &mut [f32]) {
        assert_eq!(
            directions.len(),
            shares.len() * rest.len(),
            "a vector for each share"
        );
        dispatch!(self, take_away(directions, shares, rest));
    }

    /// The Walsh-Hadamard transform, not scaled.
    ///
    /// # Panics
    /// If there are fewer than eight numbers, or not as many as a power of two.
    pub fn hadamard(self, numbers: &mut [f32]) {
        let count = numbers.len();
        assert!(count >= 8 && count.is_power_of_two(), "a power of two");
        dispatch!(self, hadamard(numbers));
    }

    /// The rows, at most 64, whose upper bound reaches `floor`, as bits.
    ///
    /// # Panics
    /// If the lengths differ or exceed 64.
    #[must_use]
    pub fn reaching(
        self,
        floor: f32,
        bound: Bound,
        dots: &[i32],
        steps: &[f32],
        residuals: &[f32],
    ) -> u64 {
        let count = dots.len();
        assert!(count <= 64, "one bit per row");
        assert!(
            steps.len() == count && residuals.len() == count,
            "one of each per row"
        );
        dispatch!(self, reaching(floor, bound, dots, steps, residuals))
    }
}
