//! The int8 linear layer: exact integer sums, then one float32 rounding path per output.

use super::math::gelu;
use super::quantize::RowHead;
use crate::parallel::Shared;
use crate::simd::{Ahead, Isa, Kernel, LANES, PANEL, STEP, TILE_ROWS};

/// The weights of one linear layer, packed for [`Isa::dot_tile`].
#[derive(Clone, Copy)]
pub struct Linear<'a> {
    /// `[panels][inputs / 4][PANEL][4]`; columns past the last output are zero.
    pub codes: &'a [i8],
    /// `-128 * sum of an output's codes`, one for each column of each panel.
    pub start: &'a [i32],
    /// What one step of a column's codes is worth.
    pub scale: &'a [f32],
    /// Added to each column.
    pub bias: &'a [f32],
    /// Inputs; a multiple of 4.
    pub inputs: usize,
    /// Outputs; a multiple of `LANES`.
    pub outputs: usize,
}

impl Linear<'_> {
    /// Panels that hold the outputs, the last one perhaps in part.
    #[must_use]
    pub fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }
}

/// How far ahead of the multiplication the weights are requested, in bytes, and into which cache.
/// Into the second level: in the first, the rows' codes would have to make room. Over 85 MB and 8
/// rows, in one run: 6 KiB 4.9 ms, 12 KiB 5.8, 24 KiB 5.7, none 5.0; first level 6.6 to 6.7.
const AHEAD: usize = 6 * 1024;

/// Tiles up to which each requests a share of the next panel. The first of two or three passes would
/// wait for memory, which the others would leave idle: over 85 MB, one thread, 12 rows 5.8 -> 5.2 ms,
/// 17 rows 8.3 -> 7.1, 24 and more the same. With more passes the multiplications hide the memory.
const SHARING_TILES: usize = 3;

/// The outputs of one row in one panel.
type Three<I> = [<I as Isa>::F; GROUPS];
const GROUPS: usize = PANEL / LANES;

/// Where an output goes: blocks of `width` columns, each block a matrix of `rows` rows.
/// With `width` equal to all columns this is the usual row order.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Columns of one block; a multiple of sixteen.
    pub width: usize,
    /// Rows of every block.
    pub rows: usize,
}

impl Layout {
    #[inline(always)]
    fn at(self, row: usize, column: usize) -> usize {
        (column / self.width * self.rows + row) * self.width + column % self.width
    }
}

/// One panel of output columns for some rows:
/// `y = scale_column * (scale_row * sum + sum of outliers) + bias`, and GELU of that if asked.
pub struct LinearPanel<'a, const GELU: bool> {
    /// The layer.
    pub linear: Linear<'a>,
    /// Which `PANEL` columns.
    pub panel: usize,
    /// Codes of the rows, `linear.inputs` each.
    pub codes: &'a [u8],
    /// Heads of the rows.
    pub heads: &'a [RowHead],
    /// Number of the first row in the output.
    pub first_row: usize,
    /// All outputs of all rows; this call alone writes its rows and columns.
    pub out: &'a Shared<'a, f32>,
    /// Order of the outputs.
    pub layout: Layout,
}

impl<const GELU: bool> Kernel for LinearPanel<'_, GELU> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let rows = self.heads.len();
        // Tiles of nearly equal height: nine rows are 5 + 4, not 8 + 1.
        let tiles = rows.div_ceil(TILE_ROWS);
        for tile in 0..tiles {
            let from = tile * rows / tiles;
            let ahead = self.ahead(tile, tiles);
            match (tile + 1) * rows / tiles - from {
                1 => self.tile::<I, 1>(isa, from, ahead),
                2 => self.tile::<I, 2>(isa, from, ahead),
                3 => self.tile::<I, 3>(isa, from, ahead),
                4 => self.tile::<I, 4>(isa, from, ahead),
                5 => self.tile::<I, 5>(isa, from, ahead),
                6 => self.tile::<I, 6>(isa, from, ahead),
                7 => self.tile::<I, 7>(isa, from, ahead),
                _ => self.tile::<I, 8>(isa, from, ahead),
            }
        }
    }
}

