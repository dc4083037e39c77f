//! Sixteen lanes of float32 on every processor, and the one place where the processor is chosen.
//!
//! Kernels are written once, against [`Isa`]. Each instruction set does the same operations on the
//! same sixteen lanes in the same order, with fused multiply-add everywhere, so that all levels
//! give the same bits; a test proves it. A value of an `Isa` type exists only where its
//! instructions do.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use scalar::Scalar;

use std::sync::OnceLock;

/// Float lanes of one vector, on every level.
pub const LANES: usize = 16;
/// Output columns of one weight panel.
pub const PANEL: usize = 48;
/// Bytes of a weight panel that belong to four consecutive inputs: `PANEL` columns of four bytes.
pub const STEP: usize = 4 * PANEL;
/// Rows that one pass over a weight panel may take.
pub const TILE_ROWS: usize = 8;

/// Weights that a pass over a panel requests from memory, for itself or a later pass.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// The first of them. Nobody reads through it, so it may lie behind the last weight.
    pub from: *const i8,
    /// Bytes from here on that each step of [`STEP`] bytes requests, at most `STEP`.
    pub stride: usize,
}

impl Ahead {
    /// What step number `step` requests: addresses in three cache lines, or fewer if these overlap.
    #[inline(always)]
    fn lines(self, step: usize) -> [*const i8; 3] {
        let first = self.from.wrapping_add(step * self.stride);
        [0, self.stride / 3, 2 * self.stride / 3].map(|offset| first.wrapping_add(offset))
    }
}

/// One instruction set: sixteen float lanes and the exact integer dot product.
///
/// The value itself is the proof that the processor has the instructions.
pub trait Isa: Copy {
    /// Sixteen float32 lanes.
    type F: Copy;

    /// Whether there are registers for many rows at once (32 of 512 bits).
    const WIDE: bool;

    /// Runs `kernel` compiled for this instruction set.
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output;

    /// All lanes equal `x`.
    fn splat(self, x: f32) -> Self::F;
    /// Reads sixteen floats.
    fn load(self, from: &[f32; LANES]) -> Self::F;
    /// Writes sixteen floats.
    fn store(self, x: Self::F, to: &mut [f32; LANES]);
    /// Reads sixteen signed bytes as floats.
    fn load_i8(self, from: &[i8; LANES]) -> Self::F;
    /// Reads sixteen 32-bit integers as floats, rounded to nearest.
    fn load_i32(self, from: &[i32; LANES]) -> Self::F;
    /// Of every four bytes takes the one numbered `byte` (0 to 3), as floats.
    fn load_byte(self, from: &[i8; 4 * LANES], byte: usize) -> Self::F;
    /// Rounds to nearest even, adds 128 and writes bytes; `x` must lie in [-128, 127].
    fn store_code(self, x: Self::F, to: &mut [u8; LANES]);
    /// `a + b`
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a - b`
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b`
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// Lane-wise minimum; `b` where either is not a number.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// Lane-wise maximum; `b` where either is not a number.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `|x|`
    fn abs(self, x: Self::F) -> Self::F;
    /// Rounds to the nearest integer, ties to even.
    fn round(self, x: Self::F) -> Self::F;
    /// `2^n` for lanes that hold an integer in [-126, 127].
    fn pow2(self, n: Self::F) -> Self::F;
    /// Bit `i` is set where lane `i` of `a` is greater than that of `b`.
    fn mask_gt(self, a: Self::F, b: Self::F) -> u16;
    /// `x` where `|x| <= limit`, else 0.
    fn keep_within(self, x: Self::F, limit: Self::F) -> Self::F;

    /// `out[r][c] = sum_k (rows[r][k] - 128) * panel[k][c]`, exactly, in 32-bit integers.
    ///
    /// `panel` is `[k / 4][PANEL][4]`, `start[c]` is `-128 * sum_k panel[k][c]`, and each row has
    /// as many bytes as the panel has inputs. One pass over the panel, which asks for the weights
    /// of `ahead`.
    fn dot_tile<const R: usize>(
        self,
        rows: [&[u8]; R],
        panel: &[i8],
        start: &[i32; PANEL],
        ahead: Ahead,
        out: &mut [[i32; PANEL]; R],
    );
}

/// A computation that can be compiled for any instruction set.
///
/// `run` and all that it calls must be `#[inline(always)]`: code that is not inlined into
/// [`Isa::vectorize`] is compiled without the instructions. Closures cannot be marked so: a loop
/// that touches `Isa::F` is written out, not passed to `map` or `from_fn`.
pub trait Kernel {
    /// What the computation returns.
    type Output;
    /// Does the computation.
    fn run<I: Isa>(self, isa: I) -> Self::Output;
}

/// The instruction sets that this processor may have, best last.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Level {
    /// Plain Rust; the reference.
    Scalar(Scalar),
    /// AVX2 with FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// AVX-512 F, BW, DQ, VL with VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// The base set of 64-bit ARM.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
}

impl Level {
    /// All levels that this processor has, the fastest last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Self::Scalar(Scalar)];
        #[cfg(target_arch = "x86_64")]
        levels.extend(Avx2::detect().map(Self::Avx2));
        #[cfg(target_arch = "x86_64")]
        levels.extend(Avx512::detect().map(Self::Avx512));
        #[cfg(target_arch = "aarch64")]
        levels.extend(Neon::detect().map(Self::Neon));
        levels
    }

    /// The fastest level of this processor, found once.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().pop().unwrap_or(Self::Scalar(Scalar)))
    }

    /// Runs `kernel` with this level's instructions.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Scalar(isa) => isa.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(isa) => isa.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(isa) => isa.vectorize(kernel),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(isa) => isa.vectorize(kernel),
        }
    }
}

/// The first `from.len()` lanes from `from` (at most sixteen), the others `fill`.
#[inline(always)]
pub fn load_partial<I: Isa>(isa: I, from: &[f32], fill: f32) -> I::F {
    let mut lanes = [fill; LANES];
    lanes[..from.len()].copy_from_slice(from);
    isa.load(&lanes)
}

/// The sum of all lanes, always as the same tree: halves, quarters, eighths, pairs.
#[inline(always)]
pub fn sum<I: Isa>(isa: I, x: I::F) -> f32 {
    let mut lanes = [0.0; LANES];
    isa.store(x, &mut lanes);
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The greatest lane.
#[inline(always)]
pub fn greatest<I: Isa>(isa: I, x: I::F) -> f32 {
    let mut lanes = [0.0; LANES];
    isa.store(x, &mut lanes);
    let mut greatest = lanes[0];
    for lane in lanes {
        greatest = if lane > greatest { lane } else { greatest };
    }
    greatest
}
