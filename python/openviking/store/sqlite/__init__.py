"""The SQLite store: one file, one writer thread, durable when it answers."""

from openviking.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
