//! Both scans against a plain sort, for every kernel set; and the row set against a plain map.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    clippy::missing_panics_doc,
    reason = "small numbers made for the tests, and results that must be equal bit for bit"
)]

use std::collections::BTreeMap;

use openviking_core::Staged;
use openviking_core::mask::RowMask;
use openviking_core::quantize::Codes;
use openviking_core::search::{Corpus, ReadRows, Rows, search_corpus};
use openviking_core::{Error, Found, Kernels, Matrix, RowSet, normalize, plan_batches, search};
use proptest::prelude::*;

/// Rows of `dim` columns of which some are equal, some are zero and many are close to each other.
fn unit_rows(dim: usize, count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f32>> {
    let centre = prop::collection::vec(-1.0_f32..1.0, dim);
    let row = (0..5_u8, prop::collection::vec(-1.0_f32..1.0, dim));
    (centre, prop::collection::vec(row, count)).prop_map(move |(centre, rows)| {
        let mut numbers = Vec::new();
        for (kind, row) in rows {
            match kind {
                0 => numbers.extend(std::iter::repeat_n(0.0, dim)),
                1 => numbers.extend_from_slice(&centre),
                2 => numbers.extend(centre.iter().zip(&row).map(|(c, x)| c + 0.003 * x)),
                3 => numbers.extend(centre.iter().map(|c| -c)),
                _ => numbers.extend_from_slice(&row),
            }
        }
        let count = numbers.len() / dim;
        normalize(
            Matrix::new("rows", &numbers, count, dim).unwrap(),
            Kernels::best(),
        )
        .unwrap()
    })
}

/// Rows that are copied when they are asked for; those from `broken` on cannot be read.
struct Copied<'a> {
    numbers: &'a [f32],
    dim: usize,
    broken: usize,
}

impl ReadRows for Copied<'_> {
    fn read_into(&self, first: usize, numbers: &mut [f32]) -> Result<(), Error> {
        if first + numbers.len() / self.dim > self.broken {
            let row = first.max(self.broken);
            return Err(Error::Unreadable { row, code: Some(5) });
        }
        let start = first * self.dim;
        numbers.copy_from_slice(&self.numbers[start..start + numbers.len()]);
        Ok(())
    }
}

impl Copied<'_> {
    fn rows(&self) -> Rows<'_> {
        Rows::Elsewhere {
            source: self,
            rows: self.numbers.len() / self.dim,
            dim: self.dim,
        }
    }
}

fn matrix(numbers: &[f32], dim: usize) -> Matrix<'_> {
    Matrix::new("rows", numbers, numbers.len() / dim, dim).unwrap()
}

/// Sort all allowed rows by score, then by key.
fn sorted(query: &[f32], rows: Matrix<'_>, keys: &[i64], allow: &[bool]) -> Vec<(i64, f32)> {
    let score = |row| Kernels::best().dot(query, rows.row(row)).clamp(-1.0, 1.0);
    let mut all: Vec<_> = (0..rows.rows())
        .filter(|row| allow[*row])
        .map(|row| (keys[row], score(row)))
        .collect();
    all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
    all
}

