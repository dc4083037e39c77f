//! Signs and ranges: each kernel set against plain sums, and masks against a set of rows.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::missing_panics_doc,
    reason = "small numbers made for the tests"
)]

use std::collections::BTreeSet;

use openviking_core::coarse::{List, Signs, nearest};
use openviking_core::mask::RowMask;
use openviking_core::quantize::{Codes, CodesView};
use openviking_core::search::{Corpus, search_corpus};
use openviking_core::simd::Line;
use openviking_core::{Error, Kernels, Matrix, normalize};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sign_sums_are_exact_on_every_level(
        (query, words) in (0..14_usize, 0..10_usize).prop_flat_map(|(width, rows)| {
            let byte = prop_oneof![6 => -127..=127_i8, 1 => Just(-127), 1 => Just(127)];
            let word = prop_oneof![4 => any::<u64>(), 1 => Just(0), 1 => Just(u64::MAX)];
            (prop::collection::vec(byte, width * 64), prop::collection::vec(word, width * rows))
        })
    ) {
        let lines: Vec<_> = query
            .as_chunks::<64>()
            .0
            .iter()
            .map(|bytes| Line(bytes.map(i8::cast_unsigned)))
            .collect();
        let rows = words.len().checked_div(lines.len()).unwrap_or(3);
        let expected: Vec<i32> = (0..rows)
            .map(|row| {
                let words = &words[row * lines.len()..(row + 1) * lines.len()];
                let bit = |place: usize| words[place / 64] >> (place % 64) & 1 == 1;
                (0..query.len()).filter(|place| bit(*place)).map(|i| i32::from(query[i])).sum()
            })
            .collect();
        for kernels in Kernels::available() {
            let mut sums = vec![7; rows];
            kernels.sign_sums_into(&lines, &words, &mut sums);
            prop_assert_eq!(&sums, &expected, "{}", kernels.level());
        }
    }

    #[test]
    fn a_mask_of_ranges_holds_the_living_rows_of_them_once(
        rows in 1..400_usize,
        cuts in prop::collection::vec((0.0..=1.0_f64, 0.0..=1.0_f64), 0..12),
        living in prop::collection::vec(any::<u64>(), 7),
    ) {
        let place = |share: f64| (share * rows as f64) as i64;
        let ranges: Vec<_> = cuts
            .iter()
            .map(|(a, b)| [place(a.min(*b)), place(a.max(*b))])
            .collect();
        let words = &living[..rows.div_ceil(64)];
        let expected: BTreeSet<_> = ranges
            .iter()
            .flat_map(|[start, end]| *start as usize..*end as usize)
            .filter(|row| words[row / 64] >> (row % 64) & 1 == 1)
            .collect();
        let mask = RowMask::from_ranges(&ranges, words, rows).unwrap();
        prop_assert_eq!(mask.count(), expected.len());
        let numbers: Vec<f32> = (0..rows).flat_map(|row| [(row as f32).cos(), (row as f32).sin()]).collect();
        let numbers = normalize(Matrix::new("rows", &numbers, rows, 2).unwrap(), Kernels::best()).unwrap();
        let corpus = Corpus { rows: Matrix::new("rows", &numbers, rows, 2).unwrap().into(), keys: None, codes: None };
        let query = Matrix::new("queries", &[1.0, 0.0], 1, 2).unwrap();
        let found = search_corpus(query, corpus, rows, Some(&mask), Kernels::best()).unwrap();
        let found: BTreeSet<_> = found.keys.iter().map(|key| *key as usize).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn the_nearest_by_sign_are_those_whose_signs_agree_with_the_query() {
    let dim = 128;
    let query: Vec<f32> = (0..dim)
        .map(|i| if i % 3 == 0 { 1.0 } else { -0.5 })
        .collect();
    let agreeing: u64 = (0..64).filter(|i| i % 3 == 0).map(|i| 1 << i).sum();
    let second: u64 = (64..128)
        .filter(|i| i % 3 == 0)
        .map(|i| 1 << (i - 64))
        .sum();
    let mut words = Vec::new();
    for row in 0..200_u64 {
        // Row 70 agrees with every sign, the others with ever fewer.
        let flips = if row == 70 { 0 } else { u64::MAX >> (row % 60) };
        words.extend([agreeing ^ flips, second]);
    }
    let factors = vec![1.0; 200];
    let signs = Signs::new(&words, &factors, dim).unwrap();
    let lists = [[0, 100], [100, 200]].map(|range| List { range, base: 0.0 });
    let alive = [u64::MAX; 4];
    for kernels in Kernels::available() {
        let best = |alive: &[u64]| nearest(&query, signs, &lists, alive, 1, kernels).unwrap();
        assert!(best(&alive).contains(&70));
        assert!(!best(&[u64::MAX, !(1 << 6), u64::MAX, u64::MAX]).contains(&70));
    }
    let beyond = [List {
        range: [0, 201],
        base: 0.0,
    }];
    assert_eq!(
        nearest(&query, signs, &beyond, &alive, 1, Kernels::best()),
        Err(Error::Range { start: 0, end: 201 })
    );
    assert!(nearest(&query, signs, &lists, &alive[..2], 1, Kernels::best()).is_err());
    assert!(nearest(&query[..64], signs, &lists, &alive, 1, Kernels::best()).is_err());
    assert!(Signs::new(&words[1..], &factors, dim).is_err());
}

#[test]
fn codes_that_are_not_aligned_or_do_not_fit_are_refused() {
    let kernels = Kernels::best();
    let rows = normalize(Matrix::new("rows", &[0.5; 300], 3, 100).unwrap(), kernels).unwrap();
    let codes = Codes::of(&rows, 100, kernels);
    let view = codes.view();
    let lines = vec![Line([0; 64]); 7];
    // SAFETY: a line is 64 bytes without padding.
    let (_, bytes, _) = unsafe { lines.align_to::<u8>() };
    assert!(CodesView::new(&bytes[..384], view.steps(), view.residuals(), 100).is_ok());
    assert_eq!(
        CodesView::new(&bytes[8..392], view.steps(), view.residuals(), 100).unwrap_err(),
        Error::Alignment { argument: "codes" }
    );
    assert!(CodesView::new(bytes, view.steps(), view.residuals(), 100).is_err());
    assert!(CodesView::new(&bytes[..384], view.steps(), &view.residuals()[1..], 100).is_err());
    assert!(RowMask::from_ranges(&[[2, 1]], &[1], 5).is_err());
    assert!(RowMask::from_ranges(&[[-1, 1]], &[1], 5).is_err());
    assert!(RowMask::from_ranges(&[[0, 1]], &[1, 1], 5).is_err());
}
