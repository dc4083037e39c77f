//! One pass over the rows for a few queries: both scans, their parts on several threads, rescoring.

use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::funnel::AxisCodes;
use crate::limits::UNIT_TOLERANCE;
use crate::mask::{BLOCK, RowMask, bits};
use crate::parallel::{SCAN_COST, in_parts};
use crate::quantize::{CodesView, QueryCodes};
use crate::simd::{Kernels, Line, Planes};
use crate::survivors::Survivors;
use crate::topk::TopK;

/// Allowed rows from which the scan over codes is the faster one.
const CODES_FROM_ROWS: usize = 128;

/// With fewer bits set than these, a block's rows are looked at one by one.
const SPARSE_BITS: u32 = 16;

/// One pass of some queries over the corpus.
pub struct Pass<'a> {
    pub queries: Vec<&'a [f32]>,
    pub corpus: Corpus<'a>,
    /// The rows' codes along axes, which are used rather than those of the corpus.
    pub axis_codes: Option<&'a AxisCodes>,
    /// Hits per query, at least 1 and at most the allowed rows.
    pub k: usize,
    pub allow: Option<&'a RowMask>,
    /// How many rows may be returned.
    pub allowed: usize,
    pub kernels: Kernels,
}

/// A row whose score no unit row can have.
struct BadRow(usize);

/// Why a part of a scan ended early, and at which row.
type Stopped = (usize, Error);

