//! Rows of a mapped weight, read from its file where few of them are needed.
//!
//! A page of the table of words that is touched once stays in the process, with fifteen neighbours:
//! 16 MB after some hundred texts. Reading a row takes a third of a microsecond and leaves nothing.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

/// The file that a weight is mapped from, and where the weight begins in it.
pub struct FileRows {
    file: File,
    start: u64,
    row_bytes: usize,
}

impl FileRows {
    /// Finds the file behind `rows` of `row_bytes` each. `None` if they lie elsewhere: in memory of
    /// the allocator's, or in a file that has been replaced or deleted since.
    pub fn behind(rows: &[i8], row_bytes: usize) -> Option<Self> {
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        let (path, inode, start) = maps
            .lines()
            .find_map(|line| source(line, rows.as_ptr().addr(), rows.len()))?;
        let file = File::open(path).ok()?;
        if file.metadata().ok()?.ino() != inode {
            return None;
        }
        let found = Self {
            file,
            start,
            row_bytes,
        };
        // A number of an inode alone is no proof: file systems have their own.
        let mut row = vec![0; row_bytes];
        for at in [0, rows.len().checked_div(row_bytes)?.checked_sub(1)?] {
            found.read(at, &mut row).ok()?;
            if row != rows[at * row_bytes..][..row_bytes] {
                return None;
            }
        }
        Some(found)
    }

    /// Reads row number `row` into `into`, which is as long as a row.
    pub fn read(&self, row: usize, into: &mut [i8]) -> io::Result<()> {
        debug_assert_eq!(into.len(), self.row_bytes);
        // SAFETY: any byte is both an i8 and a u8, and the slice is borrowed for the call.
        let bytes =
            unsafe { std::slice::from_raw_parts_mut(into.as_mut_ptr().cast::<u8>(), into.len()) };
        self.file
            .read_exact_at(bytes, self.start + (row * self.row_bytes) as u64)
    }
}

/// Path, inode and offset of what lies at `address`, if this line of `/proc/self/maps` has all of
/// the `bytes` from there on.
fn source(line: &str, address: usize, bytes: usize) -> Option<(&str, u64, u64)> {
    let mut fields = line.splitn(6, ' ');
    let (first, end) = fields.next()?.split_once('-')?;
    let first = usize::from_str_radix(first, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    if address < first || address.checked_add(bytes)? > end {
        return None;
    }
    let _rights = fields.next()?;
    let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let _device = fields.next()?;
    let inode = fields.next()?.parse().ok()?;
    let path = fields.next()?.trim_start();
    path.starts_with('/')
        .then_some((path, inode, offset + (address - first) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_where_in_its_file_an_address_lies() {
        let line = "7f00-8f00 r--s 00002000 fe:00 1234                     /models/a b/model.bin";
        let found = Some(("/models/a b/model.bin", 1234, 0x2100));
        assert_eq!(source(line, 0x8000, 0xf00), found);
        assert_eq!(source(line, 0x8000, 0xf01), None);
        assert_eq!(source(line, 0x7eff, 1), None);
        assert_eq!(source("7f00-8f00 rw-p 00000000 00:00 0", 0x8000, 1), None);
        assert_eq!(
            source("7f00-8f00 rw-p 00000000 00:00 0 [heap]", 0x8000, 1),
            None
        );
    }

    #[test]
    fn rows_in_memory_have_no_file() {
        assert!(FileRows::behind(&vec![1; 4096], 64).is_none());
        assert!(FileRows::behind(&[], 64).is_none());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn rows_of_a_mapped_file_are_read_from_it() {
        // This program's own constants are mapped from its own file.
        static ROWS: [i8; 640] = {
            let mut rows = [0; 640];
            let mut at = 0;
            while at < rows.len() {
                rows[at] = if at % 7 == 3 { 5 } else { -3 };
                at += 1;
            }
            rows
        };
        let found = FileRows::behind(&ROWS, 64).expect("constants lie in a file");
        let mut row = [0; 64];
        found.read(7, &mut row).expect("the file is there");
        assert_eq!(row, ROWS[7 * 64..8 * 64]);
    }
}
