"""What lasts: the Store interface and its implementations."""

from openviking.store.sqlite import SqliteStore
from openviking.store.sqlite.backup import BackupReport, RestoreReport, back_up, restore
from openviking.store.sqlite.examine import Finding, examine

__all__ = [
    "BackupReport",
    "Finding",
    "RestoreReport",
    "SqliteStore",
    "back_up",
    "examine",
    "restore",
]
