//! Tokens to vectors: word row plus position row, normalised.

use std::ffi::CStr;

use ort_sys::ONNXTensorElementDataType as Code;

use super::{TOKENS_MAX, offsets};
use crate::kernels::norm::{EmbedToken, NormWeights};
use crate::ort::{Constant, Element, FileRows, KernelContext, KernelInfo, Op, OpError};
use crate::simd::Level;

/// `Embed(input_ids [T], offsets [n + 1], words [v, d] int8, word_scale [v], positions [p, d],
/// norm [2, d]) -> x [T, d]`. Position row `i` belongs to the `i`-th token of each text.
pub struct Embed {
    words: Constant<i8>,
    /// Where the words' rows are read from, if they are mapped from a file.
    file: Option<FileRows>,
    word_scale: Constant<f32>,
    positions: Constant<f32>,
    norm: Constant<f32>,
}

impl Op for Embed {
    const NAME: &'static CStr = c"Embed";
    const INPUTS: &'static [Code] = &[
        i64::CODE,
        i64::CODE,
        i8::CODE,
        f32::CODE,
        f32::CODE,
        f32::CODE,
    ];

    fn new(info: &KernelInfo<'_>) -> Result<Self, OpError> {
        let words = info.constant(2, "words", 2)?;
        let op = Self {
            file: FileRows::behind(words.get(), words.shape()[1]),
            words,
            word_scale: info.constant(3, "word_scale", 1)?,
            positions: info.constant(4, "positions", 2)?,
            norm: info.constant(5, "norm", 2)?,
        };
        let (vocabulary, width) = (op.words.shape()[0], op.words.shape()[1]);
        let fits = op.word_scale.shape() == [vocabulary]
            && op.positions.shape()[1] == width
            && op.norm.shape() == [2, width];
        if fits {
            Ok(op)
        } else {
            Err(OpError::invalid("Embed: the weights' shapes do not agree"))
        }
    }

    fn compute(&self, context: &mut KernelContext<'_>) -> Result<(), OpError> {
        let (ids, shape) = context.input::<i64>(0, "input_ids")?;
        if shape.len() != 1 || ids.len() > TOKENS_MAX {
            let expected = format!("expected shape [at most {TOKENS_MAX} tokens]");
            return Err(OpError::invalid(format!(
                "input_ids: {expected}, got {shape:?}"
            )));
        }
        let (vocabulary, width) = (self.words.shape()[0], self.words.shape()[1]);
        let ids: Result<Vec<usize>, OpError> =
            ids.iter().map(|&id| token(id, vocabulary)).collect();
        let ids = ids?;
        let offsets = offsets(context, 1, ids.len(), self.positions.shape()[0])?;
        let out = context.output([ids.len(), width])?;
        let (gain, shift) = self.norm.get().split_at(width);
        let weights = NormWeights { gain, shift };
        let mut row = vec![0; width];
        for text in offsets.windows(2) {
            for (position, token) in (text[0]..text[1]).enumerate() {
                let codes = self.word(ids[token], &mut row)?;
                Level::best().run(EmbedToken {
                    codes,
                    scale: self.word_scale.get()[ids[token]],
                    position: &self.positions.get()[position * width..][..width],
                    weights,
                    out: &mut out[token * width..][..width],
                });
            }
        }
        Ok(())
    }
}

impl Embed {
    /// The codes of word `id`, read into `row` if they come from a file.
    fn word<'a>(&'a self, id: usize, row: &'a mut [i8]) -> Result<&'a [i8], OpError> {
        let Some(file) = &self.file else {
            return Ok(&self.words.get()[id * row.len()..][..row.len()]);
        };
        match file.read(id, row) {
            Ok(()) => Ok(row),
            Err(error) => Err(OpError::failed(format!("words: cannot be read: {error}"))),
        }
    }
}

fn token(id: i64, vocabulary: usize) -> Result<usize, OpError> {
    usize::try_from(id)
        .ok()
        .filter(|&id| id < vocabulary)
        .ok_or_else(|| {
            OpError::invalid(format!(
                "input_ids: expected 0 to {}, got {id}",
                vocabulary - 1
            ))
        })
}
