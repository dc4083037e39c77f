//! The search for groups gives what scoring every row gives, bit for bit.
//!
//! Signs miss a group with a small probability, so the cases are the same in every run.
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

use openviking_core::Staged;
use openviking_core::{Error, FoundGroups, GroupSearch, Kernels, Matrix, RowSet, normalize};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use noise::Noise;

const DIM: usize = 512;

/// More groups than are scored without a look at their signs.
const GROUPS: i64 = 160;

/// A number below `limit`.
fn below(random: &mut Noise, limit: usize) -> usize {
    ((random.next() + 1.0) * 0.5 * limit as f32) as usize % limit
}

fn unit(numbers: &[f32], dim: usize) -> Vec<f32> {
    let rows = numbers.len() / dim;
    let matrix = Matrix::new("rows", numbers, rows, dim).unwrap();
    normalize(matrix, Kernels::best()).unwrap()
}

/// Ids and unit rows: topics near a few directions, passages near their topic, some of them copies,
/// opposites or zero; some groups without a row at position 0, some with that row alone.
fn corpus(random: &mut Noise, groups: usize, dim: usize) -> (Vec<i64>, Vec<f32>) {
    let directions: Vec<_> = (0..12).map(|_| random.row(dim)).collect();
    let (mut ids, mut numbers): (Vec<i64>, Vec<f32>) = (Vec::new(), Vec::new());
    for group in 0..groups as i64 {
        let shares: Vec<_> = directions.iter().map(|_| random.next()).collect();
        let count = if group % 7 == 3 {
            1
        } else {
            1 + below(random, 9) as i64
        };
        let skipped = i64::from(group % 11 == 5);
        for position in skipped..count + skipped {
            let spread = 1 + i64::from(group % 5 == 0);
            ids.push(((group - 2) << 16) + position * spread);
            let before = numbers.len().saturating_sub(dim);
            match (below(random, 20), numbers.is_empty()) {
                (0, false) => numbers.extend_from_within(before..),
                (1, false) => {
                    let opposite: Vec<_> = numbers[before..].iter().map(|x| -x).collect();
                    numbers.extend(opposite);
                }
                (2, _) => numbers.extend(vec![0.0; dim]),
                _ => numbers.extend((0..dim).map(|column| {
                    let topic = directions.iter().zip(&shares);
                    let topic: f32 = topic.map(|(along, share)| along[column] * share).sum();
                    topic + 1.5 * directions[column % 12][column] * random.next() + random.next()
                })),
            }
        }
    }
    // Neither order nor place tells the group.
    for at in (1..ids.len()).rev().step_by(3) {
        let other = below(random, at + 1);
        ids.swap(at, other);
        for column in 0..dim {
            numbers.swap(at * dim + column, other * dim + column);
        }
    }
    let rows = unit(&numbers, dim);
    (ids, rows)
}

fn set_of(ids: &[i64], rows: &[f32], dim: usize, kernels: Kernels) -> RowSet {
    let mut set = RowSet::new(dim, kernels).unwrap();
    let staged = Staged::new(ids.to_vec(), rows.to_vec(), dim, kernels).unwrap();
    set.add(staged).unwrap();
    set
}

/// Every group's meaning, score and nearest row, from every row.
fn scored(ids: &[i64], rows: &[f32], wanted: &GroupSearch<'_>) -> BTreeMap<i64, (f64, f64, i64)> {
    let dim = wanted.queries.dim();
    let mut by_group: BTreeMap<i64, Vec<(i64, Vec<f32>)>> = BTreeMap::new();
    for (id, row) in ids.iter().zip(rows.chunks_exact(dim)) {
        let prior = usize::try_from(id >> 16)
            .ok()
            .and_then(|group| wanted.prior.get(group));
        if prior.is_some_and(|prior| *prior != f64::NEG_INFINITY) {
            let queries = (0..wanted.queries.rows()).map(|at| wanted.queries.row(at));
            let cosine = |query| Kernels::best().dot(query, row).clamp(-1.0, 1.0);
            by_group
                .entry(id >> 16)
                .or_default()
                .push((*id, queries.map(cosine).collect()));
        }
    }
    let judged = |group: i64, rows: &[(i64, Vec<f32>)]| {
        let pooled: Vec<f64> = (0..wanted.queries.rows())
            .map(|at| {
                let cosines = rows.iter().map(|(_, cosines)| f64::from(cosines[at]));
                let best = cosines.fold(f64::NEG_INFINITY, f64::max);
                let first = rows.iter().find(|(id, _)| id % 65_536 == 0);
                first.map_or(best, |(_, cosines)| {
                    let first = f64::from(cosines[at]);
                    first + wanted.passage_share * (best - first)
                })
            })
            .collect();
        let part = pooled[1..].iter().copied().reduce(f64::max);
        let meaning = part.map_or(pooled[0], |part| {
            pooled[0] + wanted.part_share * (part - pooled[0])
        });
        let highest = |cosines: &[f32]| cosines.iter().copied().fold(-2.0, f32::max);
        let nearest = rows.iter().min_by(|a, b| {
            highest(&b.1)
                .partial_cmp(&highest(&a.1))
                .unwrap()
                .then(a.0.cmp(&b.0))
        });
        (
            meaning,
            meaning + wanted.prior[group as usize],
            nearest.unwrap().0,
        )
    };
    by_group
        .iter()
        .map(|(group, rows)| (*group, judged(*group, rows)))
        .collect()
}

