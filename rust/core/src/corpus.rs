//! What a scan goes over.

use crate::matrix::Matrix;
use crate::quantize::CodesView;
use crate::topk::Hit;

/// What is searched: rows, with the keys that stand for them in the answer.
#[derive(Clone, Copy, Debug)]
pub struct Corpus<'a> {
    /// The float32 rows.
    pub rows: Matrix<'a>,
    /// A key per row; `None` for row numbers.
    pub keys: Option<&'a [i64]>,
    /// The rows' codes, if the scan is to use them.
    pub codes: Option<CodesView<'a>>,
}

impl Corpus<'_> {
    /// A hit with this row's key; a cosine cannot leave -1..=1, whatever the rounding did.
    pub(crate) fn hit(&self, row: usize, score: f32) -> Hit {
        let number = i64::try_from(row).unwrap_or(i64::MAX);
        let key = self.keys.map_or(number, |keys| keys[row]);
        Hit {
            score: score.clamp(-1.0, 1.0),
            key,
        }
    }
}
