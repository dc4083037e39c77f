//! The bound holds, and no part of it may be spared.

use proptest::prelude::*;

use super::*;
use crate::{Matrix, normalize};

/// A unit row whose numbers differ in size by up to `spread` powers of ten.
fn unit_row(dim: usize, spread: f32) -> impl Strategy<Value = Vec<f32>> {
    let number = (-1.0_f32..1.0, -spread..=0.0).prop_map(|(x, power)| x * 10_f32.powf(power));
    prop::collection::vec(number, dim).prop_map(|numbers| {
        let matrix = Matrix::new("rows", &numbers, 1, numbers.len()).unwrap();
        normalize(matrix, Kernels::best()).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_float32_score_lies_within_the_bound(
        (row, query, blend) in prop::sample::select(&[1_usize, 64, 100, 769, 4_096][..])
            .prop_flat_map(|dim| (unit_row(dim, 6.0), unit_row(dim, 2.0), 0.0..1.0_f32))
    ) {
        let mixed: Vec<_> = row.iter().zip(&query).map(|(x, y)| blend * x + y).collect();
        let mixed = Matrix::new("rows", &mixed, 1, mixed.len()).unwrap();
        let query = normalize(mixed, Kernels::best()).unwrap();
        for kernels in Kernels::available() {
            let codes = Codes::of(&row, row.len(), kernels);
            let quantized = QueryCodes::new(&query, kernels);
            let mut dots = [0];
            kernels.code_dots_into(quantized.planes(), codes.view().lines(0, 1), &mut dots);
            let bound = quantized.bound();
            let (estimate, margin) = bound.of(dots[0], codes.steps[0], codes.residuals[0]);
            let score = kernels.dot(&query, &row);
            prop_assert!(estimate - margin <= score && score <= estimate + margin);
            prop_assert!(margin < 0.2, "a bound of {margin} is of no use");
        }
    }
}

#[test]
fn the_bound_covers_the_rounding_of_the_query() {
    // Rows of one 1 have no residual to hide behind, so each score shows the query's alone.
    let kernels = Kernels::best();
    let numbers: Vec<_> = (0..768_u16).map(|x| (f32::from(x) * 0.37).sin()).collect();
    let query = normalize(Matrix::new("rows", &numbers, 1, 768).unwrap(), kernels).unwrap();
    let quantized = QueryCodes::new(&query, kernels);
    for column in 0..768 {
        let mut row = vec![0.0; 768];
        row[column] = 1.0;
        let codes = Codes::of(&row, 768, kernels);
        let mut dots = [0];
        kernels.code_dots_into(quantized.planes(), codes.view().lines(0, 1), &mut dots);
        let bound = quantized.bound();
        let (estimate, margin) = bound.of(dots[0], codes.steps[0], codes.residuals[0]);
        assert!((query[column] - estimate).abs() <= margin);
    }
}

#[test]
fn the_bound_is_reached_when_the_query_is_the_residual() {
    // Half a step off in every column, and a query along exactly that: no margin may be spared.
    let mut row = vec![0.0105_f32; 100];
    row[0] = 1.27;
    let kernels = Kernels::best();
    let row = normalize(Matrix::new("rows", &row, 1, 100).unwrap(), kernels).unwrap();
    let codes = Codes::of(&row, 100, kernels);
    let mut rounded = vec![0; 100];
    kernels.round_into(&row, codes.steps[0], CODE_MAX, &mut rounded);
    let residual: Vec<_> = row
        .iter()
        .zip(&rounded)
        .map(|(x, c)| x - codes.steps[0] * f32::from(*c))
        .collect();
    let query = normalize(Matrix::new("rows", &residual, 1, 100).unwrap(), kernels).unwrap();
    let quantized = QueryCodes::new(&query, kernels);
    let mut dots = [0];
    kernels.code_dots_into(quantized.planes(), codes.view().lines(0, 1), &mut dots);
    let bound = quantized.bound();
    let (estimate, margin) = bound.of(dots[0], codes.steps[0], codes.residuals[0]);
    let error = (kernels.dot(&query, &row) - estimate).abs();
    assert!(
        error <= margin && error > 0.9 * margin,
        "{error} of {margin}"
    );
}
