//! float32 rows in a file, read when a search needs them.
//!
//! Mapped rows would be counted as this process's memory, sixteen pages for each one that is touched,
//! and a file that is cut short would end the process instead of the search. What is read stays in
//! the system's cache, and costs less than the page faults did.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use openviking_core::search::ReadRows;
use openviking_core::{Error, Result};

/// Bytes that are read at a time: two rows of 768 numbers.
const CHUNK: usize = 6144;
const NUMBER: usize = size_of::<f32>();

/// An open file of rows, one after the other, as this machine writes numbers.
pub struct RowFile {
    file: File,
    rows: usize,
    dim: usize,
}

impl RowFile {
    /// Open the file at `path` for rows of `dim` columns, at least 1; what does not fill a row at
    /// its end is passed over.
    pub fn open(path: PathBuf, dim: usize) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        Ok(Self {
            file,
            rows: bytes / (dim * NUMBER),
            dim,
        })
    }

    /// How many rows there were when the file was opened.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Their columns.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Copies of some rows, one after the other.
    pub fn copies(&self, wanted: &[i64]) -> Result<Vec<f32>> {
        let mut numbers = vec![0.0; wanted.len() * self.dim];
        for (&row, numbers) in wanted.iter().zip(numbers.chunks_exact_mut(self.dim)) {
            let Some(first) = usize::try_from(row).ok().filter(|first| *first < self.rows) else {
                let end = row.saturating_add(1);
                return Err(Error::Range { start: row, end });
            };
            self.read_into(first, numbers)?;
        }
        Ok(numbers)
    }
}

impl ReadRows for RowFile {
    fn read_into(&self, first: usize, numbers: &mut [f32]) -> Result<()> {
        let mut bytes = [0; CHUNK];
        let mut position = first * self.dim * NUMBER;
        for part in numbers.chunks_mut(CHUNK / NUMBER) {
            let bytes = &mut bytes[..part.len() * NUMBER];
            self.file
                .read_exact_at(bytes, position as u64)
                .map_err(|error| Error::Unreadable {
                    row: position / (self.dim * NUMBER),
                    code: error.raw_os_error(),
                })?;
            for (number, bytes) in part.iter_mut().zip(bytes.as_chunks::<NUMBER>().0) {
                *number = f32::from_ne_bytes(*bytes);
            }
            position += bytes.len();
        }
        Ok(())
    }
}
