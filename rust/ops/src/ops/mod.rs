//! The operators of the domain `ai.openviking`: what the graph may contain.

mod embed;
mod encoder_layer;
mod pool;

use std::ffi::CStr;
use std::sync::{Mutex, OnceLock};

use ort_sys::{OrtApi, OrtCustomOp, OrtCustomOpDomain, OrtSessionOptions};

use crate::ort::{KernelContext, OpError, check, table};

/// Most tokens of one run: bounds the working memory, some 24 KB a token at this model's width.
pub const TOKENS_MAX: usize = 4096;

const DOMAIN: &CStr = c"ai.openviking";

static EMBED: OrtCustomOp = table::<embed::Embed>();
static ENCODER_LAYER: OrtCustomOp = table::<encoder_layer::EncoderLayer>();
static POOL: OrtCustomOp = table::<pool::PoolNormalize>();

/// The domain, made once for the process: sessions refer to it until the process ends.
struct Domain(*mut OrtCustomOpDomain);

// SAFETY: the domain is not changed after it has been made.
unsafe impl Send for Domain {}
// SAFETY: as above.
unsafe impl Sync for Domain {}

/// Adds the operators to session options.
///
/// # Errors
/// What ONNX Runtime answers.
///
/// # Safety
/// `options` are live session options of the library that `api` belongs to.
pub(crate) unsafe fn register(
    api: &OrtApi,
    options: *mut OrtSessionOptions,
) -> Result<(), OpError> {
    static MADE: OnceLock<Domain> = OnceLock::new();
    static MAKING: Mutex<()> = Mutex::new(());
    let lock = MAKING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let domain = if let Some(domain) = MADE.get() {
        domain
    } else {
        let made = make(api)?;
        MADE.get_or_init(|| made)
    };
    drop(lock);
    // SAFETY: the options are live by the caller's promise, the domain always.
    check(api, unsafe { (api.AddCustomOpDomain)(options, domain.0) })
}

fn make(api: &OrtApi) -> Result<Domain, OpError> {
    let mut domain = std::ptr::null_mut();
    // SAFETY: the name is zero-terminated; the place written to is ours.
    check(api, unsafe {
        (api.CreateCustomOpDomain)(DOMAIN.as_ptr(), &raw mut domain)
    })?;
    for op in [&EMBED, &ENCODER_LAYER, &POOL] {
        // SAFETY: the domain was just made, the operator is static.
        check(api, unsafe { (api.CustomOpDomain_Add)(domain, op) })?;
    }
    Ok(Domain(domain))
}

/// Input `index` as the offsets of texts in `tokens` packed tokens: 0 first, rising, `tokens` last,
/// no text longer than `longest`.
fn offsets(
    context: &KernelContext<'_>,
    index: usize,
    tokens: usize,
    longest: usize,
) -> Result<Vec<usize>, OpError> {
    let (values, shape) = context.input::<i64>(index, "offsets")?;
    if shape.len() != 1 || values.is_empty() {
        let message = format!("offsets: expected shape [texts + 1], got {shape:?}");
        return Err(OpError::invalid(message));
    }
    let offsets: Result<Vec<usize>, _> = values.iter().map(|&v| usize::try_from(v)).collect();
    let offsets = offsets.map_err(|_| OpError::invalid("offsets: a negative one came"))?;
    if offsets[0] != 0 || offsets.last() != Some(&tokens) {
        let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
        let message =
            format!("offsets: expected 0 first and {tokens} last, got {first} and {last}");
        return Err(OpError::invalid(message));
    }
    for (text, pair) in offsets.windows(2).enumerate() {
        if pair[1] <= pair[0] || pair[1] - pair[0] > longest {
            let message = format!(
                "offsets: text {text} spans {} to {}; expected 1 to {longest} tokens",
                pair[0], pair[1]
            );
            return Err(OpError::invalid(message));
        }
    }
    Ok(offsets)
}

/// Input `index` as token vectors of this width, `TOKENS_MAX` at most.
fn token_vectors<'a>(
    context: &KernelContext<'a>,
    index: usize,
    width: usize,
) -> Result<(&'a [f32], usize), OpError> {
    let (x, shape) = context.input::<f32>(index, "x")?;
    match shape[..] {
        [tokens, found] if found == width && tokens <= TOKENS_MAX => Ok((x, tokens)),
        _ => {
            let expected = format!("[at most {TOKENS_MAX} tokens, {width}]");
            Err(OpError::invalid(format!(
                "x: expected shape {expected}, got {shape:?}"
            )))
        }
    }
}
