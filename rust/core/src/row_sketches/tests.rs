//! Estimates, by what is said of them.

use super::*;
use crate::matrix::Matrix;
use crate::normalize::normalize;

const ROWS: usize = 700;

/// Unit rows near a subspace, but for every seventh, of which each is on its own.
fn rows(dim: usize) -> Vec<f32> {
    let mut state = 9_u64;
    let mut number = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let upper = (state ^ state >> 29) >> 32 & 0xFFFF;
        f32::from(u16::try_from(upper).unwrap()) / 32_768.0 - 1.0
    };
    let common: Vec<_> = (0..40 * dim).map(|_| number()).collect();
    let mut numbers = Vec::new();
    for at in 0..ROWS {
        let share = if at % 7 == 0 { 0.0 } else { 0.2 };
        let shares: Vec<_> = (0..40).map(|_| share * number()).collect();
        for column in 0..dim {
            let along = shares.iter().zip(common.chunks_exact(dim));
            let along: f32 = along.map(|(share, row)| share * row[column]).sum();
            numbers.push(along + 0.6 * number());
        }
    }
    let matrix = Matrix::new("rows", &numbers, ROWS, dim).unwrap();
    normalize(matrix, Kernels::best()).unwrap()
}

/// Per row its estimates by each level.
fn estimates(sketches: &RowSketches, query: &SketchQuery, count: usize) -> Vec<[f32; LEVELS]> {
    let mut found = Vec::new();
    for block in 0..count.div_ceil(BLOCK) {
        let mut estimates = [0.0; BLOCK];
        let signs = sketches.look(query, block, &mut estimates);
        let places = block * BLOCK..count.min((block + 1) * BLOCK);
        let first = estimates;
        let count = places.len();
        sketches.look_closer(query, places, &mut estimates[..count], &signs[..count]);
        found.extend(
            first
                .into_iter()
                .zip(estimates)
                .take(count)
                .map(<[f32; 2]>::from),
        );
    }
    found
}

#[test]
fn estimates_are_right_on_average_and_deviate_as_stated() {
    let kernels = Kernels::best();
    for dim in [512, 768, 1_500] {
        let rows = rows(dim);
        let sketches = RowSketches::of(&rows, dim, kernels);
        let (mut sums, mut squares, mut count) = ([0.0; LEVELS], [0.0; LEVELS], 0.0);
        for query in rows.chunks_exact(dim).step_by(90) {
            let split = sketches.query(query);
            let found = estimates(&sketches, &split, ROWS);
            for (place, (row, found)) in rows.chunks_exact(dim).zip(found).enumerate() {
                let cosine = kernels.dot(query, row);
                if cosine > 0.99 {
                    continue;
                }
                count += 1.0;
                for level in 0..LEVELS {
                    let variance = split.variance(level).of(sketches.residue(place), level);
                    let error = f64::from(found[level] - cosine) / f64::from(variance).sqrt();
                    sums[level] += error;
                    squares[level] += error * error;
                }
            }
        }
        for level in 0..LEVELS {
            let (mean, deviation) = (sums[level] / count, (squares[level] / count).sqrt());
            assert!(mean.abs() < 0.1, "{dim} {level} {mean}");
            assert!(
                (0.75..1.05).contains(&deviation),
                "{dim} {level} {deviation}"
            );
        }
    }
}

#[test]
fn chosen_rows_have_the_estimates_of_both_levels() {
    let rows = rows(512);
    let sketches = RowSketches::of(&rows, 512, Kernels::best());
    let query = sketches.query(&rows[..512]);
    let places: Vec<_> = (0..100).map(|at| at * 7 % 697).collect();
    let chosen = sketches.chosen(&places).estimates(&query);
    let all = estimates(&sketches, &query, ROWS);
    for (place, estimate) in places.iter().zip(chosen) {
        // The second level is rounded otherwise for single rows.
        assert!((estimate - all[*place as usize][1]).abs() < 4e-3);
    }
}

#[test]
fn rows_without_a_direction_are_estimated_as_nothing() {
    let kernels = Kernels::best();
    let sketches = RowSketches::of(&[0.0; 3 * 512], 512, kernels);
    let mut query = [0.0; 512];
    query[0] = 1.0;
    for query in [query, [0.0; 512]] {
        let found = estimates(&sketches, &sketches.query(&query), 3);
        assert_eq!(found, [[0.0; LEVELS]; 3]);
    }
}

#[test]
fn equal_rows_span_no_subspace_and_are_estimated_all_the_same() {
    let row = &rows(512)[..512];
    let sketches = RowSketches::of(&row.repeat(200), 512, Kernels::best());
    for found in estimates(&sketches, &sketches.query(row), 200) {
        assert!((found[1] - 1.0).abs() < 0.02, "{found:?}");
    }
}