/// The first `count` groups by `value`, ties by key.
fn first(
    groups: &BTreeMap<i64, (f64, f64, i64)>,
    keys: &[i64],
    count: usize,
    value: impl Fn(&(f64, f64, i64)) -> f64,
) -> Vec<i64> {
    let mut sorted: Vec<_> = groups.iter().collect();
    sorted.sort_by(|a, b| {
        let order = value(b.1).partial_cmp(&value(a.1)).unwrap();
        order.then(keys[*a.0 as usize].cmp(&keys[*b.0 as usize]))
    });
    sorted
        .iter()
        .take(count)
        .map(|(group, _)| **group)
        .collect()
}

fn assert_found(found: &FoundGroups, ids: &[i64], rows: &[f32], wanted: &GroupSearch<'_>) {
    let groups = scored(ids, rows, wanted);
    let named = |places: &[i64]| -> Vec<i64> {
        places
            .iter()
            .map(|place| found.groups[*place as usize])
            .collect()
    };
    let by_score = first(&groups, wanted.keys, wanted.k, |one| one.1);
    let by_meaning = first(&groups, wanted.keys, wanted.near, |one| one.0);
    assert_eq!(named(&found.by_score), by_score);
    assert_eq!(named(&found.by_meaning), by_meaning);
    for (at, group) in found.groups.iter().enumerate() {
        let told = (found.meanings[at], found.scores[at], found.rows[at]);
        assert_eq!(told, groups[group], "group {group}");
    }
    for (at, group) in found.groups.iter().enumerate() {
        let place = by_meaning.iter().position(|known| known == group);
        match place {
            Some(place) => assert_eq!(found.ranks[at], place as i64 + 1, "group {group}"),
            None => assert!(found.ranks[at] > wanted.near as i64, "group {group}"),
        }
    }
    let mut named: Vec<_> = by_score.into_iter().chain(by_meaning).collect();
    named.sort_unstable();
    named.dedup();
    assert_eq!(found.groups.len(), named.len(), "each group once");
}

/// A search in which each share is a half.
fn halves<'a>(
    queries: Matrix<'a>,
    (prior, keys): (&'a [f64], &'a [i64]),
    (k, near): (usize, usize),
) -> GroupSearch<'a> {
    GroupSearch {
        queries,
        prior,
        keys,
        k,
        near,
        passage_share: 0.5,
        part_share: 0.5,
    }
}

