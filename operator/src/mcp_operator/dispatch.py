"""From events to keys: keeps the cache up to date and decides which resources have to be looked at again, and how soon."""

from collections.abc import Callable
from typing import Any

from .cache import Cache, owners
from .kinds import BY_NAME, HPA, MCP_OPTIMIZER, MCP_SERVER, PDB, POD, RESOURCES, Key, Kind, Manifest, key_of
from .resource import InvalidSpecError, optimizer
from .status.pods import relevant as relevant_of_pod

COALESCE_SECONDS = 0.05
"""A Deployment that is born changes five times in a row: look once."""
FEDERATION_SECONDS = 0.25
"""Many MCPServers are often applied together: render their optimizers' config once."""
_RESOURCE_KINDS = frozenset(kind.kind for kind in RESOURCES)


class Dispatcher:
    """The one place where watch events arrive."""

    def __init__(self, cache: Cache, enqueue: Callable[[Key, float], None], gone: Callable[[Key, Manifest | None], None]) -> None:
        self._cache = cache
        self._enqueue = enqueue
        self._gone = gone

    def saw(self, kind: Kind, event_type: str | None, obj: Manifest) -> None:
        """An event of the API server. `event_type` None: part of a list."""
        obj = {**obj, "kind": kind.kind, "apiVersion": kind.api_version}
        key = key_of(obj)
        old = self._cache.get(key)
        if event_type == "DELETED":
            if not self._cache.remove(key, obj["metadata"].get("uid"), last=obj):
                return
            self._gone(key, old)
            self._changed(kind, key, old, None)
        elif self._cache.put(obj):
            self._changed(kind, key, old, obj)

    def lost(self, key: Key) -> None:
        """A list shows that the object is gone; its deletion was missed."""
        old = self._cache.get(key)
        if old is not None:
            self.saw(BY_NAME[key.kind], "DELETED", old)

    def _changed(self, kind: Kind, key: Key, old: Manifest | None, new: Manifest | None) -> None:
        if kind.kind in _RESOURCE_KINDS:
            if old is None or new is None or _identity(old) != _identity(new):
                self._enqueue(key, 0.0)
                self._neighbours(kind, key, old, new)
            return
        if old is not None and new is not None and relevant(kind, old) == relevant(kind, new):
            return
        delay = COALESCE_SECONDS if new is not None else 0.0
        for owner in {*(owners(old) if old else ()), *(owners(new) if new else ())}:
            self._enqueue(owner, delay)

    def _neighbours(self, kind: Kind, key: Key, old: Manifest | None, new: Manifest | None) -> None:
        """Optimizers whose config or shared Secret depends on this resource."""
        for obj in self._cache.select(MCP_OPTIMIZER.kind, key.namespace):
            other = key_of(obj)
            if kind is MCP_SERVER and _federates(obj, old, new):
                self._enqueue(other, FEDERATION_SECONDS)
            elif kind is MCP_OPTIMIZER and new is None and other != key:
                self._enqueue(other, FEDERATION_SECONDS)  # drop the entry of the one that is gone


def relevant(kind: Kind, obj: Manifest) -> Any:
    """What of a child matters; everything else changes without a reconciliation."""
    if kind is POD:
        return relevant_of_pod(obj)
    metadata = obj["metadata"]
    head = [metadata.get(field) for field in ("uid", "labels", "annotations", "ownerReferences", "deletionTimestamp")]
    body = {field: value for field, value in obj.items() if field not in ("metadata", "status")}
    if kind is HPA:
        conditions = (obj.get("status") or {}).get("conditions") or ()
        return head, body, [(c["type"], c["status"], c.get("message")) for c in conditions]
    return head, body, None if kind is PDB else obj.get("status")


def _identity(obj: Manifest) -> Any:
    """What of a custom resource matters. metadata.generation stands for the spec; status is our own word."""
    metadata = obj["metadata"]
    return [metadata.get(field) for field in ("uid", "generation", "labels", "deletionTimestamp")]


def _federates(obj: Manifest, old: Manifest | None, new: Manifest | None) -> bool:
    try:
        selector = optimizer(obj).spec.servers.selector
    except InvalidSpecError:
        return False
    return any(selector.matches(server["metadata"].get("labels") or {}) for server in (old, new) if server is not None)
