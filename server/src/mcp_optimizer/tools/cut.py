"""Answers that are larger than anybody wants to read at once: the first part is shown, the rest is kept and fetched with a cursor.

The cursor is an argument of `discover`, which every mode has: a tool of its own would cost every conversation its definition.
"""

import logging
import re
from collections.abc import Sequence
from typing import Any, Final, Protocol

from mcp_optimizer.errors import BAD_REQUEST, CallFailure
from mcp_optimizer.keys import KeyUnreadable
from mcp_optimizer.results import Result, compact
from mcp_optimizer.state.handles import Chunk

log = logging.getLogger(__name__)

_CURSOR: Final = re.compile(r"([A-Za-z0-9_-]{16,256})@([0-9]{1,9})")
MIN_SHARE: Final = 64
_BREAKS: Final = (b"\n", b"},", b",", b" ")
"""Where a text is cut, best first, when there is one in the last fifth of the part."""


class Keeper(Protocol):
    """What keeps the rest: `state.handles.Handles`."""

    def put(self, data: bytes) -> str | None: ...
    async def read(self, handle: str, offset: int, limit: int) -> Chunk: ...


class Cutter:
    """Cuts to `limit` bytes of text."""

    def __init__(self, keeper: Keeper, limit: int) -> None:
        self._keeper = keeper
        self._limit = limit

    def cut(self, result: Result) -> Result:
        """The result, or its first part and how to get the rest. Blocks that are no text stay."""
        if "content" not in result:
            return result
        texts = [_text(block) for block in result["content"]]
        structured = result.get("structuredContent")
        size = sum(len(text) for text in texts if text is not None)
        if structured is None and size * 4 <= self._limit:
            return result
        parts = [text for text in texts if text is not None] + ([compact(structured)] if structured is not None else [])
        whole = "\n".join(parts).encode("utf-8", "replace")
        if len(whole) <= self._limit:
            return result
        others = [block for block, text in zip(result["content"], texts, strict=True) if text is None]
        shown, note = self._part(whole, self._limit)
        return {"content": [{"type": "text", "text": f"{shown}\n[{note}]"}, *others], "isError": result["isError"]}

    def part_of(self, value: Any, among: int) -> tuple[Any, str | None]:
        """The first part of a value of which `among` have to fit, and how to get the rest; a small value as it is, and None."""
        data, share = _bytes(value), max(self._limit // among, MIN_SHARE)
        return self._part(data, share) if len(data) > share else (value, None)

    def cut_values(self, items: Sequence[dict[str, Any]]) -> None:
        """Cut the largest of these items' `result`s, so that all of them together fit and each small one stays whole."""
        large = {number: _bytes(item["result"]) for number, item in enumerate(items) if "result" in item and "cut" not in item}
        share = fair_share([len(data) for data in large.values()], self._limit)
        for number, data in large.items():
            if len(data) > share:
                items[number]["result"], items[number]["cut"] = self._part(data, share)

    async def rest(self, cursor: str) -> str | None:
        """The next part of the text that the cursor belongs to; None when it is a cursor of another kind. Raises `CallFailure`."""
        found = _CURSOR.fullmatch(cursor)
        if found is None:
            return None
        handle, offset = found[1], int(found[2])
        chunk = await self._keeper.read(handle, offset, self._limit)
        if chunk.next is None:
            return chunk.text
        data = chunk.text.encode()
        end = _end(data, len(data))
        return f"{data[:end].decode()}\n[{_note(chunk.offset + end, chunk.total, handle)}]"

    def _part(self, whole: bytes, limit: int) -> tuple[str, str]:
        end = _end(whole, limit)
        try:
            handle = self._keeper.put(whole)
        except KeyUnreadable as error:
            log.warning("the rest of a large result cannot be kept", extra={"error": str(error)[:200]})
            handle = None
        return whole[:end].decode("utf-8", "ignore"), _note(end, len(whole), handle)


def fair_share(sizes: Sequence[int], limit: int) -> int:
    """How many bytes each may have, so that all together stay within `limit` and nothing smaller than that is cut."""
    left, share = limit, limit
    for number, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - number)
        if size > share:
            return max(share, MIN_SHARE)
        left -= size
    return limit


def bad_cursor() -> CallFailure:
    """For a cursor of no kind."""
    return CallFailure(
        BAD_REQUEST, "that is no cursor of this endpoint, or of another question: copy it exactly, with the same query or ids"
    )


def _note(end: int, total: int, handle: str | None) -> str:
    rest = f'rest: discover {{"cursor":"{handle}@{end}"}}' if handle is not None else "the rest is not kept: ask the tool for less"
    return f"cut at {end} of {total} bytes; {rest}"


def _end(data: bytes, limit: int) -> int:
    """Where to cut: behind a line, an object or a word near the end, never inside a character."""
    for separator in _BREAKS:
        found = data.rfind(separator, limit - limit // 5, limit)
        if found >= 0:
            return found + len(separator)
    end = min(limit, len(data))
    while 0 < end < len(data) and data[end] & 0xC0 == 0x80:
        end -= 1
    return end


def _text(block: dict[str, Any]) -> str | None:
    if block.get("type") == "text":
        return str(block["text"])
    resource = block.get("resource")
    if block.get("type") == "resource" and isinstance(resource, dict) and isinstance(resource.get("text"), str):
        return str(resource["text"])
    return None


def _bytes(value: Any) -> bytes:
    return (value if isinstance(value, str) else compact(value)).encode("utf-8", "replace")
