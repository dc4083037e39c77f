"""Every limit of the HTTP surface, in one place; the OpenAPI document and the tests read them here.

What a record may hold (the content and metadata of a resource, the fields of a skill) is limited by
the modules that own these records, for library users have the same limits.

A body over ``BODY_BYTES_MAX`` is refused with 413, a head over its limit with 431, a field over its
own with 422, a full queue with 429, a connection too many with 503.
"""

from __future__ import annotations

from dataclasses import dataclass

BODY_BYTES_MAX = 8 << 20
"""Bytes of a request body. A megabyte of text per field fits with room for its JSON escapes."""

DECODE_INLINE_BYTES_MAX = 1 << 16
"""Bodies up to this size may be parsed on the event loop: about 0.1 ms at most."""


@dataclass(frozen=True, slots=True)
class Connections:
    """What one connection, and all of them together, may take.

    Attributes:
        count_max: open connections of one process; one more is refused with 503.
        head_bytes_max: bytes of request line and headers together.
        headers_max: header fields of one request.
        head_s: seconds from the first byte of a request (or from connecting) to the end of its
            headers.
        body_s: seconds from the end of the headers to the end of the body.
        idle_s: seconds that a kept-alive connection may rest between two requests.
        write_s: seconds that a client may take to read what the send buffer holds.
        discard_bytes_max: bytes of a body that are read and dropped after it was refused, before
            the line is cut.
    """

    count_max: int = 4096
    head_bytes_max: int = 32 << 10
    headers_max: int = 100
    head_s: float = 10.0
    body_s: float = 60.0
    idle_s: float = 30.0
    write_s: float = 60.0
    discard_bytes_max: int = 64 << 20


THREADS = 16
"""Worker threads: enough that requests which arrive together meet in one batch of the encoder."""

TALK_THREADS = 64
"""Threads that wait for a chat model; one that waits computes nothing."""

PROBES_MAX = 64
"""Health and metrics calls that wait at once for the one thread that serves them."""

PROBE_S = 5.0
"""Seconds after which a health probe that got no answer counts as overloaded."""

TEXTS_MAX = 2048
"""Texts of one embedding call; OpenAI's limit, so that its clients' batches fit."""

TOKENS_MAX = 1 << 18
"""Token ids of one embedding call, all inputs together."""

NAME_CHARS_MAX = 256
"""Characters of a session id, resource type, category, cache key or model name."""

URI_CHARS_MAX = 4096
"""Characters of a target URI."""

RESULTS_MAX = 1000
"""Results of one search."""

PAGE_DEFAULT = 100
"""Records of one listing page when the request does not say."""

PAGE_MAX = 1000
"""Records of one listing page at most."""

QUERY_FIELDS_MAX = 100
"""Fields of a query string."""

REQUEST_ID_CHARS_MAX = 128
"""Characters of an ``X-Request-ID`` that is echoed; a longer one is replaced."""

PERFORMANCE_MINUTES_MAX = 1440
"""Minutes of the longest performance view; older values are not kept."""

CACHE_ENTRIES_MAX = 10_000_000
"""Embeddings to which the cache may be resized: about 35 GB."""

QUEUE_MAX = 100_000
"""Requests that the queue may be set to hold."""

DEADLINE_MS_MIN, DEADLINE_MS_MAX = 1000, 3_600_000
"""Milliseconds to which a request's deadline may be set; less would refuse honest work."""
