//! Cosine top-k: dot products of unit rows, exact in float32.
//!
//! Two scans give the same hits, bit for bit: over the float32 rows, or over int8 codes with
//! rescoring of what the bound of [`crate::quantize`] leaves. Large sets are cut into parts, one per
//! core; because either scan is exact, the parts do not show in the result.

use std::num::NonZero;
use std::ops::Range;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::mask::{BLOCK, RowMask, bits};
use crate::matrix::{Matrix, UNIT_TOLERANCE};
use crate::quantize::{Codes, QueryCodes};
use crate::simd::Kernels;
use crate::topk::{Hit, TopK};

/// Queries that share one pass over the rows; bounds the memory of a call with many queries.
const QUERIES_PER_PASS: usize = 32;
/// Below this share of set bits, a block's rows are scored one by one.
const SPARSE_BITS: u32 = 16;
/// int8 row scans that are worth a second thread: starting one costs as much as 3,000 of them.
const ROWS_PER_THREAD: usize = 16_384;

/// The hits of `queries` x `k`, best first; equal scores are ordered by lower key.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Hits per query.
    pub k: usize,
    /// Row numbers or ids, `k` per query.
    pub keys: Vec<i64>,
    /// Cosines in -1..=1, `k` per query.
    pub scores: Vec<f32>,
}

/// What is searched: rows, with the keys that stand for them in the answer.
#[derive(Clone, Copy, Debug)]
pub struct Corpus<'a> {
    /// The float32 rows.
    pub rows: Matrix<'a>,
    /// A key per row; `None` for row numbers.
    pub keys: Option<&'a [i64]>,
    /// The rows' codes, if the scan is to use them.
    pub codes: Option<&'a Codes>,
}

impl Corpus<'_> {
    fn hit(&self, row: usize, score: f32) -> Hit {
        let number = i64::try_from(row).unwrap_or(i64::MAX);
        let key = self.keys.map_or(number, |keys| keys[row]);
        Hit {
            score: score.clamp(-1.0, 1.0),
            key,
        }
    }
}

/// Find the `k` rows of `rows` most similar to each query; `min(k, allowed rows)` come back.
///
/// One pass over the rows for each 32 queries; float32 dot products, on several threads for large
/// sets.
///
/// ```
/// use openviking_core::{Kernels, Matrix, search};
/// let rows = Matrix::new("rows", &[1.0, 0.0, 0.6, 0.8], 2, 2)?;
/// let query = Matrix::new("queries", &[0.0, 1.0], 1, 2)?;
/// let found = search(query, rows, 1, None, Kernels::best())?;
/// assert_eq!((found.keys, found.scores), (vec![1], vec![0.8]));
/// # Ok::<(), openviking_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Width`], [`Error::Zero`] for `k` = 0, [`Error::Length`] for a mask of another length,
/// [`Error::NotFinite`] or [`Error::NotUnit`] for queries or rows that are not unit rows. Rows are
/// judged by their scores only, so a wrong length that shows in no score goes unnoticed.
pub fn search(
    queries: Matrix<'_>,
    rows: Matrix<'_>,
    k: usize,
    allow: Option<&RowMask>,
    kernels: Kernels,
) -> Result<Found> {
    search_corpus(
        queries,
        Corpus {
            rows,
            keys: None,
            codes: None,
        },
        k,
        allow,
        kernels,
    )
}

/// [`search`] over a corpus with keys and codes of its own.
///
/// # Errors
/// As [`search`].
pub fn search_corpus(
    queries: Matrix<'_>,
    corpus: Corpus<'_>,
    k: usize,
    allow: Option<&RowMask>,
    kernels: Kernels,
) -> Result<Found> {
    let (rows, dim) = (corpus.rows.rows(), corpus.rows.dim());
    if queries.dim() != dim {
        return Err(Error::Width {
            argument: "queries",
            expected: dim,
            found: queries.dim(),
        });
    }
    if k == 0 {
        return Err(Error::Zero { argument: "k" });
    }
    if let Some(mask) = allow.filter(|mask| mask.rows() != rows) {
        return Err(Error::Length {
            argument: "allow",
            expected: rows,
            found: mask.rows(),
        });
    }
    queries.check_unit("queries", kernels)?;

    let k = k.min(allow.map_or(rows, RowMask::count));
    let count = k * queries.rows();
    let mut found = Found {
        k,
        keys: Vec::with_capacity(count),
        scores: Vec::with_capacity(count),
    };
    if k == 0 {
        return Ok(found);
    }
    for start in (0..queries.rows()).step_by(QUERIES_PER_PASS) {
        let end = queries.rows().min(start + QUERIES_PER_PASS);
        let pass = Pass {
            queries: (start..end).map(|query| queries.row(query)).collect(),
            corpus,
            k,
            allow,
            kernels,
        };
        for best in pass.run()? {
            for hit in best.into_best_first() {
                found.keys.push(hit.key);
                found.scores.push(hit.score);
            }
        }
    }
    Ok(found)
}

