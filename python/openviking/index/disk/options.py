"""The numbers that an index on disk is built by, each with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DiskOptions:
    """How an index on disk is kept and searched; the defaults are for 768 columns.

    Attributes:
        fresh_rows_max: vectors kept in memory before they become a segment: a scan of them takes
            about half a millisecond, a segment of them about a second to write.
        journal_bytes_max: size of the journal at which they do so too.
        lists_from_rows: a smaller segment is scanned whole, in about a millisecond.
        scanned_per_root: rows of a segment whose signs are looked at, for each square root of its
            rows: 85,000 of a million, 22,000 of 70,000. Both have a recall@10 of 0.99 on vectors of
            text (``python -m benches.million``); the same share of both would not.
        candidates_min: rows that the signs hand on at least; 300 lose 0.001 of recall, 1,000 win
            nothing.
        candidates_per_hit: rows that they hand on for each hit asked for.
    """

    fresh_rows_max: int = 32_768
    journal_bytes_max: int = 1 << 28
    lists_from_rows: int = 65_536
    scanned_per_root: float = 85.0
    candidates_min: int = 640
    candidates_per_hit: int = 32
