"""Typed face of the Rust postings: which rows hold the words of a request, and what these give.

- ``Postings(hashes, starts, rows, shares, bits)`` are lists side by side: the rows (int32) that
  hold the first word, ascending, the word's share of each (float32) and the fields where it stands
  (uint8), then those of the second. Words are known by their *hashes*, (w,) int64 ascending; those
  of word i are at *starts*[i] to *starts*[i + 1], (w + 1,) int64. Copied; a list that does not fit
  the others is a ShapeError, starts that descend or lead beyond the rows an InputError.
- ``Word(text, stem, hash, *, is_content)`` is one of a text; no content is a word of grammar.
- ``Matches(parts, texts, is_dead, dead, *, common, scale)`` finds the words of a request and of its
  parts, which are its first and its other *texts*, in a lexicon of some *parts*, each with other
  rows. *is_dead* (n,) bool says which rows are gone, *dead* how many these are. Words of grammar,
  and those in more than *common* of the rows, count only in a text that has no others. What a word
  gives to a row is its share there times ``scale * log(1 + (all - n + 1/2) / (n + 1/2))``, n being
  the number of living rows with it: float32 products, added up as float64 in the order of the
  stems, so that rows with the same shares get the same sums.

Of rows, -1 is one without words; of groups, each has a row. All of this takes microseconds and
holds the GIL.
"""

from __future__ import annotations

from openviking._native import Matches, Postings, Word

__all__ = ["Matches", "Postings", "Word"]