/// One pass of some queries over the corpus.
struct Pass<'a> {
    queries: Vec<&'a [f32]>,
    corpus: Corpus<'a>,
    k: usize,
    allow: Option<&'a RowMask>,
    kernels: Kernels,
}

/// A row that the bound could not exclude.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    row: usize,
    lower: f32,
    upper: f32,
}

impl Pass<'_> {
    fn run(&self) -> Result<Vec<TopK>> {
        // Codes cannot exclude much when a good part of the rows is asked for.
        match self
            .corpus
            .codes
            .filter(|_| self.k <= self.corpus.rows.rows() / 8)
        {
            Some(codes) => Ok(self.run_codes(codes)),
            None => self.run_rows(),
        }
    }

    fn run_rows(&self) -> Result<Vec<TopK>> {
        let mut parts = in_parts(self.corpus.rows.rows(), self.queries.len(), |blocks| {
            self.scan_rows(blocks)
        })
        .into_iter();
        let mut merged = parts.next().unwrap_or_else(|| Ok(Vec::new()))?;
        for part in parts {
            for (best, more) in merged.iter_mut().zip(part?) {
                for hit in more.into_best_first() {
                    best.push(hit);
                }
            }
        }
        Ok(merged)
    }

    fn run_codes(&self, codes: &Codes) -> Vec<TopK> {
        let coded: Vec<_> = self
            .queries
            .iter()
            .map(|query| QueryCodes::new(query, self.kernels))
            .collect();
        let parts = in_parts(self.corpus.rows.rows(), coded.len(), |blocks| {
            self.scan_codes(codes, &coded, blocks)
        });
        let mut merged: Vec<Vec<Candidate>> = vec![Vec::new(); coded.len()];
        for part in parts {
            for (candidates, more) in merged.iter_mut().zip(part) {
                candidates.extend(more);
            }
        }
        self.queries
            .iter()
            .zip(merged)
            .map(|(query, c)| self.rescore(query, c))
            .collect()
    }

    /// Score the blocks' rows in float32.
    fn scan_rows(&self, blocks: Range<usize>) -> Result<Vec<TopK>> {
        let rows = self.corpus.rows;
        let mut best: Vec<_> = self
            .queries
            .iter()
            .map(|_| TopK::new(self.k, rows.rows()))
            .collect();
        let mut scores = [[0.0; BLOCK]; 4];
        for block in blocks {
            let word = self.word(block);
            if word == 0 {
                continue;
            }
            let (start, end) = self.rows_of(block);
            for (queries, best) in self.queries.chunks(4).zip(best.chunks_mut(4)) {
                self.score_block(queries, start..end, word, &mut scores);
                for (scores, best) in scores.iter().zip(best) {
                    self.offer(&scores[..end - start], start, word, best)?;
                }
            }
        }
        Ok(best)
    }

    fn score_block(
        &self,
        queries: &[&[f32]],
        rows: Range<usize>,
        word: u64,
        scores: &mut [[f32; BLOCK]; 4],
    ) {
        let dim = self.corpus.rows.dim();
        let count = rows.len();
        let numbers = &self.corpus.rows.data()[rows.start * dim..rows.end * dim];
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
    fn offer(&self, scores: &[f32], start: usize, word: u64, best: &mut TopK) -> Result<()> {
        let floor = best.floor();
        #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
        let limit = 1.0 + 3.0 * UNIT_TOLERANCE as f32;
        let mut is_interesting = false;
        for score in scores {
            // Written so that NaN counts as out of range.
            is_interesting |= *score >= floor || !(score.abs() <= limit);
        }
        if !is_interesting {
            return Ok(());
        }
        for bit in bits(word) {
            let (row, score) = (start + bit, scores[bit]);
            if !(score.abs() <= limit) {
                return Err(self.bad_row(row));
            }
            if score >= best.floor() {
                best.push(self.corpus.hit(row, score));
            }
        }
        Ok(())
    }

    fn bad_row(&self, row: usize) -> Error {
        let length = self.kernels.sum_squares(self.corpus.rows.row(row)).sqrt();
        if length.is_finite() {
            Error::NotUnit {
                argument: "rows",
                row,
                length,
            }
        } else {
            self.corpus.rows.not_finite("rows", row)
        }
    }

    /// Estimate the blocks' rows from their codes and keep those that may be among the best.
    fn scan_codes(
        &self,
        codes: &Codes,
        queries: &[QueryCodes],
        blocks: Range<usize>,
    ) -> Vec<Vec<Candidate>> {
        let mut scans: Vec<_> = queries.iter().map(|_| Scan::new(self.k)).collect();
        let mut dots = [0; BLOCK];
        for block in blocks {
            let word = self.word(block);
            if word == 0 {
                continue;
            }
            let (start, end) = self.rows_of(block);
            let dots = &mut dots[..end - start];
            for (query, scan) in queries.iter().zip(&mut scans) {
                if word.count_ones() < SPARSE_BITS {
                    for bit in bits(word) {
                        let lines = codes.lines(start + bit, start + bit + 1);
                        self.kernels
                            .code_dots_into(query.planes(), lines, &mut dots[bit..=bit]);
                    }
                } else {
                    self.kernels
                        .code_dots_into(query.planes(), codes.lines(start, end), dots);
                }
                let (steps, residuals) = (codes.steps(start, end), codes.residuals(start, end));
                let bound = query.bound();
                if self
                    .kernels
                    .any_reaches(scan.floor(), bound, dots, steps, residuals)
                {
                    for bit in bits(word) {
                        let (estimate, margin) = bound.of(dots[bit], steps[bit], residuals[bit]);
                        scan.offer(start + bit, estimate - margin, estimate + margin);
                    }
                }
            }
        }
        scans.into_iter().map(|scan| scan.candidates).collect()
    }

    /// Score the candidates in float32, most promising first, until no other can enter.
    fn rescore(&self, query: &[f32], mut candidates: Vec<Candidate>) -> TopK {
        let mut floor = TopK::new(self.k, candidates.len());
        for candidate in &candidates {
            floor.push(Hit {
                score: candidate.lower,
                key: 0,
            });
        }
        let floor = reach(floor.floor());
        candidates.retain(|candidate| candidate.upper >= floor);
        candidates.sort_unstable_by(|a, b| b.upper.total_cmp(&a.upper));
        let mut best = TopK::new(self.k, candidates.len());
        for candidate in candidates {
            if candidate.upper < reach(best.floor()) {
                break;
            }
            let score = self.kernels.dot(query, self.corpus.rows.row(candidate.row));
            best.push(self.corpus.hit(candidate.row, score));
        }
        best
    }

    /// Rows `start..end` of a block.
    fn rows_of(&self, block: usize) -> (usize, usize) {
        let start = block * BLOCK;
        (start, self.corpus.rows.rows().min(start + BLOCK))
    }

    /// The allowed rows of a block, as bits.
    fn word(&self, block: usize) -> u64 {
        let (start, end) = self.rows_of(block);
        let all = u64::MAX >> (BLOCK - (end - start));
        self.allow.map_or(all, |mask| mask.word(block))
    }
}