impl<const GELU: bool> LinearPanel<'_, GELU> {
    /// The codes of this panel.
    #[inline(always)]
    fn weights(&self) -> &[i8] {
        let bytes = self.linear.inputs / 4 * STEP;
        &self.linear.codes[self.panel * bytes..][..bytes]
    }

    /// What the pass of a tile requests: the weights that it is about to read, or its share of the
    /// next panel.
    #[inline(always)]
    fn ahead(&self, tile: usize, tiles: usize) -> Ahead {
        let weights = self.weights();
        if tiles == 1 || tiles > SHARING_TILES {
            return Ahead {
                from: weights.as_ptr().wrapping_add(AHEAD),
                stride: STEP,
            };
        }
        let share = weights.len() / tiles;
        Ahead {
            from: weights.as_ptr().wrapping_add(weights.len() + tile * share),
            stride: STEP.div_ceil(tiles),
        }
    }

    #[inline(always)]
    fn tile<I: Isa, const R: usize>(&self, isa: I, from: usize, ahead: Ahead) {
        let inputs = self.linear.inputs;
        let weights = self.weights();
        let columns = self.panel * PANEL;
        let start = self.linear.start[columns..]
            .first_chunk::<PANEL>()
            .expect("whole panels");
        let mut rows = [&self.codes[..0]; R];
        for (r, row) in rows.iter_mut().enumerate() {
            *row = &self.codes[(from + r) * inputs..][..inputs];
        }
        let mut sums = [[0; PANEL]; R];
        isa.dot_tile::<R>(rows, weights, start, ahead, &mut sums);
        let scales = self.vectors(isa, self.linear.scale);
        let biases = self.vectors(isa, self.linear.bias);
        // Dividing by the block width is slow: once for each tile.
        let mut places = [0; GROUPS];
        let groups = ((self.linear.outputs - columns) / LANES).min(GROUPS);
        for (group, place) in places[..groups].iter_mut().enumerate() {
            *place = self
                .layout
                .at(self.first_row + from, columns + group * LANES);
        }
        for (r, (sums, head)) in sums.iter().zip(&self.heads[from..from + R]).enumerate() {
            let mut y = dequantize(isa, head, sums, weights);
            for group in 0..GROUPS {
                y[group] = isa.fma(y[group], scales[group], biases[group]);
            }
            if GELU {
                y = gelu(isa, y);
            }
            for (place, y) in places[..groups].iter().zip(y) {
                // SAFETY: rows and columns of this panel belong to this call alone (see `out`).
                let out = unsafe { self.out.slice_mut(place + r * self.layout.width, LANES) };
                isa.store(y, out.first_chunk_mut().expect("sixteen were asked for"));
            }
        }
    }

    /// This panel's part of a per-column array.
    #[inline(always)]
    fn vectors<I: Isa>(&self, isa: I, of: &[f32]) -> Three<I> {
        let part = of[self.panel * PANEL..][..PANEL].as_chunks::<LANES>().0;
        let mut vectors = [isa.splat(0.0); GROUPS];
        for (vector, part) in vectors.iter_mut().zip(part) {
            *vector = isa.load(part);
        }
        vectors
    }
}

/// `scale_row * sum + sum of outliers`: what is left is the scale and bias of the column. The three
/// vectors go side by side, so that one's latency hides behind the others.
#[inline(always)]
fn dequantize<I: Isa>(isa: I, head: &RowHead, sums: &[i32; PANEL], weights: &[i8]) -> Three<I> {
    let sums = sums.as_chunks::<LANES>().0;
    let scale = isa.splat(head.scale);
    let mut y = [scale; GROUPS];
    for (y, sums) in y.iter_mut().zip(sums) {
        *y = isa.mul(isa.load_i32(sums), scale);
    }
    for outlier in head.outliers() {
        let index = outlier.index as usize;
        let step = weights[index / 4 * STEP..][..STEP]
            .as_chunks::<{ 4 * LANES }>()
            .0;
        let value = isa.splat(outlier.value);
        for (y, step) in y.iter_mut().zip(step) {
            *y = isa.fma(value, isa.load_byte(step, index % 4), *y);
        }
    }
    y
}
