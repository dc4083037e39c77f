"""What was said, as it is stored: sessions, messages, windows, export, import and deletion.

Nothing here needs a model; :class:`~openviking.conversation.Conversations` adds what does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from openviking.conversation import transfer
from openviking.conversation.lifetime import Lifetimes
from openviking.conversation.window import WINDOW_MESSAGES, working_window
from openviking.errors import InputError
from openviking.types import Message, Namespace, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from openviking.conversation.transfer import Imported
    from openviking.store.port import ConversationStore
    from openviking.types import SessionPage

PAGE_MAX = 1000
"""Messages or sessions of one page."""


def utc_now() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session and its working window at one moment.

    Attributes:
        session: what is stored of it.
        window: messages of the working window, oldest first.
        now: the moment.
    """

    session: Session
    window: tuple[Message, ...]
    now: datetime

    @property
    def age_minutes(self) -> float:
        """Minutes since the session began."""
        return max(0.0, (self.now - self.session.created_at) / timedelta(minutes=1))


class History:
    """The stored conversations of one namespace. Safe for threads.

    Args:
        store: where everything lasts; not closed here.
        namespace: whose.
        clock: gives the time, with a zone.
        lifetimes: when a window ends.
    """

    def __init__(
        self,
        store: ConversationStore,
        namespace: Namespace | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        lifetimes: Lifetimes | None = None,
    ) -> None:
        self.namespace = namespace or Namespace()
        self._store = store
        self._clock = clock
        self._lifetimes = lifetimes or Lifetimes()

    def stats(self, session_id: str) -> SessionView:
        """Return a session with its working window; raises NotFoundError."""
        session = self._store.get_session(self.namespace, session_id)
        now = self._clock()
        tail = self._store.tail(self.namespace, session_id, count=WINDOW_MESSAGES)
        return SessionView(session, working_window(tail, now, self._lifetimes.idle), now)

    def flush(self, session_id: str | None = None) -> int:
        """End the working window of a session, or of all; return how many sessions were there.

        No message is deleted: the archive stays and stays searchable.
        """
        return self._store.clear_windows(self.namespace, session_id)

    def messages(self, session_id: str, *, after: int = 0, limit: int = 100) -> list[Message]:
        """Return archived messages behind the number *after*, in order; raises NotFoundError."""
        _check_limit(limit)
        return self._store.page(self.namespace, session_id, after=max(after, 0), limit=limit)

    def sessions(self, *, limit: int = 100, after: str | None = None) -> SessionPage:
        """Return the sessions of this namespace in id order."""
        _check_limit(limit)
        return self._store.list_sessions(self.namespace, limit=limit, after=after)

    def delete(self, session_id: str) -> int:
        """Delete a session with its messages, words and vectors; return how many messages it had.

        Nothing of it stays readable in the storage files. Raises NotFoundError.
        """
        return self._store.delete_session(self.namespace, session_id)

    def export_lines(self, session_id: str | None = None) -> Iterator[str]:
        """Yield one JSON line per message, of one session or of all; raises NotFoundError."""
        return transfer.export_lines(self._store, self.namespace, session_id)

    def import_lines(
        self,
        lines: Iterable[str],
        session_id: str | None = None,
        *,
        progress: Callable[[int], Any] | None = None,
    ) -> Imported:
        """Append what :meth:`export_lines` or another program wrote; see transfer.import_lines."""
        source = transfer.Source(lines, session_id, self._clock(), progress)
        return transfer.import_lines(self._store, self.namespace, source)


def _check_limit(limit: int) -> None:
    if isinstance(limit, bool) or not 1 <= limit <= PAGE_MAX:
        raise InputError(f"limit: expected 1 to {PAGE_MAX}, got {limit!r}", loc=("limit",))
