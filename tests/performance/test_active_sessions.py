"""Active sessions are those with a message in the last thirty minutes, whoever owns them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from openviking.config import Settings
from openviking.encoder.fake import HashingEncoder
from openviking.engine import Engine
from openviking.store import SqliteStore
from openviking.types import Namespace, NewMessage

if TYPE_CHECKING:
    from pathlib import Path


def test_a_session_counts_until_it_was_idle_for_thirty_minutes(tmp_path: Path):
    now = datetime.now(UTC)
    with Engine.open(Settings(), encoder=HashingEncoder(), store=SqliteStore(tmp_path)) as engine:
        for session, user, minutes in (("a", "", 1), ("a", "olga", 29), ("b", "", 31)):
            message = NewMessage("note", "text", created_at=now - timedelta(minutes=minutes))
            engine.store.conversations.append(Namespace(user), session, [message])

        assert engine.active_sessions() == 2

        engine.conversations.delete("a")
        assert engine.active_sessions() == 1
