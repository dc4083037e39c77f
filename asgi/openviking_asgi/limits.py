"""Every limit of the HTTP surface, in one place; the OpenAPI document and the tests read them here.

What a record may hold (the content and metadata of a resource, the fields of a skill) is limited by
the modules that own these records, for library users have the same limits.

A body over ``BODY_BYTES_MAX`` is refused with 413, a head over ``HEAD_BYTES_MAX`` with 431, a field
over its own limit with 422, a full queue with 429, a connection too many with 503.
"""

BODY_BYTES_MAX = 8 << 20
"""Bytes of a request body. A megabyte of text per field fits with room for its JSON escapes."""

DECODE_INLINE_BYTES_MAX = 1 << 16
"""Bodies up to this size may be parsed on the event loop: about 0.1 ms at most."""

HEAD_BYTES_MAX = 32 << 10
"""Bytes of request line and headers together."""

HEADERS_MAX = 100
"""Header fields of one request."""

HEAD_S = 10.0
"""Seconds from the first byte of a request (or from connecting) to the end of its headers."""

BODY_S = 60.0
"""Seconds from the end of the headers to the end of the body."""

IDLE_S = 30.0
"""Seconds that a kept-alive connection may rest between two requests."""

WRITE_S = 60.0
"""Seconds that a client may take to read what the send buffer holds before it is cut off."""

CONNECTIONS_MAX = 4096
"""Open connections of one process."""

THREADS = 16
"""Worker threads: enough that requests which arrive together meet in one batch of the encoder."""

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

DISCARD_BYTES_MAX = 64 << 20
"""Bytes of a body that are read and dropped after it was refused, before the line is cut."""
