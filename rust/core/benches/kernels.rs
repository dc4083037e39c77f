//! The kernels of every level that this machine has, and the exact scan over int8 codes and over
//! float32 rows: one query, ten hits, 768 columns, unit rows from a fixed generator.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use openviking_core::Staged;
use openviking_core::simd::{Line, Planes};
use openviking_core::{Kernels, Matrix, RowSet, normalize, search};

const DIM: usize = 768;

/// Unit rows from a linear congruential generator.
fn unit_rows(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let numbers: Vec<f32> = (0..count * DIM)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from((state >> 16) as u16) / 32_768.0 - 1.0
        })
        .collect();
    let matrix = Matrix::new("rows", &numbers, count, DIM).expect("a full matrix");
    normalize(matrix, Kernels::best()).expect("finite rows")
}

fn kernels(criterion: &mut Criterion) {
    let rows = unit_rows(64);
    let (a, b) = (&rows[..DIM], &rows[DIM..2 * DIM]);
    let query = vec![Line([3; 64]); DIM / 64];
    let planes = Planes {
        high: &query,
        low: &query,
        sum: 129 * 3 * 768,
    };
    let codes = vec![Line([130; 64]); 64 * DIM / 64];
    for kernels in Kernels::available() {
        let mut group = criterion.benchmark_group(kernels.level().to_string());
        group.bench_function("dot", |bencher| {
            bencher.iter(|| kernels.dot(black_box(a), b));
        });
        let mut dots = [0; 64];
        group.throughput(Throughput::Elements(64));
        group.bench_function("code_dots_64_rows", |bencher| {
            bencher.iter(|| kernels.code_dots_into(planes, black_box(&codes), &mut dots));
        });
        assert_eq!(dots, [2 * 129 * 3 * 768; 64]);
        let words = vec![0x5555_5555_5555_5555; 64 * 8];
        group.bench_function("sign_sums_64_rows", |bencher| {
            bencher.iter(|| kernels.sign_sums_into(&query[..8], black_box(&words), &mut dots));
        });
        assert_eq!(dots, [3 * 256; 64]);
        let (tables, nibbles) = (vec![Line([1; 64]); 64], vec![Line([0xA5; 64]); 64]);
        let mut sums = [0; 64];
        group.bench_function("nibble_sums_64_rows", |bencher| {
            bencher.iter(|| kernels.nibble_sums_into(&tables, black_box(&nibbles), &mut sums));
        });
        assert_eq!(sums, [128; 64]);
        let mut scores = [0.0; 64];
        group.bench_function("dots_64_rows", |bencher| {
            bencher.iter(|| kernels.dots_into(a, black_box(&rows), &mut scores));
        });
        let mut scaled = [0.0; DIM];
        group.throughput(Throughput::Elements(1));
        group.bench_function("normalize_one_row", |bencher| {
            bencher.iter(|| {
                let factor = 1.0 / kernels.sum_squares(black_box(a)).sqrt();
                kernels.scale_into(a, factor, &mut scaled);
            });
        });
        group.finish();
    }
}

fn scans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("exact_scan");
    for count in [1_000, 4_000, 10_000] {
        let rows = unit_rows(count);
        let corpus = Matrix::new("rows", &rows, count, DIM).expect("a full matrix");
        let query = Matrix::new("queries", corpus.row(count / 2), 1, DIM).expect("one row");
        let mut set = RowSet::new(DIM, Kernels::best()).expect("a width in range");
        let staged = Staged::new(
            (0..).take(count).collect(),
            rows.clone(),
            DIM,
            Kernels::best(),
        );
        set.add(staged.expect("unit rows")).expect("new ids");
        let scan = || search(query, corpus, 10, None, Kernels::best()).expect("valid arguments");
        assert_eq!(
            set.search(query, 10, None).expect("valid arguments"),
            scan()
        );
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("int8", count), |bencher| {
            bencher.iter(|| set.search(black_box(query), 10, None));
        });
        group.bench_function(BenchmarkId::new("float32", count), |bencher| {
            bencher.iter(scan);
        });
    }
    group.finish();
}

criterion_group!(benches, kernels, scans);
criterion_main!(benches);
