//! The limits that arguments are held against, and that the kernels are proved for.

/// Widest row that the kernels are proved for.
///
/// The int8 scan keeps `127 * levels * dim` below 2^31; at this width a query still has ten bits.
pub const DIM_MAX: usize = 16_384;

/// How far from 1 the length of a "unit" row may be: half-precision storage costs up to 5e-4.
pub const UNIT_TOLERANCE: f64 = 1e-3;