fn assert_best(found: &Found, expected: &[Vec<(i64, f32)>]) {
    for (query, expected) in expected.iter().enumerate() {
        let hits = query * found.k..(query + 1) * found.k;
        let found: Vec<_> = found.keys[hits.clone()]
            .iter()
            .zip(&found.scores[hits.clone()])
            .collect();
        let expected: Vec<_> = expected[..hits.len()]
            .iter()
            .map(|(key, score)| (key, score))
            .collect();
        assert_eq!(found, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn both_scans_give_the_hits_of_a_sort(
        (dim, numbers, queries) in prop::sample::select(&[1_usize, 63, 64, 65, 100, 768][..])
            .prop_flat_map(|dim| (Just(dim), unit_rows(dim, 200..500), unit_rows(dim, 1..7))),
        k in 1..20_usize,
        // Only the first leaves enough rows for the scan over codes.
        stride in prop::sample::select(&[1_usize, 1, 1, 2, 3, 50][..]),
    ) {
        let rows = matrix(&numbers, dim);
        let keys: Vec<_> = (0..rows.rows() as i64).map(|row| (row * 7919) % 10_007 - 5_000).collect();
        let allow: Vec<_> = (0..rows.rows()).map(|row| row % stride == 0).collect();
        let mask = RowMask::from_bools(&allow);
        let expected: Vec<_> =
            queries.chunks(dim).map(|query| sorted(query, rows, &keys, &allow)).collect();
        for kernels in Kernels::available() {
            let codes = Codes::of(&numbers, dim, kernels);
            let copied = Copied { numbers: &numbers, dim, broken: usize::MAX };
            for rows in [rows.into(), copied.rows()] {
                for codes in [None, Some(codes.view())] {
                    let corpus = Corpus { rows, keys: Some(&keys), codes };
                    let found =
                        search_corpus(matrix(&queries, dim), corpus, k, Some(&mask), kernels)
                            .unwrap();
                    prop_assert_eq!(found.k, k.min(mask.count()));
                    assert_best(&found, &expected);
                }
            }
        }
    }

    #[test]
    fn a_row_set_is_a_map_from_ids_to_rows(
        numbers in unit_rows(8, 30..31),
        steps in prop::collection::vec((0..3_u8, prop::collection::vec(0..12_i64, 1..6)), 1..30),
    ) {
        let mut set = RowSet::new(8, Kernels::best()).unwrap();
        let mut map: BTreeMap<i64, Vec<f32>> = BTreeMap::new();
        for (step, (action, mut ids)) in steps.into_iter().enumerate() {
            ids.sort_unstable();
            ids.dedup();
            let rows: Vec<_> = ids
                .iter()
                .map(|id| numbers[((step as i64 + id) as usize % 30) * 8..][..8].to_vec())
                .collect();
            let staged = Staged::new(ids.clone(), rows.concat(), 8, Kernels::best()).unwrap();
            match action {
                0 => {
                    let known = ids.iter().find(|id| map.contains_key(id));
                    let expected = known.map_or(Ok(()), |id| Err(Error::KnownId { id: *id }));
                    prop_assert_eq!(set.add(staged), expected);
                    if known.is_none() {
                        map.extend(ids.into_iter().zip(rows));
                    }
                }
                1 => {
                    set.replace(staged).unwrap();
                    map.extend(ids.into_iter().zip(rows));
                }
                _ => {
                    let removed = ids.iter().filter(|id| map.remove(id).is_some()).count();
                    prop_assert_eq!(set.remove(&ids), removed);
                }
            }
            prop_assert_eq!(set.len(), map.len());
            for id in 0..12 {
                prop_assert_eq!(set.row(id), map.get(&id).map(Vec::as_slice));
            }
            let (keys, rows): (Vec<_>, Vec<_>) = map.iter().map(|(id, row)| (*id, row.clone())).unzip();
            let rows = rows.concat();
            let query = &numbers[..8];
            let found = set.search(matrix(query, 8), 5, None).unwrap();
            let expected = sorted(query, matrix(&rows, 8), &keys, &vec![true; keys.len()]);
            assert_best(&found, &[expected]);
        }
    }

    #[test]
    fn batches_hold_every_row_once_and_keep_their_budget(
        lengths in prop::collection::vec(0..500_i64, 0..200),
        tokens_max in 1..2_000_u64,
        rows_max in 1..50_u64,
    ) {
        let batches = plan_batches(&lengths, tokens_max, rows_max).unwrap();
        let mut rows = batches.concat();
        let longest_first: Vec<_> = rows.iter().map(|row| -lengths[*row as usize]).collect();
        prop_assert!(longest_first.is_sorted());
        rows.sort_unstable();
        prop_assert_eq!(rows, (0..lengths.len() as i64).collect::<Vec<_>>());
        for batch in batches {
            let longest = batch.iter().map(|row| lengths[*row as usize]).max().unwrap();
            prop_assert!(batch.len() as u64 <= rows_max);
            prop_assert!(batch.len() == 1 || batch.len() as u64 * longest as u64 <= tokens_max);
        }
    }
}

#[test]
fn a_set_large_enough_for_two_threads_gives_the_hits_of_a_sort() {
    let dim = 64;
    let wave = |i: usize| ((i * 2_654_435_761) % 1_000_003) as f32 / 500_001.5 - 1.0;
    let numbers: Vec<_> = (0..40_000 * dim).map(wave).collect();
    let unit = normalize(matrix(&numbers, dim), Kernels::best()).unwrap();
    let rows = matrix(&unit, dim);
    let keys: Vec<_> = (0..rows.rows() as i64).collect();
    let expected = sorted(rows.row(7), rows, &keys, &vec![true; rows.rows()]);
    let query = matrix(rows.row(7), dim);
    let codes = Codes::of(&unit, dim, Kernels::best());
    for codes in [None, Some(codes.view())] {
        let corpus = Corpus {
            rows: rows.into(),
            keys: None,
            codes,
        };
        let found = search_corpus(query, corpus, 25, None, Kernels::best()).unwrap();
        assert_best(&found, std::slice::from_ref(&expected));
    }
}

#[test]
fn equal_rows_are_ordered_by_key_even_at_the_ends_of_the_scale() {
    let dim = 768;
    let mut row = vec![0.0; dim];
    row[3] = 1.0;
    let rows = row.repeat(200);
    let keys: Vec<_> = (0..200).map(|row| 1000 - row).collect();
    let codes = Codes::of(&rows, dim, Kernels::best());
    for sign in [1.0, -1.0, 0.0] {
        let query: Vec<_> = row.iter().map(|x| x * sign).collect();
        let corpus = Corpus {
            rows: matrix(&rows, dim).into(),
            keys: Some(&keys),
            codes: Some(codes.view()),
        };
        let found = search_corpus(matrix(&query, dim), corpus, 3, None, Kernels::best()).unwrap();
        assert_eq!(found.keys, [801, 802, 803]);
        assert_eq!(found.scores, [sign; 3]);
    }
}

#[test]
fn what_is_no_unit_row_is_refused_by_name_and_place() {
    let kernels = Kernels::best();
    let unit = |x: f32| [x, 0.0, 0.0, 1.0];
    let find = |queries: &[f32], rows: &[f32], k| {
        search(
            Matrix::new("queries", queries, queries.len() / 2, 2)?,
            Matrix::new("rows", rows, rows.len() / 2, 2)?,
            k,
            None,
            kernels,
        )
    };
    let good = [1.0, 0.0];
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let argument = |argument| {
            Err(Error::NotFinite {
                argument,
                row: 0,
                column: 0,
            })
        };
        assert_eq!(find(&unit(bad), &good, 1), argument("queries"));
        assert_eq!(find(&good, &unit(bad), 1), argument("rows"));
        assert_eq!(find(&[0.0, 1.0], &unit(bad), 1), argument("rows"));
        let staged = Staged::new(vec![1, 2], unit(bad).to_vec(), 2, kernels);
        assert_eq!(
            staged.unwrap_err(),
            Error::NotFinite {
                argument: "vectors",
                row: 0,
                column: 0
            }
        );
    }
    let long = |argument, length| {
        Err(Error::NotUnit {
            argument,
            row: 0,
            length,
        })
    };
    assert_eq!(find(&unit(2.0), &good, 1), long("queries", 2.0));
    assert_eq!(find(&good, &unit(2.0), 1), long("rows", 2.0));
    assert_eq!(find(&good, &good, 0), Err(Error::Zero { argument: "k" }));
    assert_eq!(
        find(&good, &[], 3),
        Ok(Found {
            k: 0,
            keys: vec![],
            scores: vec![]
        })
    );
}

#[test]
fn removing_nearly_everything_gives_memory_back_and_keeps_the_rest() {
    let count = 5_000;
    let ids: Vec<_> = (0..count).collect();
    let rows: Vec<_> = ids
        .iter()
        .flat_map(|id| [(*id as f32).cos(), (*id as f32).sin()])
        .collect();
    let mut set = RowSet::new(2, Kernels::best()).unwrap();
    set.add(Staged::new(ids.clone(), rows.clone(), 2, Kernels::best()).unwrap())
        .unwrap();
    assert_eq!(set.remove(&ids[10..]), 4_990);
    assert_eq!(set.remove(&ids[10..]), 0);
    for id in 0..10 {
        assert_eq!(set.row(id), Some(&rows[id as usize * 2..][..2]));
    }
}

#[test]
fn rows_of_any_finite_size_are_normalised_to_within_one_ulp() {
    for scale in [1.0_f32, 1e-45, 1e-38, 1e30] {
        let numbers = [3.0 * scale, -4.0 * scale];
        let unit = normalize(matrix(&numbers, 2), Kernels::best()).unwrap();
        let length = f64::from(numbers[0]).hypot(f64::from(numbers[1]));
        for (x, y) in numbers.iter().zip(unit) {
            assert!((f64::from(y) - f64::from(*x) / length).abs() <= 2.0_f64.powi(-24));
        }
    }
    assert_eq!(
        normalize(matrix(&[0.0, -0.0], 2), Kernels::best()).unwrap(),
        [0.0, 0.0]
    );
}

#[test]
fn rows_that_cannot_be_read_are_an_error_of_either_scan() {
    let (dim, count) = (64, 300);
    let numbers: Vec<_> = (0..count * dim).map(|i| (i as f32).sin()).collect();
    let rows = normalize(matrix(&numbers, dim), Kernels::best()).unwrap();
    let codes = Codes::of(&rows, dim, Kernels::best());
    let copied = Copied {
        numbers: &rows,
        dim,
        broken: 200,
    };
    for codes in [None, Some(codes.view())] {
        let corpus = Corpus {
            rows: copied.rows(),
            keys: None,
            codes,
        };
        // The row itself is its own nearest, so that either scan needs it.
        let find = |row: usize, k| {
            let query = matrix(&rows[row * dim..(row + 1) * dim], dim);
            let all = search_corpus(query, corpus, k, None, Kernels::best());
            let near = RowMask::from_rows((0..150).collect(), count);
            let some = search_corpus(query, corpus, k, Some(&near), Kernels::best());
            (all, some)
        };
        let (all, some) = find(250, 1);
        assert!(matches!(
            all,
            Err(Error::Unreadable {
                row: 200..,
                code: Some(5)
            })
        ));
        assert_eq!(some.unwrap().k, 1);
    }
}
