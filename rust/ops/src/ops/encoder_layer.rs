//! One encoder layer as one node.

use std::ffi::CStr;
use std::num::NonZero;
use std::sync::OnceLock;

use ort_sys::ONNXTensorElementDataType as Code;

use super::{offsets, token_vectors};
use crate::kernels::attention::HEAD;
use crate::kernels::linear::Linear;
use crate::kernels::norm::NormWeights;
use crate::layer::{Batch, LayerWeights, run_layer};
use crate::ort::{Constant, Element, KernelContext, KernelInfo, Op, OpError};
use crate::scratch;
use crate::simd::{LANES, Level, PANEL};

/// `EncoderLayer(x [T, d], offsets [n + 1], bias [heads, 2 p - 1], norm1 [2, d], norm2 [2, d],
/// then for qkv, o, f1 and f2: codes [panels, inputs / 4, 48, 4] int8, start [48 panels] int32,
/// dequant [2, 48 panels] (scale, bias)) -> [T, d]`. Columns past the last output are zero.
pub struct EncoderLayer {
    bias: Constant<f32>,
    norm1: Constant<f32>,
    norm2: Constant<f32>,
    linears: [Packed; 4],
}

/// The initializers of one linear layer.
struct Packed {
    codes: Constant<i8>,
    start: Constant<i32>,
    dequant: Constant<f32>,
}

impl Packed {
    fn new(info: &KernelInfo<'_>, first: usize, name: &str) -> Result<Self, OpError> {
        let packed = Self {
            codes: info.constant(first, &format!("{name}.codes"), 4)?,
            start: info.constant(first + 1, &format!("{name}.start"), 1)?,
            dequant: info.constant(first + 2, &format!("{name}.dequant"), 2)?,
        };
        let (columns, shape) = (packed.columns(), packed.codes.shape());
        let fits = shape[2..] == [PANEL, 4]
            && packed.start.shape() == [columns]
            && packed.dequant.shape() == [2, columns];
        if fits {
            return Ok(packed);
        }
        let message = format!("{name}: the weights' shapes do not agree, codes are {shape:?}");
        Err(OpError::invalid(message))
    }

    fn columns(&self) -> usize {
        self.codes.shape()[0] * PANEL
    }

    fn inputs(&self) -> usize {
        self.codes.shape()[1] * 4
    }

    fn linear(&self, outputs: usize) -> Linear<'_> {
        let (scale, bias) = self.dequant.get().split_at(self.columns());
        Linear {
            codes: self.codes.get(),
            start: self.start.get(),
            scale,
            bias,
            inputs: self.inputs(),
            outputs,
        }
    }
}

impl EncoderLayer {
    fn weights(&self) -> LayerWeights<'_> {
        let [qkv, o, f1, f2] = &self.linears;
        let (hidden, inner) = self.sizes();
        let (gain1, shift1) = self.norm1.get().split_at(hidden);
        let (gain2, shift2) = self.norm2.get().split_at(hidden);
        LayerWeights {
            qkv: qkv.linear(3 * hidden),
            o: o.linear(hidden),
            f1: f1.linear(inner),
            f2: f2.linear(hidden),
            norm1: NormWeights {
                gain: gain1,
                shift: shift1,
            },
            norm2: NormWeights {
                gain: gain2,
                shift: shift2,
            },
            bias: self.bias.get(),
        }
    }

    /// Width of a token's vector, and of the feed-forward part.
    fn sizes(&self) -> (usize, usize) {
        (self.linears[0].inputs(), self.linears[3].inputs())
    }

    /// Longest text that the bias table serves.
    fn longest(&self) -> usize {
        self.bias.shape()[1].div_ceil(2)
    }
}

impl Op for EncoderLayer {
    const NAME: &'static CStr = c"EncoderLayer";
    const INPUTS: &'static [Code] = &[
        f32::CODE,
        i64::CODE,
        f32::CODE,
        f32::CODE,
        f32::CODE, // x, offsets, bias, norms
        i8::CODE,
        i32::CODE,
        f32::CODE, // qkv
        i8::CODE,
        i32::CODE,
        f32::CODE, // o
        i8::CODE,
        i32::CODE,
        f32::CODE, // f1
        i8::CODE,
        i32::CODE,
        f32::CODE, // f2
    ];

    fn new(info: &KernelInfo<'_>) -> Result<Self, OpError> {
        let op = Self {
            bias: info.constant(2, "bias", 2)?,
            norm1: info.constant(3, "norm1", 2)?,
            norm2: info.constant(4, "norm2", 2)?,
            linears: [
                Packed::new(info, 5, "qkv")?,
                Packed::new(info, 8, "o")?,
                Packed::new(info, 11, "f1")?,
                Packed::new(info, 14, "f2")?,
            ],
        };
        let (hidden, inner) = op.sizes();
        let found = op.linears.each_ref().map(|l| (l.inputs(), l.columns()));
        let expected = [
            (hidden, 3 * hidden),
            (hidden, hidden),
            (hidden, inner),
            (inner, hidden),
        ];
        let expected = expected.map(|(inputs, outputs)| (inputs, outputs.next_multiple_of(PANEL)));
        let fits = found == expected
            && hidden > 0
            && hidden == HEAD * op.bias.shape()[0]
            && inner % LANES == 0
            && op.bias.shape()[1] % 2 == 1
            && op.norm1.shape() == [2, hidden]
            && op.norm2.shape() == [2, hidden];
        if fits {
            return Ok(op);
        }
        let message = format!(
            "EncoderLayer: expected (inputs, columns) {expected:?} with heads of {HEAD} columns, \
             got {found:?} and {} heads",
            op.bias.shape()[0]
        );
        Err(OpError::invalid(message))
    }

    fn compute(&self, context: &mut KernelContext<'_>) -> Result<(), OpError> {
        let weights = self.weights();
        let hidden = weights.hidden();
        let (x, tokens) = token_vectors(context, 0, hidden)?;
        let offsets = offsets(context, 1, tokens, self.longest())?;
        let out = context.output([tokens, hidden])?;
        let mut scratch = scratch::take(tokens, (hidden, weights.f1.outputs));
        let batch = Batch {
            x,
            offsets: &offsets,
        };
        let team = (&*context as &dyn crate::parallel::Team, members());
        run_layer(Level::best(), team, &weights, batch, &mut scratch, out);
        scratch::give_back(scratch);
        Ok(())
    }
}

/// Threads that may take part: as many as the process has processors. A session with fewer threads
/// is served too; the members that do not come are not missed.
fn members() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| {
        std::thread::available_parallelism()
            .map_or(1, NonZero::get)
            .min(64)
    })
}
