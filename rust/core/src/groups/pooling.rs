//! From the cosines of rows to the meaning of a group.

/// How much single rows and single queries count.
#[derive(Clone, Copy, Debug)]
pub struct Pooling {
    pub passage_share: f64,
    pub part_share: f64,
}

impl Pooling {
    /// What one query gets from a group; `first` is the cosine of its row at position 0.
    pub fn pooled(self, first: Option<f32>, best: f32) -> f64 {
        let best = f64::from(best);
        first.map_or(best, |first| {
            let first = f64::from(first);
            first + self.passage_share * (best - first)
        })
    }

    /// What the request gets: `pooled` of the whole, then of its parts.
    pub fn meaning(self, mut pooled: impl Iterator<Item = f64>) -> f64 {
        let whole = pooled.next().unwrap_or(f64::NEG_INFINITY);
        let best = pooled.reduce(f64::max);
        best.map_or(whole, |best| self.with_part(whole, best))
    }

    /// The same from what the whole gets and what its best part gets.
    pub fn with_part(self, whole: f64, best: f64) -> f64 {
        whole + self.part_share * (best - whole)
    }
}
