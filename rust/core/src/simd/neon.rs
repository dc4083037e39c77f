//! NEON: 4 float32 lanes, 16 int8 products per instruction.

use std::arch::aarch64::{
    float32x4_t, int8x16_t, int32x4_t, uint8x16_t, vadd_f32, vaddq_f32, vaddq_s32, vaddvq_s32,
    vaddw_u8, vandq_u8, vcombine_u8, vdup_n_u8, vdupq_n_f32, vdupq_n_s32, vdupq_n_u8, vdupq_n_u16,
    veorq_u8, vfmaq_f32, vget_high_f32, vget_high_s8, vget_high_u8, vget_lane_f32, vget_low_f32,
    vget_low_s8, vget_low_u8, vld1q_f32, vld1q_u8, vmull_s8, vpadalq_s16, vpadd_f32, vpaddlq_s8,
    vqtbl1q_u8, vreinterpretq_s8_u8, vshlq_n_s32, vshrq_n_u8, vst1q_u16, vtstq_u8,
};

use super::{Bound, LANES, Line, Planes, scalar};

compiled_for!("neon");

/// Sixteen accumulators of four lanes: the 64 virtual lanes in order.
type Sums = [float32x4_t; 16];

#[inline]
#[target_feature(enable = "neon")]
fn load(lanes: &[f32; 4]) -> float32x4_t {
    // SAFETY: the reference covers the 16 bytes that are read; no alignment is asked for.
    unsafe { vld1q_f32(lanes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn load_bytes(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the reference covers the 16 bytes that are read; no alignment is asked for.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn multiply_add(sums: &mut Sums, x: &[f32; LANES], y: &[f32; LANES]) {
    let (x, _) = x.as_chunks::<4>();
    let (y, _) = y.as_chunks::<4>();
    for part in 0..16 {
        sums[part] = vfmaq_f32(sums[part], load(&x[part]), load(&y[part]));
    }
}

/// The folding tree of `scalar::fold`: register `i` of its first step is lanes `4i..4i + 4`.
#[inline]
#[target_feature(enable = "neon")]
fn fold(s: Sums) -> f32 {
    let mut lanes = [s[0]; 4];
    for i in 0..4 {
        lanes[i] = vaddq_f32(vaddq_f32(s[i], s[i + 4]), vaddq_f32(s[i + 8], s[i + 12]));
    }
    let four = vaddq_f32(vaddq_f32(lanes[0], lanes[2]), vaddq_f32(lanes[1], lanes[3]));
    let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    vget_lane_f32::<0>(vpadd_f32(two, two))
}

#[inline]
#[target_feature(enable = "neon")]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [vdupq_n_f32(0.0); 16];
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

#[target_feature(enable = "neon")]
pub fn dots_into(query: &[f32], rows: &[f32], out: &mut [f32]) {
    for (row, score) in out.iter_mut().enumerate() {
        *score = dot(query, &rows[row * query.len()..(row + 1) * query.len()]);
    }
}

/// Row by row: the registers hold the sums of one query only, but the row stays in the cache.
#[target_feature(enable = "neon")]
pub fn dots4_into(queries: [&[f32]; 4], rows: &[f32], out: [&mut [f32]; 4]) {
    let dim = queries[0].len();
    let [out0, out1, out2, out3] = out;
    for position in 0..out0.len() {
        let row = &rows[position * dim..(position + 1) * dim];
        out0[position] = dot(queries[0], row);
        out1[position] = dot(queries[1], row);
        out2[position] = dot(queries[2], row);
        out3[position] = dot(queries[3], row);
    }
}

/// Prefetching has no stable intrinsic here.
#[target_feature(enable = "neon")]
pub fn prefetch(row: &[f32]) {
    scalar::prefetch(row);
}

#[target_feature(enable = "neon")]
pub fn code_dots_into(query: Planes<'_>, codes: &[Line], out: &mut [i32]) {
    let width = query.high.len();
    for (row, dot) in out.iter_mut().enumerate() {
        let mut high = vdupq_n_s32(0);
        let mut low = vdupq_n_s32(0);
        for (line, codes) in codes[row * width..(row + 1) * width].iter().enumerate() {
            let (codes, _) = codes.0.as_chunks::<16>();
            let (h, _) = query.high[line].0.as_chunks::<16>();
            let (l, _) = query.low[line].0.as_chunks::<16>();
            for part in 0..4 {
                let signed = veorq_u8(load_bytes(&codes[part]), vdupq_n_u8(128));
                let signed = vreinterpretq_s8_u8(signed);
                high = add_products(high, signed, vreinterpretq_s8_u8(load_bytes(&h[part])));
                low = add_products(low, signed, vreinterpretq_s8_u8(load_bytes(&l[part])));
            }
        }
        *dot = vaddvq_s32(vaddq_s32(vshlq_n_s32::<7>(high), low));
    }
}

/// Add sixteen products; each fits in int16, and pairs are added in int32.
#[inline]
#[target_feature(enable = "neon")]
fn add_products(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    vpadalq_s16(sum, vmull_s8(vget_high_s8(a), vget_high_s8(b)))
}

#[target_feature(enable = "neon")]
pub fn reaching(floor: f32, bound: Bound, dots: &[i32], steps: &[f32], residuals: &[f32]) -> u64 {
    scalar::reaching(floor, bound, dots, steps, residuals)
}

#[target_feature(enable = "neon")]
pub fn sign_sums_into(query: &[Line], words: &[u64], out: &mut [i32]) {
    let width = query.len();
    let bit = load_bytes(&[1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128]);
    for (row, sum) in out.iter_mut().enumerate() {
        let mut all = vdupq_n_s32(0);
        for (line, word) in query.iter().zip(&words[row * width..(row + 1) * width]) {
            let bits = word.to_le_bytes();
            let parts = line.0.as_chunks::<16>().0.iter();
            for (numbers, [low, high]) in parts.zip(bits.as_chunks::<2>().0) {
                let bytes = vcombine_u8(vdup_n_u8(*low), vdup_n_u8(*high));
                let chosen = vandq_u8(load_bytes(numbers), vtstq_u8(bytes, bit));
                all = vpadalq_s16(all, vpaddlq_s8(vreinterpretq_s8_u8(chosen)));
            }
        }
        *sum = vaddvq_s32(all);
    }
}

/// Rows of a block, half of them in the low nibbles.
const HALF: usize = LANES / 2;

/// A quarter of a line has the nibbles of one place for sixteen of each half of the rows.
#[target_feature(enable = "neon")]
pub fn nibble_sums_into(tables: &[Line], codes: &[Line], out: &mut [u16; LANES]) {
    // Per half of the rows four times eight of them.
    let mut sums = [[vdupq_n_u16(0); HALF / 8]; 2];
    for (tables, codes) in tables.iter().zip(codes) {
        let (tables, codes) = (tables.0.as_chunks::<16>().0, codes.0.as_chunks::<16>().0);
        for (quarter, (table, codes)) in tables.iter().zip(codes).enumerate() {
            let (table, codes) = (load_bytes(table), load_bytes(codes));
            let nibbles = [vandq_u8(codes, vdupq_n_u8(0x0F)), vshrq_n_u8::<4>(codes)];
            for (sums, nibbles) in sums.iter_mut().zip(nibbles) {
                let entries = vqtbl1q_u8(table, nibbles);
                let [front, back] = &mut sums.as_chunks_mut::<2>().0[quarter % 2];
                *front = vaddw_u8(*front, vget_low_u8(entries));
                *back = vaddw_u8(*back, vget_high_u8(entries));
            }
        }
    }
    for (out, sum) in out
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip(sums.as_flattened())
    {
        // SAFETY: the reference covers the 16 bytes that are written; no alignment is asked for.
        unsafe { vst1q_u16(out.as_mut_ptr(), *sum) }
    }
}