fn priors(random: &mut Noise, count: usize, scale: f64) -> Vec<f64> {
    let mut prior = |_| match below(random, 10) {
        0 => f64::NEG_INFINITY,
        1..4 => 0.0,
        _ => f64::from(random.next()) * scale,
    };
    (0..count).map(&mut prior).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 16,
        rng_seed: RngSeed::Fixed(5),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_level_finds_the_groups_of_the_definition(
        seed in any::<u64>(),
        groups in prop_oneof![Just(20_usize), Just(300)],
        scale in prop_oneof![Just(0.0), Just(0.2), Just(3.0), Just(1e300)],
        (k, near) in (1..30_usize, 1..30_usize),
        parts in 0..5_usize,
        shares in (prop_oneof![Just(0.0), Just(0.5), Just(1.0), 0.0..1.0], prop_oneof![Just(0.0), Just(1.0), 0.0..1.0]),
    ) {
        let mut random = Noise(seed);
        let (ids, rows) = corpus(&mut random, groups, DIM);
        let prior = priors(&mut random, groups - 1, scale);
        let keys: Vec<_> = (0..prior.len() as i64).map(|group| (group * 7_919) % 10_007).collect();
        let mut queries = Vec::new();
        for _ in 0..=parts {
            let near = below(&mut random, ids.len());
            let amount = [0.0, 0.05, 1.0][below(&mut random, 3)];
            queries.extend(rows[near * DIM..(near + 1) * DIM].iter().map(|x| x + amount * random.next()));
        }
        let queries = unit(&queries, DIM);
        let wanted = GroupSearch {
            queries: Matrix::new("queries", &queries, parts + 1, DIM).unwrap(),
            prior: &prior,
            keys: &keys,
            k,
            near,
            passage_share: shares.0,
            part_share: shares.1,
        };
        for kernels in Kernels::available() {
            let set = set_of(&ids, &rows, DIM, kernels);
            if seed % 2 == 0 {
                set.prepare_groups();
            }
            assert_found(&set.search_groups(&wanted).unwrap(), &ids, &rows, &wanted);
        }
    }

    #[test]
    fn changes_of_the_set_show_at_once(
        seed in any::<u64>(),
        changes in prop::collection::vec((any::<bool>(), 0..GROUPS, 0..4_i64), 1..12),
    ) {
        let mut random = Noise(seed);
        let (ids, rows) = corpus(&mut random, GROUPS as usize, DIM);
        let mut set = set_of(&ids, &rows, DIM, Kernels::best());
        let numbered = ids.iter().copied().zip(rows.chunks_exact(DIM).map(<[f32]>::to_vec));
        let mut all: BTreeMap<i64, Vec<f32>> = numbered.collect();
        let (prior, keys) = (vec![0.0; GROUPS as usize], (0..GROUPS).collect::<Vec<_>>());
        for (is_added, group, position) in changes {
            let id = group << 16 | position;
            let query = unit(&random.row(DIM), DIM);
            if is_added {
                set.replace(Staged::new(vec![id], query.clone(), DIM, Kernels::best()).unwrap()).unwrap();
                all.insert(id, query.clone());
            } else {
                set.remove(&[id]);
                all.remove(&id);
            }
            let queries = Matrix::new("queries", &query, 1, DIM).unwrap();
            let wanted = halves(queries, (&prior, &keys), (5, 9));
            let (ids, rows): (Vec<_>, Vec<_>) = all.iter().map(|(id, row)| (*id, row.clone())).unzip();
            assert_found(&set.search_groups(&wanted).unwrap(), &ids, &rows.concat(), &wanted);
        }
    }
}

#[test]
fn groups_of_one_row_are_not_trusted_more_than_others() {
    let mut random = Noise(12);
    let ids: Vec<_> = (0..2_000).map(|group| group << 16).collect();
    let common = random.row(DIM);
    let near = |random: &mut Noise| -> Vec<f32> {
        let own = random.row(DIM);
        own.iter()
            .zip(&common)
            .map(|(own, common)| own + 0.5 * common)
            .collect()
    };
    let rows: Vec<_> = (0..2_000).flat_map(|_| near(&mut random)).collect();
    let rows = unit(&rows, DIM);
    let set = set_of(&ids, &rows, DIM, Kernels::best());
    let (prior, keys) = (vec![0.0; 2_000], (0..2_000).collect::<Vec<_>>());
    for _ in 0..60 {
        let query = unit(&near(&mut random), DIM);
        let queries = Matrix::new("queries", &query, 1, DIM).unwrap();
        let wanted = halves(queries, (&prior, &keys), (10, 10));
        assert_found(&set.search_groups(&wanted).unwrap(), &ids, &rows, &wanted);
    }
}

