//! The operators of the domain `ai.openviking`: what the graph may contain.

mod embed;
mod encoder_layer;
mod pool;

use std::ffi::CStr;
use std::sync::{Mutex, PoisonError};

use ort_sys::{OrtApi, OrtCustomOpDomain, OrtSessionOptions};

use crate::crew::{CREW, MEMBERS_MAX};
use crate::ort::{KernelContext, OpError, Table, check, number};

/// Most tokens of one run: bounds the working memory, some 24 KB a token at this model's width.
pub const TOKENS_MAX: usize = 4096;

const DOMAIN: &CStr = c"ai.openviking";

/// Entry of the session options that says how many threads work on one run; one, if it is missing.
const THREADS: &CStr = c"openviking.threads";

/// The domain as made for sessions of so many threads, kept until the process ends: the sessions
/// refer to it.
struct Domain {
    threads: usize,
    domain: *mut OrtCustomOpDomain,
}

// SAFETY: a domain is not changed after it has been made.
unsafe impl Send for Domain {}

/// Adds the operators to session options.
///
/// # Errors
/// What ONNX Runtime answers, or that the number of threads is none.
///
/// # Safety
/// `options` are live session options of the library that `api` belongs to.
pub(crate) unsafe fn register(
    api: &OrtApi,
    options: *mut OrtSessionOptions,
) -> Result<(), OpError> {
    static MADE: Mutex<Vec<Domain>> = Mutex::new(Vec::new());
    // SAFETY: the options are live by the caller's promise.
    let threads = unsafe { number(api, options, THREADS) }?;
    let threads = threads.unwrap_or(1).clamp(1, MEMBERS_MAX);
    CREW.enlarge(threads - 1);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let known = made.iter().find(|domain| domain.threads == threads);
    let domain = if let Some(domain) = known {
        domain.domain
    } else {
        let domain = make(api, threads)?;
        made.push(Domain { threads, domain });
        domain
    };
    // SAFETY: the options are live by the caller's promise, the domain always.
    check(api, unsafe { (api.AddCustomOpDomain)(options, domain) })
}

fn make(api: &OrtApi, threads: usize) -> Result<*mut OrtCustomOpDomain, OpError> {
    let mut domain = std::ptr::null_mut();
    // SAFETY: the name is zero-terminated; the place written to is ours.
    check(api, unsafe {
        (api.CreateCustomOpDomain)(DOMAIN.as_ptr(), &raw mut domain)
    })?;
    for table in [
        Table::new::<embed::Embed>(threads),
        Table::new::<encoder_layer::EncoderLayer>(threads),
        Table::new::<pool::PoolNormalize>(threads),
    ] {
        let table: &'static Table = Box::leak(Box::new(table));
        // SAFETY: the domain was just made, the table stays for ever.
        check(api, unsafe { (api.CustomOpDomain_Add)(domain, table.op()) })?;
    }
    Ok(domain)
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
