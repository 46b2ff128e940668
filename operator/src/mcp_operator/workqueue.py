"""A keyed work queue with the semantics of client-go: many events become one reconciliation of the newest state.

A key waits at most once, however often it is added; it is never worked on twice at the same time; added while it is worked on, it
waits again afterwards. Failures come back with exponential, jittered back-off until `forget`.
"""

import asyncio
import heapq
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
BASE_DELAY = 0.5
MAX_DELAY = 300.0
JITTER = 0.2


class WorkQueue(Generic[K]):
    """Keys to be worked on, by any number of workers on one event loop."""

    def __init__(self, *, clock: Callable[[], float] | None = None, rng: random.Random | None = None) -> None:
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._rng = rng or random.Random()
        self._waiting: OrderedDict[K, float] = OrderedDict()  # key -> since when
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._due: dict[K, float] = {}  # the earliest wanted time of a delayed key
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._failures: dict[K, int] = {}
        self._idle: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        """Keys ready for a worker now (delayed ones are not counted)."""
        return len(self._waiting) + len(self._again)

    def oldest_age(self) -> float:
        """How long the key at the head has been waiting, in seconds."""
        since = next(iter(self._waiting.values()), None)
        return 0.0 if since is None else max(0.0, self._clock() - since)

    def add(self, key: K) -> None:
        """Work on `key` soon."""
        self._due.pop(key, None)
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = self._clock()
            self._wake()

    def add_after(self, key: K, delay: float) -> None:
        """Work on `key` in `delay` seconds, or earlier if it is due earlier anyway."""
        if delay <= 0:
            self.add(key)
            return
        due = self._clock() + delay
        if key in self._waiting or key in self._again or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._sequence += 1
        if len(self._heap) > 2 * len(self._due) + 64:
            self._tidy()
        heapq.heappush(self._heap, (due, self._sequence, key))
        if self._idle and self._heap[0][2] == key:
            self._arm(asyncio.get_running_loop())

    def retry(self, key: K, *, floor: float = 0.0, ceiling: float = MAX_DELAY) -> float:
        """Work on `key` again after its back-off, within these bounds; returns the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay: float = min(BASE_DELAY * 2 ** min(failures, 30), ceiling)
        delay = max(floor, delay * (1 + JITTER * (2 * self._rng.random() - 1)))
        self.add_after(key, delay)
        return delay

    def failures(self, key: K) -> int:
        """Failures of the key in a row."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """The key succeeded: its next failure starts with the shortest delay."""
        self._failures.pop(key, None)

    def pop(self) -> K | None:
        """The next key, marked as being worked on; None when nothing is due. Call `done` afterwards."""
        self._promote()
        if not self._waiting:
            return None
        key, _ = self._waiting.popitem(last=False)
        self._working.add(key)
        return key

    async def get(self) -> K | None:
        """Like `pop`, but waits for a key; None once the queue is closed."""
        loop = asyncio.get_running_loop()
        while not self._closed:
            key = self.pop()
            if key is not None:
                return key
            idle: asyncio.Future[None] = loop.create_future()
            self._idle.append(idle)
            self._arm(loop)
            await idle
        return None

    def done(self, key: K) -> None:
        """The worker is finished with `key`."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def close(self) -> None:
        """Let every `get` return None. What waits is lost: the next start looks at everything anyway."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._idle:
            self._wake()

    def _tidy(self) -> None:
        """Drop entries of keys that were due earlier after all: a busy key leaves one behind with every look, for half an hour."""
        self._heap = [(due, number, key) for number, (key, due) in enumerate(self._due.items())]
        heapq.heapify(self._heap)

    def _wake(self) -> None:
        while self._idle:
            idle = self._idle.popleft()
            if not idle.done():
                idle.set_result(None)
                return

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        """One timer, for the earliest delayed key; workers themselves never wake up for nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap and not self._closed:
            self._timer = loop.call_later(max(0.001, self._heap[0][0] - self._clock()), self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._promote()
        self._arm(loop)

    def _promote(self) -> None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:  # otherwise it was added, or moved to an earlier time, meanwhile
                self.add(key)
