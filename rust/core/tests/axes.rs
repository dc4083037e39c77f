//! Codes along axes: every search by way of them gives the hits of a sort, whatever the rows are.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    clippy::missing_panics_doc,
    reason = "small numbers made for the tests, and results that must be equal bit for bit"
)]

mod noise;

use std::collections::BTreeMap;
use std::sync::Arc;

use openviking_core::Staged;
use openviking_core::axes::{Axes, HEAD, KEPT};
use openviking_core::funnel::AxisCodes;
use openviking_core::quantize::QueryCodes;
use openviking_core::{Kernels, Matrix, RowSet, normalize};
use proptest::prelude::*;

use noise::Noise;

const DIM: usize = 576;

fn unit(numbers: &[f32]) -> Vec<f32> {
    let rows = numbers.len() / DIM;
    normalize(
        Matrix::new("rows", numbers, rows, DIM).unwrap(),
        Kernels::best(),
    )
    .unwrap()
}

/// Unit rows near the sums of `rank` directions, with rows among them that are zero, equal to the
/// one before, its opposite, or far from all directions.
fn rows(seed: u64, count: usize, rank: usize, noise: f32) -> Vec<f32> {
    let mut random = Noise(seed);
    let directions: Vec<_> = (0..rank).map(|_| random.row(DIM)).collect();
    let mut numbers: Vec<f32> = Vec::new();
    for row in 0..count {
        let before = numbers[row.saturating_sub(1) * DIM..].to_vec();
        match (row % 40, before.is_empty()) {
            (37, false) => numbers.extend(before),
            (38, false) => numbers.extend(before.iter().map(|x| -x)),
            (39, _) => numbers.extend([0.0; DIM]),
            (20, _) => numbers.extend(random.row(DIM)),
            _ => {
                let shares: Vec<_> = (0..rank)
                    .map(|at| random.next() / (1 + at) as f32)
                    .collect();
                let scale = 0.3 * noise;
                numbers.extend((0..DIM).map(|column| {
                    let sum = directions.iter().zip(&shares);
                    let sum: f32 = sum
                        .map(|(direction, share)| direction[column] * share)
                        .sum();
                    sum + scale * random.next()
                }));
            }
        }
    }
    unit(&numbers)
}

/// A set of these rows, under falling ids, that is searched along `axes`.
fn set_along(rows: &[f32], axes: &Arc<Axes>, kernels: Kernels) -> RowSet {
    let count = rows.len() / DIM;
    let ids = (0..count as i64).map(|row| 5_000 - row).collect();
    let mut set = RowSet::new(DIM, kernels).unwrap();
    set.add(Staged::new(ids, rows.to_vec(), DIM, kernels).unwrap())
        .unwrap();
    let mut codes = AxisCodes::new(Arc::clone(axes));
    while set.code_along(&mut codes, 100) {}
    assert!(set.adopt(codes, set.changes()));
    assert_eq!(set.scanned_bytes(), HEAD, "the rows lie near a subspace");
    set
}

fn sorted(query: &[f32], rows: &BTreeMap<i64, Vec<f32>>) -> Vec<(i64, f32)> {
    let score = |row: &[f32]| Kernels::best().dot(query, row).clamp(-1.0, 1.0);
    let mut all: Vec<_> = rows.iter().map(|(id, row)| (*id, score(row))).collect();
    all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
    all
}

fn by_id(rows: &[f32]) -> BTreeMap<i64, Vec<f32>> {
    let numbered = rows.chunks_exact(DIM).enumerate();
    numbered
        .map(|(row, numbers)| (5_000 - row as i64, numbers.to_vec()))
        .collect()
}