impl Pass<'_> {
    /// The best hits of each query.
    pub fn run(&self) -> Result<Vec<TopK>> {
        // For few rows the codes' set-up and the rescoring cost as much as they save, and they
        // cannot exclude much when a good part of the rows is asked for.
        let pays = self.allowed >= CODES_FROM_ROWS && self.k <= self.allowed / 8;
        match (self.axis_codes, self.corpus.codes) {
            (Some(codes), _) if pays => self.run_axes(codes),
            (None, Some(codes)) if pays => self.run_codes(codes),
            _ => self.run_rows(),
        }
    }

    fn run_rows(&self) -> Result<Vec<TopK>> {
        let parts = in_parts(self.blocks(), SCAN_COST * self.queries.len(), |pieces| {
            self.scan_rows(pieces.flatten())
        });
        // Each part ends at its first bad row, so the least of these is the first of all.
        let stopped = parts.iter().filter_map(|part| part.as_ref().err());
        if let Some((_, error)) = stopped.min_by_key(|(row, _)| *row) {
            return Err(error.clone());
        }
        let mut parts = parts.into_iter().flatten();
        let mut merged = parts.next().unwrap_or_default();
        for (place, more) in parts.flat_map(|part| part.into_iter().enumerate()) {
            for hit in more.into_best_first() {
                merged[place].push(hit);
            }
        }
        Ok(merged)
    }

    fn run_codes(&self, codes: CodesView<'_>) -> Result<Vec<TopK>> {
        let quantized: Vec<_> = self
            .queries
            .iter()
            .map(|query| QueryCodes::new(query, self.kernels))
            .collect();
        let mut parts = in_parts(self.blocks(), SCAN_COST * quantized.len(), |pieces| {
            self.scan_codes(codes, &quantized, pieces.flatten())
        })
        .into_iter();
        let mut merged = parts.next().unwrap_or_default();
        for (place, more) in parts.flat_map(|part| part.into_iter().enumerate()) {
            merged[place].append(more);
        }
        self.queries
            .iter()
            .zip(merged)
            .map(|(query, survivors)| survivors.rescored(query, self.corpus, self.kernels))
            .collect()
    }

    /// Score the blocks' rows in float32; the first row that is no unit row is an error.
    fn scan_rows(
        &self,
        blocks: impl Iterator<Item = usize>,
    ) -> std::result::Result<Vec<TopK>, Stopped> {
        let rows = self.corpus.rows;
        let mut buffer = Vec::new();
        let mut best: Vec<_> = self
            .queries
            .iter()
            .map(|_| TopK::new(self.k, rows.rows()))
            .collect();
        let mut scores = [[0.0; BLOCK]; 4];
        for block in blocks {
            let (start, end, word) = self.block(block);
            let numbers = rows
                .numbers(start..end, &mut buffer)
                .map_err(|error| (start, error))?;
            for (queries, best) in self.queries.chunks(4).zip(best.chunks_mut(4)) {
                self.score_block(queries, numbers, word, &mut scores);
                for (scores, best) in scores.iter().zip(best) {
                    self.offer(&scores[..end - start], start, word, best)
                        .map_err(|BadRow(row)| (row, self.described(numbers, start, row)))?;
                }
            }
        }
        Ok(best)
    }

    fn score_block(
        &self,
        queries: &[&[f32]],
        numbers: &[f32],
        word: u64,
        scores: &mut [[f32; BLOCK]; 4],
    ) {
        let dim = self.corpus.rows.dim();
        let count = numbers.len() / dim;
        if word.count_ones() < SPARSE_BITS {
            for (query, scores) in queries.iter().zip(scores) {
                for bit in bits(word) {
                    scores[bit] = self
                        .kernels
                        .dot(query, &numbers[bit * dim..(bit + 1) * dim]);
                }
            }
        } else if let &[a, b, c, d] = queries {
            let out = scores.each_mut().map(|scores| &mut scores[..count]);
            self.kernels.dots4_into([a, b, c, d], numbers, out);
        } else {
            for (query, scores) in queries.iter().zip(scores) {
                self.kernels.dots_into(query, numbers, &mut scores[..count]);
            }
        }
    }

    /// Offer a block's scores; a score that unit rows cannot have tells of a bad row.
    fn offer(
        &self,
        scores: &[f32],
        start: usize,
        word: u64,
        best: &mut TopK,
    ) -> std::result::Result<(), BadRow> {
        let floor = best.floor();
        let mut is_interesting = false;
        for score in scores {
            is_interesting |= *score >= floor || !is_cosine(*score);
        }
        if !is_interesting {
            return Ok(());
        }
        for bit in bits(word) {
            let (row, score) = (start + bit, scores[bit]);
            if !is_cosine(score) {
                return Err(BadRow(row));
            }
            if score >= best.floor() {
                best.push(self.corpus.hit(row, score));
            }
        }
        Ok(())
    }

    /// Say what is wrong with `row`; `numbers` are those of the rows from `start` on.
    fn described(&self, numbers: &[f32], start: usize, row: usize) -> Error {
        let (argument, dim) = ("rows", self.corpus.rows.dim());
        let numbers = &numbers[(row - start) * dim..(row - start + 1) * dim];
        let length = self.kernels.sum_squares(numbers).sqrt();
        if length.is_finite() {
            Error::NotUnit {
                argument,
                row,
                length,
            }
        } else {
            Error::not_finite(argument, row, numbers)
        }
    }

    /// Estimate the blocks' rows from their codes and keep those that may be among the best.
    fn scan_codes(
        &self,
        codes: CodesView<'_>,
        queries: &[QueryCodes],
        blocks: impl Iterator<Item = usize>,
    ) -> Vec<Survivors> {
        let mut scans: Vec<_> = queries.iter().map(|_| Survivors::new(self.k)).collect();
        let mut dots = [0; BLOCK];
        for block in blocks {
            let (start, end, word) = self.block(block);
            let dots = &mut dots[..end - start];
            for (query, scan) in queries.iter().zip(&mut scans) {
                let lines = codes.lines(start, end);
                dots_into(query.planes(), lines, word, dots, self.kernels);
                let (steps, residuals) =
                    (&codes.steps()[start..end], &codes.residuals()[start..end]);
                let bound = query.bound();
                let reaching = self
                    .kernels
                    .reaching(scan.floor(), bound, dots, steps, residuals);
                for bit in bits(reaching & word) {
                    let (estimate, margin) = bound.of(dots[bit], steps[bit], residuals[bit]);
                    scan.offer(start + bit, estimate - margin, estimate + margin);
                }
            }
        }
        scans
    }

    /// How many blocks hold an allowed row.
    pub fn blocks(&self) -> usize {
        let all = self.corpus.rows.rows().div_ceil(BLOCK);
        self.allow.map_or(all, |mask| mask.words().len())
    }

    /// Rows `start..end` of such a block, from its first allowed one to its last, and the allowed
    /// ones among them as bits.
    pub fn block(&self, number: usize) -> (usize, usize, u64) {
        let Some(mask) = self.allow else {
            let start = number * BLOCK;
            let end = self.corpus.rows.rows().min(start + BLOCK);
            return (start, end, u64::MAX >> (BLOCK - (end - start)));
        };
        let (block, word) = mask.words()[number];
        let first = word.trailing_zeros() as usize;
        let end = BLOCK - word.leading_zeros() as usize;
        (block * BLOCK + first, block * BLOCK + end, word >> first)
    }
}

/// The products of a query with a block's rows; where few bits are set in `word`, of these alone.
pub fn dots_into(
    planes: Planes<'_>,
    lines: &[Line],
    word: u64,
    dots: &mut [i32],
    kernels: Kernels,
) {
    if word.count_ones() >= SPARSE_BITS {
        return kernels.code_dots_into(planes, lines, dots);
    }
    let width = lines.len() / dots.len();
    for bit in bits(word) {
        let row = &lines[bit * width..(bit + 1) * width];
        kernels.code_dots_into(planes, row, &mut dots[bit..=bit]);
    }
}

/// Whether two rows that pass for unit rows can have this dot product; NaN is none.
fn is_cosine(score: f32) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
    let limit = 1.0 + 3.0 * UNIT_TOLERANCE as f32;
    score.abs() <= limit
}
