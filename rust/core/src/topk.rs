//! The k best of a stream, in an order that depends on the hits alone.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// One hit: larger scores are better, equal scores are ordered by lower `key`.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// Similarity; never NaN.
    pub score: f32,
    /// What breaks ties: a row number or an id, unique among the hits.
    pub key: i64,
}

impl Ord for Hit {
    /// Greater means worse, so that the worst hit is on top of a max-heap.
    fn cmp(&self, other: &Self) -> Ordering {
        // `+ 0.0` makes -0.0 and 0.0 one score before the total order would tell them apart.
        (other.score + 0.0)
            .total_cmp(&(self.score + 0.0))
            .then(self.key.cmp(&other.key))
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Hit {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Hit {}

/// A bounded heap of the `k` best hits seen so far: O(log k) for a hit that enters, O(1) otherwise.
#[derive(Debug)]
pub struct TopK {
    k: usize,
    heap: BinaryHeap<Hit>,
}

impl TopK {
    /// Keep the best `k`, at least 1; `count` is how many hits can come at most.
    #[must_use]
    pub fn new(k: usize, count: usize) -> Self {
        let k = k.max(1);
        Self {
            k,
            heap: BinaryHeap::with_capacity(k.min(count)),
        }
    }

    /// Score below which no hit can enter any more; minus infinity until `k` hits are there.
    ///
    /// Hits have clamped scores and what is compared with the floor has not: a score of -1 hides how
    /// low it was, so nothing is excluded by it.
    #[must_use]
    pub fn floor(&self) -> f32 {
        if self.heap.len() < self.k {
            return f32::NEG_INFINITY;
        }
        let worst = self.heap.peek().map(|worst| worst.score);
        worst
            .filter(|score| *score > -1.0)
            .unwrap_or(f32::NEG_INFINITY)
    }

    /// Offer a hit.
    pub fn push(&mut self, hit: Hit) {
        if self.heap.len() < self.k {
            self.heap.push(hit);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && hit < *worst
        {
            *worst = hit;
        }
    }

    /// The hits, best first.
    #[must_use]
    pub fn into_best_first(self) -> Vec<Hit> {
        self.heap.into_sorted_vec()
    }
}
