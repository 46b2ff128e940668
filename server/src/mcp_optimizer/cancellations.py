"""Calls in flight of legacy clients, by who made them, so that a client can cancel its own and nobody else's."""

from collections.abc import Callable
from typing import Any, Final

MAX_SESSION: Final = 128
SESSION_HEADER: Final = b"mcp-session-id"
Key = tuple[bytes, Any]


class Cancellations:
    """A session's name is random and given to its client only. Request ids alone would not do: every client counts from 0."""

    def __init__(self) -> None:
        self._running: dict[Key, Callable[[], None]] = {}

    def enter(self, headers: dict[bytes, bytes], number: Any, cancel: Callable[[], None]) -> Key | None:
        """A request begins that `cancel` ends. None when nobody can name it: it has no session, or the same id as another one."""
        key = _key(headers, number)
        if key is None or key in self._running:
            return None
        self._running[key] = cancel
        return key

    def leave(self, key: Key | None) -> None:
        """It ended."""
        if key is not None:
            self._running.pop(key, None)

    def cancel(self, headers: dict[bytes, bytes], number: Any) -> None:
        """The client wants it no longer; unknown ones may have ended, or run elsewhere."""
        key = _key(headers, number)
        cancel = self._running.get(key) if key is not None else None
        if cancel is not None:
            cancel()


def _key(headers: dict[bytes, bytes], number: Any) -> Key | None:
    session = headers.get(SESSION_HEADER)
    if not session or len(session) > MAX_SESSION or type(number) not in (int, str):
        return None
    return session, number
