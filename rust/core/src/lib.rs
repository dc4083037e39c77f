//! Vector mathematics: no Python, no files, no clock.
//!
//! Everything here is a pure function of its arguments, bit for bit: the result for one row or one
//! query does not depend on what else is in the call, on the number of threads, nor on the
//! instruction set that the machine happens to have.

mod arrange;
pub mod axes;
pub mod batch;
pub mod coarse;
pub mod corpus;
mod descent;
pub mod error;
pub mod funnel;
mod grouping;
pub mod groups;
pub mod lexical;
pub mod limits;
pub mod mask;
pub mod matrix;
mod nibbles;
pub mod normalize;
pub mod pages;
mod parallel;
pub mod postings;
pub mod quantize;
pub mod request;
mod rotation;
mod row_codes;
mod row_sketches;
pub mod rowset;
mod scan;
pub mod search;
pub mod simd;
pub mod sparse;
pub mod staged;
mod subspace;
mod survivors;
pub mod topk;
mod workers;

pub use batch::plan_batches;
pub use error::{Error, Result};
pub use groups::{FoundGroups, GroupSearch};
pub use matrix::Matrix;
pub use normalize::{normalize, normalize_into};
pub use rowset::RowSet;
pub use search::{Found, search};
pub use simd::{Kernels, Level};
pub use staged::Staged;
