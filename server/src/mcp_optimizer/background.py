"""Work that takes longer than a request may wait: on a thread, in slices short enough for the requests in between.

Requests and this work share one interpreter lock. What would hold it for long is the garbage collector, which looks at every object of a large
catalogue whenever one is built: so it is off meanwhile, and what lasts is then kept out of its later rounds.
"""

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

SLICE_SECONDS: Final = 0.001
"""How long a thread may keep a request waiting each time it needs the lock."""
FREEZES_PER_COLLECTION: Final = 20
"""Each freeze also keeps the garbage of the moment, some megabytes under load; looking at everything takes a pause that few freezes may cost."""

P = ParamSpec("P")
R = TypeVar("R")
_lock = threading.Lock()
_running = 0
_freezes = 0


def take_turns() -> None:
    """Let requests in often, from now on."""
    sys.setswitchinterval(SLICE_SECONDS)


async def aside(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of `work`."""
    return await asyncio.to_thread(lambda: _without_collector(lambda: work(*args, **kwargs), lasting=False))


async def aside_to_keep(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of `work`, something large that lasts."""
    return await asyncio.to_thread(lambda: _without_collector(lambda: work(*args, **kwargs), lasting=True))


async def let_go(parts: list[Any]) -> None:
    """Free many objects one by one: freeing a large structure whole is one step that nobody can interrupt."""

    def empty() -> None:
        while parts:
            parts.pop()

    await asyncio.to_thread(empty)


def _without_collector(work: Callable[[], R], *, lasting: bool) -> R:
    global _running
    with _lock:
        _running += 1
        gc.disable()
    try:
        return work()
    finally:
        with _lock:
            _running -= 1
            if lasting:
                _freeze()
            if not _running:
                gc.enable()


def _freeze() -> None:
    """Keep what is alive now out of the collector's rounds. Freed like everything else when nobody refers to it; cycles wait for one
    of the rounds in which everything is looked at: without them, a catalogue that changes all the time would pile up dead ones.
    """
    global _freezes
    _freezes += 1
    if _freezes % FREEZES_PER_COLLECTION == 0:
        gc.unfreeze()
        gc.collect()
    gc.freeze()
