"""Pages of a list that may change between two of them: a cursor names the last entry seen, so that none is missed or shown twice."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

PAGE: Final = 500
_AFTER: Final = "after:"


class BadCursor(Exception):
    """The cursor is not one of ours."""


class Entry(NamedTuple):
    """One line of a list, which is sorted by server and key."""

    server: str
    key: str
    shown: dict[str, Any]


def page(name: str, entries: Sequence[Entry], cursor: str | None) -> dict[str, Any]:
    """`{name: [...]}` after the entry that the cursor names, with `nextCursor` when there is more. Raises `BadCursor`."""
    start = 0
    if cursor is not None:
        if not cursor.startswith(_AFTER):
            raise BadCursor("the cursor is not one of this endpoint's: list again without one")
        server, _, key = cursor.removeprefix(_AFTER).partition(".")
        start = bisect_right(entries, (server, key), key=lambda entry: (entry.server, entry.key))
    part = entries[start : start + PAGE]
    result: dict[str, Any] = {name: [entry.shown for entry in part]}
    if start + PAGE < len(entries):
        result["nextCursor"] = f"{_AFTER}{part[-1].server}.{part[-1].key}"
    return result