#[test]
fn a_set_that_has_grown_is_sketched_anew_unless_it_changes_meanwhile() {
    let mut random = Noise(8);
    let (ids, rows) = corpus(&mut random, 600, DIM);
    let half = ids.len() / 3;
    let mut set = set_of(&ids[..half], &rows[..half * DIM], DIM, Kernels::best());
    set.prepare_groups();
    assert!(set.refit().is_none());
    let more = Staged::new(
        ids[half..].to_vec(),
        rows[half * DIM..].to_vec(),
        DIM,
        Kernels::best(),
    );
    set.add(more.unwrap()).unwrap();
    let early = set.refit().unwrap();
    set.remove(&[ids[0]]);
    assert!(!set.adopt_refit(early), "of another state");
    let (prior, keys) = (vec![0.0; 600], (0..600).collect::<Vec<_>>());
    for is_adopted in [false, true] {
        if is_adopted {
            let refit = set.refit().unwrap();
            assert!(set.adopt_refit(refit));
            assert!(set.refit().is_none());
        }
        let queries = Matrix::new("queries", &rows[9 * DIM..11 * DIM], 2, DIM).unwrap();
        let wanted = halves(queries, (&prior, &keys), (7, 8));
        let found = set.search_groups(&wanted).unwrap();
        assert_found(&found, &ids[1..], &rows[DIM..], &wanted);
    }
}

#[test]
fn of_a_thousand_equal_groups_the_lowest_keys_come_first_on_any_number_of_threads() {
    let mut random = Noise(4);
    let passages = unit(&random.row(5 * 64), 64);
    let ids: Vec<_> = (0..2_000)
        .flat_map(|group| (0..5).map(move |at| group << 16 | at))
        .collect();
    let mut rows = Vec::new();
    for group in 0..2_000 {
        if group % 2 == 0 {
            rows.extend(&passages);
        } else {
            rows.extend(unit(&random.row(5 * 64), 64));
        }
    }
    let keys: Vec<i64> = (0..2_000).rev().collect();
    let prior = vec![0.0; 2_000];
    let set = set_of(&ids, &rows, 64, Kernels::best());
    for (k, near) in [(10, 20), (1_000, 3), (1, 1_999), (5_000, 5_000)] {
        let queries = Matrix::new("queries", &passages[64..192], 2, 64).unwrap();
        let wanted = halves(queries, (&prior, &keys), (k, near));
        let found = set.search_groups(&wanted).unwrap();
        assert_found(&found, &ids, &rows, &wanted);
        assert_eq!(found.groups[found.by_score[0] as usize], 1_998);
    }
}

#[test]
fn a_search_that_makes_no_sense_is_refused() {
    let set = set_of(&[0], &[1.0, 0.0], 2, Kernels::best());
    let good = GroupSearch {
        queries: Matrix::new("queries", &[1.0, 0.0], 1, 2).unwrap(),
        prior: &[0.0],
        keys: &[0],
        k: 1,
        near: 1,
        passage_share: 0.5,
        part_share: 0.5,
    };
    assert_eq!(set.search_groups(&good).unwrap().rows, [0]);
    let narrow = Matrix::new("queries", &[1.0], 1, 1).unwrap();
    let none = Matrix::new("queries", &[], 0, 2).unwrap();
    let long = Matrix::new("queries", &[1.0, 1.0], 1, 2).unwrap();
    let refused = |wanted: GroupSearch<'_>| set.search_groups(&wanted).unwrap_err();
    assert!(matches!(
        refused(GroupSearch {
            queries: narrow,
            ..good
        }),
        Error::Width { .. }
    ));
    assert!(matches!(
        refused(GroupSearch {
            queries: long,
            ..good
        }),
        Error::NotUnit { .. }
    ));
    for (wanted, name) in [
        (
            GroupSearch {
                queries: none,
                ..good
            },
            "queries",
        ),
        (GroupSearch { k: 0, ..good }, "k"),
        (GroupSearch { near: 0, ..good }, "near"),
    ] {
        assert_eq!(refused(wanted), Error::Zero { argument: name });
    }
    assert!(matches!(
        refused(GroupSearch { keys: &[], ..good }),
        Error::Length { .. }
    ));
    for share in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(
            refused(GroupSearch {
                passage_share: share,
                ..good
            }),
            Error::Share { .. }
        ));
        assert!(matches!(
            refused(GroupSearch {
                part_share: share,
                ..good
            }),
            Error::Share { .. }
        ));
    }
    for prior in [f64::NAN, f64::INFINITY] {
        assert!(matches!(
            refused(GroupSearch {
                prior: &[prior],
                ..good
            }),
            Error::Prior { group: 0, .. }
        ));
    }
}
