//! A pass over codes along axes: from the heads of all rows down to the float32 of a few.

use crate::error::Result;
use crate::funnel::{AxisCodes, AxisQuery};
use crate::mask::{BLOCK, bits};
use crate::parallel::{SCAN_COST, in_parts};
use crate::scan::{Pass, dots_into};
use crate::simd::Bound;
use crate::survivors::{Survivors, rescore};
use crate::topk::TopK;

/// Products of one pass that are kept, over its queries: 16 MB.
const PRODUCTS_MAX: usize = 1 << 22;

/// The level that is read of every row, and the one that is read of those it leaves open.
const HEAD_LEVEL: usize = 0;
const LAST_LEVEL: usize = 1;

/// Level one's products of a block's rows.
struct Head {
    start: usize,
    end: usize,
    word: u64,
    products: [i32; BLOCK],
}

/// What one thread has seen of the rows for one query.
struct Seen {
    heads: Vec<Head>,
    /// The best by estimate.
    likely: Survivors,
}

impl Pass<'_> {
    /// The best hits of each query, by way of `codes`.
    pub fn run_axes(&self, codes: &AxisCodes) -> Result<Vec<TopK>> {
        let together = (PRODUCTS_MAX / self.allowed.max(1)).max(1);
        let mut best = Vec::with_capacity(self.queries.len());
        for queries in self.queries.chunks(together) {
            best.extend(self.descend(queries, codes)?);
        }
        Ok(best)
    }

    fn descend(&self, queries: &[&[f32]], codes: &AxisCodes) -> Result<Vec<TopK>> {
        let projected: Vec<_> = queries
            .iter()
            .map(|query| AxisQuery::new(query, codes.axes(), self.kernels))
            .collect();
        let parts = in_parts(self.blocks(), SCAN_COST * queries.len(), |pieces| {
            self.scan_heads(codes, &projected, pieces.flatten())
        });
        let mut by_query: Vec<Vec<Seen>> = queries.iter().map(|_| Vec::new()).collect();
        for part in parts {
            for (seen, one) in by_query.iter_mut().zip(part) {
                seen.push(one);
            }
        }
        queries
            .iter()
            .zip(&projected)
            .zip(by_query)
            .map(|((query, projected), seen)| self.settle(query, projected, codes, seen))
            .collect()
    }

    /// Level one of the blocks' rows.
    fn scan_heads(
        &self,
        codes: &AxisCodes,
        queries: &[AxisQuery],
        blocks: impl Iterator<Item = usize>,
    ) -> Vec<Seen> {
        // Some more than are asked for: the k-th of their scores is close to that of all.
        let likely = self.k + self.k / 8 + 6;
        let seen = || Seen {
            heads: Vec::with_capacity(self.blocks()),
            likely: Survivors::new(likely),
        };
        let mut scans: Vec<_> = queries.iter().map(|_| seen()).collect();
        for block in blocks {
            let (start, end, word) = self.block(block);
            let steps = &codes.steps()[start..end];
            let residuals = &codes.residuals(HEAD_LEVEL)[start..end];
            for (query, scan) in queries.iter().zip(&mut scans) {
                let mut products = [0; BLOCK];
                let dots = &mut products[..end - start];
                let lines = codes.lines(HEAD_LEVEL, start, end);
                dots_into(query.planes(HEAD_LEVEL), lines, word, dots, self.kernels);
                let estimate = Bound {
                    residual_factor: 0.0,
                    slack: 0.0,
                    ..query.bound(HEAD_LEVEL)
                };
                let floor = scan.likely.floor();
                let reaching = self
                    .kernels
                    .reaching(floor, estimate, dots, steps, residuals);
                for bit in bits(reaching & word) {
                    let (score, _) = estimate.of(dots[bit], steps[bit], residuals[bit]);
                    scan.likely.offer(start + bit, score, score);
                }
                scan.heads.push(Head {
                    start,
                    end,
                    word,
                    products,
                });
            }
        }
        scans
    }

    /// Score the likely rows, and then, on several threads, whatever may still be above the k-th of
    /// these scores.
    fn settle(
        &self,
        query: &[f32],
        projected: &AxisQuery,
        codes: &AxisCodes,
        seen: Vec<Seen>,
    ) -> Result<TopK> {
        let mut best = TopK::new(self.k, self.corpus.rows.rows());
        let mut heads = Vec::with_capacity(seen.len());
        let mut likely: Option<Survivors> = None;
        for one in seen {
            heads.push(one.heads);
            match &mut likely {
                Some(all) => all.append(one.likely),
                None => likely = Some(one.likely),
            }
        }
        let likely = likely.map(Survivors::into_rows).unwrap_or_default();
        let mut scored = vec![0_u64; self.corpus.rows.rows().div_ceil(BLOCK)];
        for row in &likely {
            scored[*row as usize / BLOCK] |= 1 << (*row as usize % BLOCK);
        }
        let certain = likely.iter().map(|row| (*row as usize, f32::INFINITY));
        rescore(
            &certain.collect::<Vec<_>>(),
            query,
            self.corpus,
            self.kernels,
            &mut best,
        )?;
        let floor = best.floor();
        let heads: Vec<_> = heads.iter().flatten().collect();
        let parts = in_parts(heads.len(), SCAN_COST, |pieces| {
            let mut open = Vec::new();
            for head in pieces.flatten().map(|number| heads[number]) {
                self.open_rows(head, floor, projected, codes, &scored, &mut open);
            }
            open.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
            let mut best = TopK::new(self.k, open.len());
            rescore(&open, query, self.corpus, self.kernels, &mut best)?;
            Ok(best)
        });
        for part in parts {
            for hit in part?.into_best_first() {
                best.push(hit);
            }
        }
        Ok(best)
    }

    /// Collect the rows of a block that level two leaves open, with their upper bounds.
    fn open_rows(
        &self,
        head: &Head,
        floor: f32,
        query: &AxisQuery,
        codes: &AxisCodes,
        scored: &[u64],
        open: &mut Vec<(usize, f32)>,
    ) {
        let Head { start, end, .. } = *head;
        let dots = &head.products[..end - start];
        let (steps, residuals) = (&codes.steps()[start..end], codes.residuals(HEAD_LEVEL));
        let reaching = self.kernels.reaching(
            floor,
            query.bound(HEAD_LEVEL),
            dots,
            steps,
            &residuals[start..end],
        ) & head.word;
        if reaching == 0 {
            return;
        }
        let mut more = [0; BLOCK];
        let (lines, more) = (
            codes.lines(LAST_LEVEL, start, end),
            &mut more[..end - start],
        );
        dots_into(
            query.planes(LAST_LEVEL),
            lines,
            reaching,
            more,
            self.kernels,
        );
        let residuals = &codes.residuals(LAST_LEVEL)[start..end];
        for bit in bits(reaching) {
            let row = start + bit;
            let dot = dots[bit] + more[bit];
            let (estimate, margin) = query.bound(LAST_LEVEL).of(dot, steps[bit], residuals[bit]);
            let upper = estimate + margin;
            if upper >= floor && scored[row / BLOCK] >> (row % BLOCK) & 1 == 0 {
                open.push((row, upper));
            }
        }
    }
}
