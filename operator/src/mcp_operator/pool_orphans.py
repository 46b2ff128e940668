"""Sandbox Pods whose MCPOptimizer is gone, or is another one of the same name: no server takes them, and nobody else would remove them.

The garbage collector deletes what has an ownerReference. It leaves alone what lost its reference (`kubectl delete --cascade=orphan`), and it may
be late. So a Pod is removed when it has been without its owner for a minute, the API server confirms that, and no job runs in it.
"""

import logging
from collections.abc import Sequence
from typing import Final

from mcp_optimizer_api.names import COMPONENT_LABEL, COMPONENT_SANDBOX, sandbox_pod_prefix

from .cache import Cache, controller_uid
from .client import Client
from .clock import Clock
from .kinds import MCP_OPTIMIZER, POD, Key, Manifest
from .metrics import Metrics
from .pool_pod import PodState, pool_pod

GRACE_SECONDS: Final = 60.0
AT_ONCE: Final = 50
"""Removed in one look; the rest a second later."""

log = logging.getLogger(__name__)


class Orphans:
    """Of all pools. What is remembered can be lost: a restart only starts the minute again."""

    def __init__(self, client: Client, cache: Cache, clock: Clock, metrics: Metrics) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._metrics = metrics
        self._noticed: dict[Key, dict[str, float]] = {}

    async def sweep(self, key: Key, owner_uid: str | None) -> float | None:
        """Remove what is due of the MCPOptimizer `key`, whose uid is `owner_uid` (None: gone). Returns in how many seconds to look again."""
        found = self._strays(key, owner_uid)
        if not found:
            self._noticed.pop(key, None)
            return None
        now, before = self._clock(), self._noticed.get(key, {})
        noticed = self._noticed[key] = {pod["metadata"]["uid"]: before.get(pod["metadata"]["uid"], now) for pod in found}
        due = [pod for pod in found if now >= noticed[pod["metadata"]["uid"]] + GRACE_SECONDS]
        if due:
            await self._remove(key, due[:AT_ONCE])
        ahead = [at + GRACE_SECONDS - now for at in noticed.values() if now < at + GRACE_SECONDS]
        return 1.0 if len(due) > AT_ONCE else min(ahead, default=None)

    def _strays(self, key: Key, owner_uid: str | None) -> list[Manifest]:
        return [
            pod
            for pod in self._cache.children(key, POD.kind)
            if (pod["metadata"].get("labels") or {}).get(COMPONENT_LABEL) == COMPONENT_SANDBOX
            and pod["metadata"]["name"].startswith(sandbox_pod_prefix(key.name))
            and (owner_uid is None or controller_uid(pod) != owner_uid)
            and not pod["metadata"].get("deletionTimestamp")
            and pool_pod(pod).state != PodState.BUSY
        ]

    async def _remove(self, key: Key, due: Sequence[Manifest]) -> None:
        """The cache may be late: the API server itself says which MCPOptimizer there is."""
        live = await self._client.get(MCP_OPTIMIZER, key.namespace, key.name)
        uid = live["metadata"]["uid"] if live is not None else None
        gone = [pod["metadata"] for pod in due if uid is None or controller_uid(pod) != uid]
        for metadata in gone:
            if not await self._client.delete(POD, key.namespace, metadata["name"], uid=metadata["uid"]):
                self._cache.remove(Key(POD.kind, key.namespace, metadata["name"]), metadata["uid"])
        if gone:
            self._metrics.sandboxes_removed.labels("orphaned").inc(len(gone))
            log.info("Removed sandbox Pods without an owner", extra={"key": str(key), "pods": len(gone)})
