"""Reading a list that a server hands out in pages: its cursor followed, and bounded, because both are chosen by strangers."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final

from mcp_optimizer.errors import BAD_GATEWAY, CallFailure
from mcp_optimizer.results import compact

from .wire import MAX_REPLY

MAX_PAGES: Final = 100
Ask = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Method and params to result; raises `CallFailure`."""


async def pages(ask: Ask, method: str, listed: str, too_much: str) -> AsyncGenerator[Any, None]:
    """What each result has as `listed`, a list or whatever the server sent instead. `CallFailure` with `too_much` beyond MAX_REPLY bytes."""
    size = 0
    params: dict[str, Any] = {}
    for _ in range(MAX_PAGES):
        result = await ask(method, params)
        page = result.get(listed)
        if isinstance(page, list):
            size += len(compact(page))
            if size > MAX_REPLY:
                raise CallFailure(BAD_GATEWAY, too_much)
        yield page
        cursor = result.get("nextCursor")
        if not isinstance(cursor, str):
            return
        params = {"cursor": cursor}
