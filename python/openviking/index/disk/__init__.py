"""An index that lasts: vectors in mapped files, a journal of what is newer, one manifest.

- A *segment* is a set of files that never change: vectors in float32, their int8 codes and, from
  some ten thousand rows on, lists of neighbouring rows with one bit per number.
- The *journal* holds the additions and removals since the last segment, each on disk before the
  call that made it returns. Its vectors are kept in memory and scanned.
- The *manifest* names segments and journal with their checksums. It is replaced atomically, so a
  process that is killed at any moment leaves either the old state or the new one.

The store stays the truth: what is refused as damaged is built again from it.
"""

from openviking.index.disk.index import DiskIndex
from openviking.index.disk.options import DiskOptions

__all__ = ["DiskIndex", "DiskOptions"]
