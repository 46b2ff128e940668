"""Things kept in memory for a while, within bounds on their number and size: what was used longest ago makes room."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

ID_BYTES: Final = 6
"""Random, so that a process that took over the address of another one never mistakes its entries. Not a secret: handles are sealed."""

T = TypeVar("T")


@dataclass(slots=True)
class _Entry(Generic[T]):
    value: T
    size: int
    until: float


class Store(Generic[T]):
    """At most `max_entries` values of at most `max_bytes` together, each for its time to live."""

    def __init__(self, *, max_entries: int, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry[T]] = OrderedDict()
        self.size = 0
        """Bytes of all values."""
        self.evicted = 0
        """Values that made room before their time was over."""

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, value: T, size: int, ttl_s: float, name: bytes | None = None) -> bytes | None:
        """The identifier (`name`, or a new one) under which the value is found for `ttl_s` seconds; None when it alone is too large."""
        if size > self._max_bytes:
            return None
        self.expire()
        while self._entries and (len(self._entries) >= self._max_entries or self.size + size > self._max_bytes):
            self._drop(next(iter(self._entries)))
            self.evicted += 1
        name = name or secrets.token_bytes(ID_BYTES)
        self._entries[name] = _Entry(value, size, self._clock() + ttl_s)
        self.size += size
        return name

    def get(self, name: bytes) -> T | None:
        """The value, now the last one to make room; None when there is none of that name (any more)."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        if self._clock() > entry.until:
            self._drop(name)
            return None
        self._entries.move_to_end(name)
        return entry.value

    def forget(self, name: bytes) -> None:
        """Let go of a value before its time."""
        if name in self._entries:
            self._drop(name)

    def expire(self) -> None:
        """Forget what has had its time."""
        now = self._clock()
        for name in [name for name, entry in self._entries.items() if now > entry.until]:
            self._drop(name)

    def resize(self, max_bytes: int) -> None:
        """A new bound; what does not fit into it makes room."""
        self._max_bytes = max_bytes
        while self._entries and self.size > max_bytes:
            self._drop(next(iter(self._entries)))
            self.evicted += 1

    def _drop(self, name: bytes) -> None:
        self.size -= self._entries.pop(name).size
