"""What lasts: the Store interface and its implementations."""

from openviking.store.sqlite import SqliteStore

__all__ = ["SqliteStore"]
