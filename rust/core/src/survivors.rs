//! The rows that a scan over codes could not exclude, and their scores.

use crate::corpus::Corpus;
use crate::error::Result;
use crate::simd::Kernels;
use crate::topk::TopK;

/// Rows ahead of the one that is scored whose numbers are asked for, into the second-level cache:
/// 48 kB at 768 columns, more than the first holds. 120 hits of 25,757 passages take 0.84 of the time
/// that four rows ahead in the first level took.
pub const ROWS_AHEAD: usize = 16;

/// A row that the bound could not exclude.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    row: usize,
    lower: f32,
    upper: f32,
}

/// The running state of one query's scan over codes.
///
/// The k-th best lower bound is found in batches: a row costs a constant, however large k is.
#[derive(Debug)]
pub struct Survivors {
    k: usize,
    floor: f32,
    /// Candidates at which the floor is found anew.
    enough: usize,
    candidates: Vec<Candidate>,
}

impl Survivors {
    /// Look for the best `k`, at least 1.
    pub fn new(k: usize) -> Self {
        Self {
            k,
            floor: f32::NEG_INFINITY,
            enough: k + k.max(32),
            candidates: Vec::new(),
        }
    }

    /// An upper bound below this is out.
    pub fn floor(&self) -> f32 {
        self.floor
    }

    /// Keep a row whose score lies within `lower..=upper`, unless it is out.
    pub fn offer(&mut self, row: usize, lower: f32, upper: f32) {
        if upper < self.floor {
            return;
        }
        // Scores are clamped, so their bounds are.
        let lower = lower.clamp(-1.0, 1.0);
        self.candidates.push(Candidate { row, lower, upper });
        if self.candidates.len() >= self.enough {
            self.drop_excluded();
            self.enough = (self.candidates.len() * 2).max(self.k + self.k.max(32));
        }
    }

    /// The rows that are left, at most `k` unless bounds overlap.
    pub fn into_rows(mut self) -> Vec<u32> {
        self.drop_excluded();
        let number = |candidate: &Candidate| u32::try_from(candidate.row).unwrap_or(u32::MAX);
        self.candidates.iter().map(number).collect()
    }

    /// Add what another scan, of other rows, has left.
    pub fn append(&mut self, other: Self) {
        self.floor = self.floor.max(other.floor);
        self.candidates.extend(other.candidates);
    }

    fn drop_excluded(&mut self) {
        if self.candidates.len() >= self.k {
            let worst_kept = self.k - 1;
            let (_, kth, _) = self
                .candidates
                .select_nth_unstable_by(worst_kept, |a, b| b.lower.total_cmp(&a.lower));
            // A clamped score of -1 hides how low it was, so nothing is excluded by it.
            if kth.lower > -1.0 {
                self.floor = self.floor.max(kth.lower);
            }
        }
        let floor = self.floor;
        self.candidates.retain(|candidate| candidate.upper >= floor);
    }

    /// Score the rows in float32, most promising first, until no other can enter.
    pub fn rescored(mut self, query: &[f32], corpus: Corpus<'_>, kernels: Kernels) -> Result<TopK> {
        self.drop_excluded();
        let candidates = &mut self.candidates;
        candidates.sort_unstable_by(|a, b| b.upper.total_cmp(&a.upper));
        let mut best = TopK::new(self.k, candidates.len());
        let rows: Vec<_> = candidates.iter().map(|one| (one.row, one.upper)).collect();
        rescore(&rows, query, corpus, kernels, &mut best)?;
        Ok(best)
    }
}

/// Score `rows` in float32, given with their upper bounds, best first, until no other can enter.
///
/// # Errors
/// [`crate::Error::Unreadable`] for rows that lie elsewhere.
pub fn rescore(
    rows: &[(usize, f32)],
    query: &[f32],
    corpus: Corpus<'_>,
    kernels: Kernels,
    best: &mut TopK,
) -> Result<()> {
    let mut buffer = Vec::new();
    for (row, _) in rows.iter().take(ROWS_AHEAD) {
        corpus.rows.prefetch(*row, kernels);
    }
    for (place, (row, upper)) in rows.iter().enumerate() {
        if *upper < best.floor() {
            break;
        }
        if let Some((later, _)) = rows.get(place + ROWS_AHEAD) {
            corpus.rows.prefetch(*later, kernels);
        }
        let numbers = corpus.rows.numbers(*row..row + 1, &mut buffer)?;
        best.push(corpus.hit(*row, kernels.dot(query, numbers)));
    }
    Ok(())
}
