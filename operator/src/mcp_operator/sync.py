"""Lists what exists: once before the first reconciliation, and again whenever events may have been missed.

A watch that was interrupted reports what exists afterwards, but not what was deleted meanwhile; only a list finds ghosts in the cache.
"""

import asyncio
import logging
import random
from collections.abc import Callable

from .cache import Cache, owners
from .client import Client
from .dispatch import Dispatcher
from .errors import OperatorError
from .kinds import POD, RESOURCES, WATCHED, Key, Kind, key_of

START_SPREAD = 0.005
MAX_START_SPREAD = 60.0

log = logging.getLogger(__name__)


class Sync:
    """Lists, and the ticker that repeats them."""

    def __init__(self, client: Client, cache: Cache, dispatcher: Dispatcher, namespaces: tuple[str, ...]) -> None:
        self._client = client
        self._cache = cache
        self._dispatcher = dispatcher
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)
        self._wake = asyncio.Event()

    async def load(self) -> None:
        """Fill the cache. Fails when the API server cannot be asked: starting without knowing would write needlessly."""
        for kind in WATCHED:
            for namespace in self._namespaces:
                async for obj in self._client.list(kind, namespace):
                    self._cache.put(obj)
        log.info("Listed what exists", extra={"objects": len(self._cache)})

    def ask(self) -> None:
        """Compare with the API server soon. All kinds: of one that is empty by now, the list that made us ask has nothing to report."""
        self._wake.set()

    async def run(self, *, period: float, enqueue: Callable[[Key, float], None], settle: float = 2.0) -> None:
        """Compare on demand, and once per period; then also look at every resource, spread over half a period."""
        rng = random.Random()
        loop = asyncio.get_running_loop()
        due = loop.time() + period * rng.uniform(0.8, 1.0)
        while True:
            try:
                async with asyncio.timeout_at(due):
                    await self._wake.wait()
                    await asyncio.sleep(settle)
                self._wake.clear()
                resync = False
            except TimeoutError:
                resync = True
                due = loop.time() + period * rng.uniform(0.8, 1.0)
            for kind in WATCHED:
                await self._compare(kind)
            if resync:
                for key in self.keys():
                    enqueue(key, rng.uniform(0.0, period / 2))

    def keys(self) -> list[Key]:
        """Keys of all custom resources, and of those that are gone and have Pods all the same."""
        present = [key_of(obj) for kind in RESOURCES for obj in self._cache.select(kind.kind)]
        owning = {owner for pod in self._cache.select(POD.kind) for owner in owners(pod)}
        return [*present, *sorted(owning.difference(present))]

    async def _compare(self, kind: Kind) -> None:
        before = {key_of(obj): obj["metadata"]["uid"] for obj in self._cache.select(kind.kind)}
        try:
            for namespace in self._namespaces:
                async for obj in self._client.list(kind, namespace):
                    before.pop(key_of(obj), None)
                    self._dispatcher.saw(kind, None, obj)
        except OperatorError as error:
            log.warning("Could not list %s: %s", kind.plural, error)
            self.ask()
            return
        except Exception:
            # The ticker is the safety net of everything else: one object that hits a bug of ours must not end it.
            log.exception("Could not compare %s", kind.plural)
            return
        for key, uid in before.items():
            # Not in the list though we knew it before the list began: gone, unless it was made again meanwhile.
            present = self._cache.get(key)
            if present is not None and present["metadata"]["uid"] == uid:
                self._dispatcher.lost(key)


def start_spread(count: int) -> float:
    """Over how many seconds the first look at everything is spread: fresh changes go first."""
    return min(MAX_START_SPREAD, count * START_SPREAD)
