//! Scans that are large enough for every core give what one thread gives.
#![allow(
    clippy::cast_possible_wrap,
    clippy::missing_panics_doc,
    reason = "small numbers made for the tests"
)]

use openviking_core::mask::RowMask;
use openviking_core::quantize::Codes;
use openviking_core::search::{Corpus, search_corpus};
use openviking_core::{Error, Kernels, Matrix, normalize, search};

const DIM: usize = 16;
const COUNT: usize = 60_000;

fn unit_rows() -> Vec<f32> {
    let mut state = 1_u32;
    let numbers: Vec<_> = (0..COUNT * DIM)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from((state >> 16) as u16) / 32_768.0 - 1.0
        })
        .collect();
    normalize(matrix(&numbers), Kernels::best()).unwrap()
}

fn matrix(numbers: &[f32]) -> Matrix<'_> {
    Matrix::new("rows", numbers, numbers.len() / DIM, DIM).unwrap()
}

#[test]
fn the_first_bad_row_is_named_whichever_thread_meets_it() {
    let mut numbers = unit_rows();
    for row in [59_000, 31_007, 31_500, 45_000] {
        numbers[row * DIM + 3] = f32::NAN;
    }
    let query = numbers[..DIM].to_vec();
    for _ in 0..20 {
        let found = search(matrix(&query), matrix(&numbers), 5, None, Kernels::best());
        let expected = Error::NotFinite {
            argument: "rows",
            row: 31_007,
            column: 3,
        };
        assert_eq!(found, Err(expected));
    }
}

#[test]
fn many_queries_with_a_filter_give_each_query_its_own_hits() {
    let numbers = unit_rows();
    let rows = matrix(&numbers);
    let codes = Codes::of(&numbers, DIM, Kernels::best());
    let allow: Vec<_> = (0..COUNT).map(|row| row % 1000 < 700).collect();
    let mask = RowMask::from_bools(&allow);
    let queries = &numbers[..70 * DIM];
    for codes in [None, Some(codes.view())] {
        let corpus = Corpus {
            rows: rows.into(),
            keys: None,
            codes,
        };
        let find = |queries| {
            search_corpus(matrix(queries), corpus, 7, Some(&mask), Kernels::best()).unwrap()
        };
        let together = find(queries);
        for (number, query) in queries.chunks(DIM).enumerate() {
            let alone = find(query);
            assert_eq!(alone.keys, together.keys[number * 7..][..7]);
            assert_eq!(alone.scores, together.scores[number * 7..][..7]);
            assert_eq!(alone.keys[0], number as i64);
        }
    }
}

#[test]
fn searches_from_many_threads_do_not_disturb_each_other() {
    let numbers = unit_rows();
    let rows = matrix(&numbers);
    let codes = Codes::of(&numbers, DIM, Kernels::best());
    std::thread::scope(|scope| {
        for caller in 0..6 {
            let (numbers, codes) = (&numbers, &codes);
            scope.spawn(move || {
                for round in 0..30 {
                    let row = caller * 9_001 + round;
                    let query = &numbers[row * DIM..(row + 1) * DIM];
                    let corpus = Corpus {
                        rows: rows.into(),
                        keys: None,
                        codes: Some(codes.view()),
                    };
                    let found = search_corpus(matrix(query), corpus, 3, None, Kernels::best());
                    assert_eq!(found.unwrap().keys[0], row as i64);
                }
            });
        }
    });
}