/// The running state of one query's scan over codes.
struct Scan {
    lowers: TopK,
    candidates: Vec<Candidate>,
}

impl Scan {
    fn new(k: usize) -> Self {
        Self {
            lowers: TopK::new(k, k),
            candidates: Vec::new(),
        }
    }

    /// An upper bound below this is out.
    fn floor(&self) -> f32 {
        reach(self.lowers.floor())
    }

    fn offer(&mut self, row: usize, lower: f32, upper: f32) {
        if upper < self.floor() {
            return;
        }
        // Scores are clamped, so their bounds are.
        let lower = lower.clamp(-1.0, 1.0);
        self.candidates.push(Candidate { row, lower, upper });
        if lower > self.lowers.floor() {
            self.lowers.push(Hit {
                score: lower,
                key: 0,
            });
        }
    }
}

/// A clamped score of -1 hides how low it was, so nothing is excluded by it.
fn reach(floor: f32) -> f32 {
    if floor <= -1.0 {
        f32::NEG_INFINITY
    } else {
        floor
    }
}

/// Run `scan` over all blocks of `rows` rows, cut into as many parts as threads are worth it.
fn in_parts<T: Send>(
    rows: usize,
    queries: usize,
    scan: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let blocks = rows.div_ceil(BLOCK);
    let parts = (rows.saturating_mul(queries) / ROWS_PER_THREAD)
        .clamp(1, cores())
        .min(blocks);
    let bound = |part: usize| part * blocks / parts;
    let scan = &scan;
    if parts <= 1 {
        return vec![scan(0..blocks)];
    }
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..parts)
            .map(|part| scope.spawn(move || scan(bound(part)..bound(part + 1))))
            .collect();
        let mut results = vec![scan(0..bound(1))];
        for other in others {
            match other.join() {
                Ok(result) => results.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}