fn assert_hits(
    set: &RowSet,
    queries: &[f32],
    k: usize,
    allow: Option<&[i64]>,
    rows: &BTreeMap<i64, Vec<f32>>,
) {
    let matrix = Matrix::new("queries", queries, queries.len() / DIM, DIM).unwrap();
    let found = set.search(matrix, k, allow).unwrap();
    for (at, query) in queries.chunks_exact(DIM).enumerate() {
        let expected: Vec<_> = sorted(query, rows).into_iter().take(found.k).collect();
        let hits = found.keys[at * found.k..(at + 1) * found.k].iter().copied();
        let hits: Vec<_> = hits
            .zip(found.scores[at * found.k..].iter().copied())
            .collect();
        assert_eq!(hits, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_search_along_axes_gives_the_hits_of_a_sort(
        seed in any::<u64>(),
        rank in prop_oneof![Just(3_usize), Just(40)],
        noise in prop_oneof![Just(0.0_f32), 0.0..0.5_f32],
        k in 1..60_usize,
        nth in 1..9_i64,
    ) {
        let numbers = rows(seed, 700, rank, noise);
        let all = by_id(&numbers);
        let sample = Matrix::new("rows", &numbers, 700, DIM).unwrap();
        // Directions are fewer than axes: without noise there is nothing to fit the last ones to.
        let Some(axes) = Axes::fit(sample, Kernels::best()).map(Arc::new) else {
            return Ok(());
        };
        let mut random = Noise(seed ^ 1);
        let mut queries = numbers[5 * DIM..6 * DIM].to_vec();
        queries.extend(unit(&random.row(DIM)));
        let near: Vec<_> = numbers[DIM..2 * DIM].iter().map(|x| x + 0.02 * random.next()).collect();
        queries.extend(unit(&near));
        queries.extend([0.0; DIM]);
        queries.extend(numbers[7 * DIM..8 * DIM].iter().map(|x| -x));
        for kernels in Kernels::available() {
            let set = set_along(&numbers, &axes, kernels);
            assert_hits(&set, &queries, k, None, &all);
            let few: BTreeMap<_, _> = all.iter().filter(|(id, _)| **id % nth == 0).map(|(id, row)| (*id, row.clone())).collect();
            let allow: Vec<_> = few.keys().copied().chain([-7]).collect();
            assert_hits(&set, &queries, k, Some(&allow), &few);
        }
    }

    #[test]
    fn a_set_along_axes_is_a_map_from_ids_to_rows(
        seed in any::<u64>(),
        changes in prop::collection::vec((0..3_u8, 4_200..5_100_i64), 1..40),
    ) {
        let kernels = Kernels::best();
        let numbers = rows(seed, 700, 20, 0.2);
        let mut all = by_id(&numbers);
        let sample = Matrix::new("rows", &numbers, 700, DIM).unwrap();
        let mut set = set_along(&numbers, &Arc::new(Axes::fit(sample, kernels).unwrap()), kernels);
        let mut random = Noise(seed ^ 2);
        for (kind, id) in changes {
            if kind == 0 {
                prop_assert_eq!(set.remove(&[id]), usize::from(all.remove(&id).is_some()));
            } else {
                let row = unit(&random.row(DIM));
                set.replace(Staged::new(vec![id], row.clone(), DIM, kernels).unwrap()).unwrap();
                all.insert(id, row);
            }
        }
        prop_assert_eq!(set.len(), all.len());
        let last = all.values().next_back().unwrap().clone();
        assert_hits(&set, &[unit(&random.row(DIM)), last].concat(), 20, None, &all);
    }
}

#[test]
fn axes_are_orthonormal_and_project_alike_on_every_level() {
    let numbers = rows(3, 700, 30, 0.2);
    let sample = Matrix::new("rows", &numbers, 700, DIM).unwrap();
    let axes = Axes::fit(sample, Kernels::best()).unwrap();
    assert!(axes.defect() < 0.005, "{}", axes.defect());
    let query = &numbers[DIM..2 * DIM];
    let mut projections = Kernels::available().into_iter().map(|kernels| {
        assert_eq!(Axes::fit(sample, kernels).as_ref(), Some(&axes));
        axes.project(&QueryCodes::new(query, kernels), kernels)
    });
    let first = projections.next().unwrap();
    assert_eq!(first.len(), KEPT);
    let length = first
        .iter()
        .map(|x| f64::from(*x).powi(2))
        .sum::<f64>()
        .sqrt();
    assert!((0.8..1.001).contains(&length), "{length}");
    assert!(projections.all(|projection| projection == first));
}

#[test]
fn rows_of_every_direction_keep_their_plain_codes() {
    let kernels = Kernels::best();
    let mut random = Noise(9);
    let numbers: Vec<_> = (0..3_200).flat_map(|_| random.row(DIM)).collect();
    let numbers = unit(&numbers);
    let mut set = RowSet::new(DIM, kernels).unwrap();
    let staged = |ids: std::ops::Range<i64>| {
        let span = ids.start as usize * DIM..ids.end as usize * DIM;
        Staged::new(ids.collect(), numbers[span].to_vec(), DIM, kernels).unwrap()
    };
    set.add(staged(0..3_000)).unwrap();
    assert_eq!(set.sample(), None, "few rows");
    set.add(staged(3_000..3_200)).unwrap();
    let sample = set.sample().unwrap();
    let axes = Axes::fit(
        Matrix::new("rows", &sample, sample.len() / DIM, DIM).unwrap(),
        kernels,
    );
    let mut codes = AxisCodes::new(Arc::new(axes.unwrap()));
    while set.code_along(&mut codes, 3_000) {}
    let changes = set.changes();
    assert_eq!(set.remove(&[3]), 1);
    assert!(!set.adopt(codes.clone(), changes), "made of other rows");
    let mut codes = AxisCodes::new(Arc::clone(codes.axes()));
    while set.code_along(&mut codes, 3_000) {}
    assert!(set.adopt(codes, set.changes()));
    assert_eq!(set.scanned_bytes(), DIM);
    assert_eq!(set.sample(), None, "it has been tried");
}
