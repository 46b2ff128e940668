"""What a pool has asked the API server for and not yet seen in its cache.

The cache lags behind our own writes. Deciding from it alone creates the same missing Pod twice, again and again under load. As long as
an expectation stands, the Pod counts as created (or as gone). An expectation that outlives its time says that the cache cannot be
trusted: the pool is then read from the API server before anything else is decided.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

TIMEOUT_SECONDS: Final = 30.0


@dataclass
class Expectations:
    """Of one pool. Creations are known by name (we choose it), deletions by uid (a name may come back)."""

    timeout: float = TIMEOUT_SECONDS
    _creations: dict[str, float] = field(default_factory=dict)
    _deletions: dict[str, float] = field(default_factory=dict)

    @property
    def creations(self) -> frozenset[str]:
        """Names of Pods that were created and are not in the cache yet."""
        return frozenset(self._creations)

    @property
    def deletions(self) -> frozenset[str]:
        """Uids of Pods that were deleted and are still in the cache, not marked as going."""
        return frozenset(self._deletions)

    def creating(self, name: str, now: float) -> None:
        """Before the request is sent: its answer may come later than the watch's event."""
        self._creations[name] = now + self.timeout

    def not_created(self, name: str) -> None:
        """The API server refused for certain. An unknown outcome (timeout) is no refusal: the expectation stands."""
        self._creations.pop(name, None)

    def deleting(self, uid: str, now: float) -> None:
        """Before the request is sent."""
        self._deletions[uid] = now + self.timeout

    def not_deleted(self, uid: str) -> None:
        """The API server refused for certain."""
        self._deletions.pop(uid, None)

    def observe(self, *, names: Collection[str], staying: Collection[str]) -> None:
        """The cache holds Pods of these `names`; those of uids `staying` are not marked as going."""
        for name in [name for name in self._creations if name in names]:
            del self._creations[name]
        for uid in [uid for uid in self._deletions if uid not in staying]:
            del self._deletions[uid]

    def overdue(self, now: float) -> bool:
        """Whether the cache has failed to show something for too long."""
        return any(deadline <= now for deadline in (*self._creations.values(), *self._deletions.values()))

    def reset(self) -> None:
        """The API server itself was read: the cache's omissions do not count any more."""
        self._creations.clear()
        self._deletions.clear()
