//! Every kernel set of this machine against float64, and against the scalar set bit for bit.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    clippy::missing_panics_doc,
    reason = "small numbers made for the tests, and results that must be equal bit for bit"
)]

use openviking_core::simd::{Affine, Bound, LANES, Line, Planes};
use openviking_core::{Kernels, Level};
use proptest::prelude::*;

/// Unit roundoff of float32.
const ROUNDOFF: f64 = 1.0 / 16_777_216.0;

const LENGTHS: [usize; 10] = [0, 1, 16, 31, LANES - 1, LANES, LANES + 1, 100, 768, 769];

fn scalar() -> Kernels {
    Kernels::of(Level::Scalar).unwrap()
}

/// Numbers of every kind: ordinary, zero, denormal, tiny and huge enough to saturate.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -1.0_f32..1.0,
        1 => Just(0.0),
        1 => Just(-0.0),
        1 => (-100_i16..100).prop_map(|n| f32::from(n) * f32::from_bits(1)),
        1 => -1e-20_f32..1e-20,
        1 => -1e18_f32..1e18,
    ]
}

fn length() -> impl Strategy<Value = usize> {
    prop::sample::select(&LENGTHS[..])
}

/// A pair of rows at odd places of their buffers.
fn pair() -> impl Strategy<Value = (usize, Vec<f32>, Vec<f32>)> {
    (length(), 0..8_usize).prop_flat_map(|(length, offset)| {
        let row = || prop::collection::vec(number(), length + offset);
        (Just(offset), row(), row())
    })
}

fn bytes(low: i8, high: i8, lines: usize) -> impl Strategy<Value = Vec<Line>> {
    let byte = prop_oneof![6 => low..=high, 1 => Just(low), 1 => Just(high)];
    prop::collection::vec(byte, lines * LANES).prop_map(|numbers| {
        let (blocks, _) = numbers.as_chunks::<LANES>();
        blocks
            .iter()
            .map(|block| Line(block.map(i8::cast_unsigned)))
            .collect()
    })
}

