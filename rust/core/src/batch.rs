//! Batch planning: which texts are encoded together, from their lengths alone.

use crate::error::{Error, Result};

/// Split texts of the given `lengths` into batches of similar length.
///
/// Rows are sorted by length, longest first, ties by lower row, and cut greedily so that a batch has
/// at most `rows_max` rows and `rows * longest <= tokens_max`. A text longer than `tokens_max` gets
/// a batch of its own. Every row is in exactly one batch. Cost: one sort.
///
/// ```
/// let batches = openviking_core::plan_batches(&[5, 9, 4], 10, 8)?;
/// assert_eq!(batches, [vec![1], vec![0, 2]]);
/// # Ok::<(), openviking_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Zero`] if `tokens_max` or `rows_max` is 0; [`Error::NegativeLength`].
pub fn plan_batches(lengths: &[i64], tokens_max: u64, rows_max: u64) -> Result<Vec<Vec<i64>>> {
    for (argument, count) in [("tokens_max", tokens_max), ("rows_max", rows_max)] {
        if count == 0 {
            return Err(Error::Zero { argument });
        }
    }
    let mut order = Vec::with_capacity(lengths.len());
    for (row, &found) in lengths.iter().enumerate() {
        let tokens = u64::try_from(found).map_err(|_| Error::NegativeLength { row, found })?;
        order.push((tokens, row));
    }
    order.sort_by_key(|&(tokens, row)| (std::cmp::Reverse(tokens), row));

    let mut batches: Vec<Vec<i64>> = Vec::new();
    let mut room = 0;
    for (tokens, row) in order {
        let row = i64::try_from(row).unwrap_or(i64::MAX);
        match batches.last_mut() {
            Some(batch) if room > 0 => batch.push(row),
            _ => {
                // The first row is the longest of its batch, so it alone decides how many fit.
                room = rows_max
                    .min(tokens_max.checked_div(tokens).unwrap_or(u64::MAX))
                    .max(1);
                batches.push(vec![row]);
            }
        }
        room -= 1;
    }
    Ok(batches)
}
