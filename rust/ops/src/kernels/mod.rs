//! The operations of the encoder, each written once for every instruction set.

pub mod attention;
pub mod linear;
pub mod math;
pub mod norm;
pub mod pool;
pub mod quantize;

/// Storage that begins on a cache line: a vector that straddles two lines costs two reads.
pub struct AlignedVec<T> {
    storage: Vec<T>,
    skip: usize,
    len: usize,
}

/// Float32 storage on a cache line.
pub type Aligned = AlignedVec<f32>;
/// Byte storage on a cache line.
pub type AlignedBytes = AlignedVec<u8>;

const LINE: usize = 64;

impl<T> Default for AlignedVec<T> {
    fn default() -> Self {
        Self {
            storage: Vec::new(),
            skip: 0,
            len: 0,
        }
    }
}

impl<T: Copy + Default> AlignedVec<T> {
    /// Makes room for `len` elements; the content is unspecified. Never shrinks.
    pub fn reserve(&mut self, len: usize) {
        if self.storage.len() < len + LINE {
            self.storage = vec![T::default(); len + LINE];
            // At most 63 elements reach the next line, whatever their size.
            self.skip = self.storage.as_ptr().align_offset(LINE).min(LINE);
        }
        self.len = len;
    }

    /// The elements asked for last.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.storage[self.skip..self.skip + self.len]
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<T>() * self.storage.len()
    }
}
