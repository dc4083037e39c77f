"""What lasts: the Store interface and its implementations."""

from openviking.store.sqlite import SqliteStore
from openviking.store.sqlite.backup import BackupReport, RestoreReport, back_up, restore

__all__ = ["BackupReport", "RestoreReport", "SqliteStore", "back_up", "restore"]