fn sum_of(a: &[f32], b: &[f32], term: impl Fn(f64) -> f64) -> f64 {
    a.iter()
        .zip(b)
        .map(|(x, y)| term(f64::from(*x) * f64::from(*y)))
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_dot_product_is_within_its_stated_error((offset, a, b) in pair()) {
        let (a, b) = (&a[offset..], &b[offset..]);
        let terms = a.len().div_ceil(LANES) + 8;
        let margin = terms as f64 * ROUNDOFF * sum_of(a, b, f64::abs) + a.len() as f64 * 1e-44;
        for kernels in Kernels::available() {
            let dot = f64::from(kernels.dot(a, b));
            let exact = sum_of(a, b, |product| product);
            prop_assert!((dot - exact).abs() <= margin, "{}: {dot} {exact}", kernels.level());
        }
    }

    #[test]
    fn every_level_gives_the_same_bits((offset, a, b) in pair(), factor in -2.0_f64..2.0) {
        let (a, b) = (&a[offset..], &b[offset..]);
        for kernels in Kernels::available() {
            prop_assert_eq!(kernels.dot(a, b).to_bits(), scalar().dot(a, b).to_bits());
            prop_assert_eq!(kernels.sum_squares(a).to_bits(), scalar().sum_squares(a).to_bits());
            prop_assert_eq!(kernels.max_abs(a).to_bits(), scalar().max_abs(a).to_bits());
            let [mut scaled, mut expected] = [vec![0.0; a.len()], vec![0.0; a.len()]];
            kernels.scale_into(a, factor, &mut scaled);
            scalar().scale_into(a, factor, &mut expected);
            prop_assert_eq!(scaled, expected);
        }
    }

    #[test]
    fn a_sum_of_squares_is_that_of_float64((offset, a, _) in pair()) {
        let a = &a[offset..];
        let exact = sum_of(a, a, |product| product);
        for kernels in Kernels::available() {
            prop_assert!((kernels.sum_squares(a) - exact).abs() <= 1e-13 * exact);
        }
    }

    #[test]
    fn rounding_measures_its_own_residual((offset, a, _) in pair(), limit in 1_i16..16_257) {
        let a = &a[offset..];
        let step = scalar().max_abs(a) / f32::from(limit);
        for kernels in Kernels::available() {
            let mut codes = vec![0; a.len()];
            let squares = kernels.round_into(a, step, limit, &mut codes);
            let mut expected = 0.0;
            for (x, code) in a.iter().zip(&codes) {
                prop_assert!(code.abs() <= limit);
                let residual = f64::from(*x) - f64::from(step) * f64::from(*code);
                // Where the step itself is denormal it is rounded by up to a half.
                prop_assert!(step < 1e-30 || residual.abs() <= 0.51 * f64::from(step));
                expected += residual * residual;
            }
            prop_assert!((squares - expected).abs() <= 1e-12 * expected);
        }
    }

    #[test]
    fn code_dots_are_exact(
        (width, high, low, codes) in (0..14_usize, 0..10_usize).prop_flat_map(|(width, rows)| {
            let plane = |low, high| bytes(low, high, width);
            (Just(width), plane(-127, 127), plane(-64, 63), bytes(-127, 127, width * rows))
        })
    ) {
        let biased: Vec<_> =
            codes.iter().map(|line| Line(line.0.map(|code| code.wrapping_add(128)))).collect();
        let numbers = |lines: &[Line]| -> Vec<i64> {
            lines.iter().flat_map(|line| line.0.map(|n| i64::from(n.cast_signed()))).collect()
        };
        let query: Vec<i64> =
            numbers(&high).iter().zip(numbers(&low)).map(|(h, l)| 128 * h + l).collect();
        let sum = query.iter().sum::<i64>() as i32;
        let planes = Planes { high: &high, low: &low, sum };
        let rows = codes.len().checked_div(width).unwrap_or(3);
        for kernels in Kernels::available() {
            let mut dots = vec![7; rows];
            kernels.code_dots_into(planes, &biased, &mut dots);
            for (row, dot) in dots.iter().enumerate() {
                let codes = numbers(&codes[row * width..(row + 1) * width]);
                let exact: i64 = codes.iter().zip(&query).map(|(c, q)| c * q).sum();
                prop_assert_eq!(i64::from(*dot), i64::from(exact as i32), "{}", kernels.level());
            }
        }
    }

    #[test]
    fn nibble_sums_are_those_of_the_tables(
        (tables, codes) in (0..70_usize).prop_flat_map(|lines| {
            (bytes(-128, 127, lines), bytes(-128, 127, lines))
        })
    ) {
        let mut expected = [0_u16; LANES];
        for (tables, codes) in tables.iter().zip(&codes) {
            for place in 0..2 {
                for (row, sum) in expected.iter_mut().enumerate() {
                    let byte = codes.0[32 * place + row % 32];
                    let nibble = if row < 32 { byte & 15 } else { byte >> 4 };
                    *sum = sum.wrapping_add(u16::from(tables.0[32 * place + usize::from(nibble)]));
                }
            }
        }
        // Each table stands twice.
        let doubled: Vec<_> = tables
            .iter()
            .map(|line| Line(std::array::from_fn(|at| line.0[at / 32 * 32 + at % 16])))
            .collect();
        for kernels in Kernels::available() {
            let mut sums = [7; LANES];
            kernels.nibble_sums_into(&doubled, &codes, &mut sums);
            prop_assert_eq!(sums, expected, "{}", kernels.level());
        }
    }

    #[test]
    fn weighted_sums_are_the_same_on_every_level(
        rows in prop::collection::vec((any::<u16>(), any::<u16>(), number(), number()), 0..=LANES),
        (step, offset) in (number(), number()),
    ) {
        let count = rows.len();
        let scales = [Affine { step, offset }, Affine { step: offset, offset: step }];
        let mut sums = [[0; LANES]; 2];
        let (mut weights, mut expected) = ([const { Vec::new() }; 2], Vec::new());
        for (at, (one, other, weight, other_weight)) in rows.into_iter().enumerate() {
            (sums[0][at], sums[1][at]) = (one, other);
            weights[0].push(weight);
            weights[1].push(other_weight);
            let second = f32::from(other) * offset + step;
            let both = (f32::from(one) * step + offset) * weight + second * other_weight;
            expected.push(both.to_bits());
        }
        for kernels in Kernels::available() {
            let mut found = vec![7.0_f32; count];
            let [one, other] = &sums;
            kernels.weighted_into([one, other], scales, [&weights[0], &weights[1]], &mut found);
            let found: Vec<_> = found.into_iter().map(f32::to_bits).collect();
            prop_assert_eq!(&found, &expected, "{}", kernels.level());
        }
    }

    #[test]
    fn vectors_are_taken_away_alike_on_every_level(
        (shares, numbers) in (0..200_usize, 0..10_usize).prop_flat_map(|(dim, count)| {
            let shares = prop::collection::vec(number(), count);
            (shares, prop::collection::vec(number(), (count + 1) * dim))
        }),
    ) {
        let dim = numbers.len() / (shares.len() + 1);
        let (rest, directions) = numbers.split_at(dim);
        let mut expected = rest.to_vec();
        for (at, number) in expected.iter_mut().enumerate() {
            let part = |direction: usize| shares[direction] * directions[direction * dim + at];
            let fours = shares.len() / 4 * 4;
            for first in (0..fours).step_by(4) {
                *number -= part(first) + part(first + 1) + (part(first + 2) + part(first + 3));
            }
            for direction in fours..shares.len() {
                *number -= part(direction);
            }
        }
        for kernels in Kernels::available() {
            let mut found = rest.to_vec();
            kernels.take_away(directions, &shares, &mut found);
            let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&found), bits(&expected), "{}", kernels.level());
        }
    }

    #[test]
    fn a_hadamard_transform_is_that_of_the_signs(
        numbers in (3..9_u32).prop_flat_map(|log| prop::collection::vec(number(), 1 << log)),
    ) {
        let sign = |row: usize, column: usize| if (row & column).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
        let mut known: Option<Vec<u32>> = None;
        for kernels in Kernels::available() {
            let mut found = numbers.clone();
            kernels.hadamard(&mut found);
            for (row, found) in found.iter().enumerate() {
                let terms = numbers.iter().enumerate();
                let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), (column, x)| {
                    (sum + sign(row, column) * f64::from(*x), size + f64::from(x.abs()))
                });
                prop_assert!((f64::from(*found) - sum).abs() <= 16.0 * ROUNDOFF * size);
            }
            let bits: Vec<_> = found.iter().map(|x| x.to_bits()).collect();
            prop_assert_eq!(known.get_or_insert_with(|| bits.clone()), &bits, "{}", kernels.level());
        }
    }

    #[test]
    fn reaching_rows_are_those_of_the_bound(
        rows in prop::collection::vec((any::<i32>(), 0.0_f32..1.0, 0.0_f32..0.1), 0..=64),
        floor in -1.0_f32..1.0,
    ) {
        let bound = Bound { step: 1e-9, residual_factor: 1.01, slack: 1e-5 };
        let dots: Vec<_> = rows.iter().map(|row| row.0).collect();
        let steps: Vec<_> = rows.iter().map(|row| row.1).collect();
        let residuals: Vec<_> = rows.iter().map(|row| row.2).collect();
        let mut expected = 0_u64;
        for (row, (dot, step, residual)) in rows.iter().enumerate() {
            let (estimate, margin) = bound.of(*dot, *step, *residual);
            expected |= u64::from(estimate + margin >= floor) << row;
        }
        for kernels in Kernels::available() {
            let mask = kernels.reaching(floor, bound, &dots, &steps, &residuals);
            prop_assert_eq!(mask, expected, "{}", kernels.level());
        }
    }

    #[test]
    fn a_row_scores_the_same_whatever_else_is_in_the_call(
        (dim, rows, numbers) in (length(), 1..6_usize).prop_flat_map(|(dim, rows)| {
            let numbers = prop::collection::vec(number(), dim * (rows + 4));
            (Just(dim), Just(rows), numbers)
        })
    ) {
        let (queries, rows_data) = numbers.split_at(4 * dim);
        let queries = [0, 1, 2, 3].map(|query| &queries[query * dim..(query + 1) * dim]);
        for kernels in Kernels::available() {
            let mut together = [const { [0.0_f32; 6] }; 4];
            let out = together.each_mut().map(|scores| &mut scores[..rows]);
            kernels.dots4_into(queries, rows_data, out);
            for (query, together) in queries.iter().zip(&together) {
                let mut one = vec![0.0_f32; rows];
                kernels.dots_into(query, rows_data, &mut one);
                for row in 0..rows {
                    let alone = kernels.dot(query, &rows_data[row * dim..(row + 1) * dim]);
                    prop_assert_eq!(together[row].to_bits(), alone.to_bits());
                    prop_assert_eq!(one[row].to_bits(), alone.to_bits());
                }
            }
        }
    }
}

#[test]
fn the_extreme_codes_do_not_saturate() {
    // 127 * 16,256 * 1,024 is the largest sum that the planes can make below 2^31.
    let high = vec![Line([127; LANES]); 16];
    let low = vec![Line([0; LANES]); 16];
    let codes = vec![Line([255; LANES]); 16 * 5];
    let planes = Planes {
        high: &high,
        low: &low,
        sum: 127 * 128 * 1024,
    };
    for kernels in Kernels::available() {
        let mut dots = [0; 5];
        kernels.code_dots_into(planes, &codes, &mut dots);
        assert_eq!(dots, [127 * 127 * 128 * 1024; 5], "{}", kernels.level());
    }
}

#[test]
fn a_level_that_the_machine_lacks_has_no_kernels() {
    for level in Level::ALL {
        assert_eq!(Kernels::of(level).is_some(), level.is_supported());
    }
    assert!(Kernels::available().contains(&Kernels::best()));
}
