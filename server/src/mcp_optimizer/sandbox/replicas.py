"""The replicas that share a pool of sandboxes, as the watch of its Pods shows them, and which of them a Pod falls to first.

Highest random weight: each replica weighs each Pod, the heaviest has it in its shard. Replicas that see the same others agree without a word,
and one that comes or goes moves only the Pods that are or were its own. Nothing depends on agreement: a Pod that two replicas take for theirs
is decided by the latch in it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_optimizer.kube import Event
from mcp_optimizer_api.names import COMPONENT_LABEL, COMPONENT_SERVER, MANAGEMENT_PORT

from .pods import is_ready, mapping, port_of


@dataclass(frozen=True, slots=True)
class Replica:
    """A server Pod that serves. `ip` and `port` are where its management listens."""

    name: str
    ip: str
    port: int


class Replicas:
    """Who is there. This replica always is, whatever the watch says: it is the one that takes Pods."""

    def __init__(self, me: str) -> None:
        self.me = me
        self._seen: dict[str, Replica] = {}
        self._others: tuple[str, ...] = ()

    def apply(self, event: Event) -> bool:
        """Take in what the watch says of server Pods; whether the shards changed by it."""
        if event.kind == "listed":
            self._seen.clear()
        for manifest in event.objects:
            if is_replica(manifest):
                self._note(manifest, gone=event.kind == "deleted")
        others = tuple(sorted(self._seen.keys() - {self.me}))
        changed = others != self._others
        self._others = others
        return changed

    def mine(self, uid: str) -> bool:
        """Whether this is a Pod of our own shard. A few hashes: most Pods of others are told after one or two."""
        own = _weight(uid, self.me)
        return not any(_weight(uid, other) > own for other in self._others)

    def owner(self, key: str) -> Replica | None:
        """The other replica that `key` falls to; None when it is this one."""
        heaviest = max((self.me, *self._others), key=lambda name: _weight(key, name))
        return None if heaviest == self.me else self._seen[heaviest]

    def _note(self, manifest: Mapping[str, Any], *, gone: bool) -> None:
        metadata, status = mapping(manifest.get("metadata")), mapping(manifest.get("status"))
        name = str(metadata.get("name", ""))
        if gone or metadata.get("deletionTimestamp") or not is_ready(status):
            self._seen.pop(name, None)
        else:
            self._seen[name] = Replica(name, str(status.get("podIP") or ""), port_of(manifest, "management", MANAGEMENT_PORT))


def is_replica(manifest: Mapping[str, Any]) -> bool:
    """Whether it is a server Pod: they come through the same watch as the sandboxes."""
    return bool(mapping(mapping(manifest.get("metadata")).get("labels")).get(COMPONENT_LABEL) == COMPONENT_SERVER)


def _weight(key: str, replica: str) -> bytes:
    return hashlib.blake2b(f"{key}/{replica}".encode(), digest_size=8).digest()
