"""Writes statuses: at the right moment, and only what changed."""

from mcp_operator.cache import Cache
from mcp_operator.client import Client
from mcp_operator.clock import Clock
from mcp_operator.errors import ConflictError, NotFoundError
from mcp_operator.events import Tell, silent
from mcp_operator.kinds import BY_NAME, Key, Manifest, key_of
from mcp_operator.resource import owner_of
from mcp_optimizer_api.base import Resource
from mcp_optimizer_api.optimizer import MCPOptimizerStatus
from mcp_optimizer_api.server import MCPServerStatus

from .transitions import transitions
from .urgency import FIRST_SECONDS, METRICS_SECONDS, SETTLE_SECONDS, Urgency, urgency

MANAGER = "mcp-operator-status"


class StatusWriter:
    """Remembers since when a status has been out of date, and when it was last written."""

    def __init__(self, client: Client, cache: Cache, clock: Clock, tell: Tell = silent) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._tell = tell
        self._started = clock()
        self._stale_since: dict[Key, float] = {}
        self._written: dict[Key, float] = {}

    async def write(self, obj: Manifest, old: Resource, new: Resource) -> float | None:
        """Write `new` if it is due. Returns after how many seconds to come back for a change that may wait."""
        key, now = key_of(obj), self._clock()
        wait = self._wait(key, urgency(old, new), now)
        if wait is None or wait > 0:
            return wait
        metadata = obj["metadata"]
        body = {
            "apiVersion": obj["apiVersion"],
            "kind": obj["kind"],
            # The uid keeps us from describing a namesake that was made after we looked.
            "metadata": {"name": key.name, "namespace": key.namespace, "uid": metadata["uid"]},
            "status": new.model_dump(by_alias=True, exclude_none=True, mode="json"),
        }
        try:
            written, _ = await self._client.apply(BY_NAME[key.kind], body, manager=MANAGER, force=True, subresource="status")
        except (NotFoundError, ConflictError):
            return None  # gone, or another one by now: its own event brings us back
        self._cache.put(written)
        self._written[key] = now
        self._stale_since.pop(key, None)
        self._announce(obj, old, new)
        return None

    def _announce(self, obj: Manifest, old: Resource, new: Resource) -> None:
        assert isinstance(old, MCPOptimizerStatus | MCPServerStatus) and isinstance(new, MCPOptimizerStatus | MCPServerStatus)
        for told in transitions(old.conditions, new.conditions):
            self._tell(owner_of(obj), told.reason, told.note, action="Observe", warning=told.warning)

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._stale_since.pop(key, None)
        self._written.pop(key, None)

    def _wait(self, key: Key, how: Urgency, now: float) -> float | None:
        if how is Urgency.NONE:
            self._stale_since.pop(key, None)
            return None
        since = self._stale_since.setdefault(key, now)
        if how is Urgency.AT_ONCE:
            return 0.0
        due = since + (FIRST_SECONDS if how is Urgency.BORN else SETTLE_SECONDS)
        if how is Urgency.EVENTUALLY:
            due = max(due, self._written.get(key, self._started) + METRICS_SECONDS)
        return max(0.0, due - now)
