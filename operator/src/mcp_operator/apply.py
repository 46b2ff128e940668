"""Writing children: server-side apply, and only where the live object drifted from what we want.

Three traps are handled here. An object that somebody else made under our name is never taken over. An object whose owner was deleted
and made again is left to garbage collection first. And `spec.replicas`, once an autoscaler owns it, is never dropped from our applied
fields without handing it over: the API server would reset it to 1 (see `_hand_over_replicas`).
"""

import logging
from collections.abc import Sequence

from mcp_optimizer_api.names import MANAGED_BY, MANAGED_BY_LABEL

from .cache import Cache, controller_uid
from .client import Client
from .desired.child import Owner
from .drift import HASH_ANNOTATION, drift, hashed
from .errors import BusyChildError, ConflictError, TerminalError
from .events import Tell, silent
from .kinds import APPLIED, BY_NAME, DEPLOYMENT, Key, Kind, Manifest, key_of

MANAGER = "mcp-operator"
SCALE_MANAGER = "mcp-operator-initial-replicas"
REMEMBERED = 1000
"""Deleted children, to tell a repair from a first creation."""

log = logging.getLogger(__name__)


class Applier:
    """Makes children as desired. One instance serves all workers; it remembers only what admission insists on changing."""

    def __init__(self, client: Client, cache: Cache, tell: Tell = silent) -> None:
        self._client = client
        self._cache = cache
        self._insisted: dict[Key, tuple[str, tuple[str, ...]]] = {}
        self._foreign: set[Key] = set()
        self._lost: dict[Key, str] = {}  # children that are gone, and who controlled them
        self._pruned: set[Key] = set()  # children that we delete ourselves
        self._tell = tell

    async def apply(self, owner: Owner, manifest: Manifest, *, replicas: int | None = None) -> bool:
        """Bring one child to the desired state; True when that took a write.

        `replicas` is the initial number of a Deployment that an autoscaler scales: given at creation, and again when somebody has scaled
        it to zero, which would leave it there for ever.
        """
        kind, key, wanted = BY_NAME[manifest["kind"]], key_of(manifest), hashed(manifest)
        live = self._cache.get(key)
        if live is None:
            await self._create(owner, kind, wanted, replicas)
            return True
        _check_owner(owner, key, live)
        if kind is DEPLOYMENT and replicas and live["spec"].get("replicas") == 0:
            # Kubernetes takes zero as "autoscaling off", and no autoscaler of ours ever asks for it.
            log.info("Restored replicas", extra={"key": str(key), "owner": str(owner.key), "replicas": replicas})
            self._tell(
                owner, "ReplicasRestored", f"Deployment {key.name} was scaled to 0, which switches its autoscaler off", action="Repair"
            )
            live = await self._set_replicas(live, replicas)
        differences = self._drift(key, live, wanted)
        if not differences:
            return False
        log.info("Updated child", extra={"key": str(key), "owner": str(owner.key), "fields": differences[:5]})
        if (live["metadata"].get("annotations") or {}).get(HASH_ANNOTATION) == _hash(wanted):
            note = f"{key.kind} {key.name} was changed by somebody else and is as wanted again: {', '.join(differences[:5])}"
            self._tell(owner, "ChildRepaired", note, action="Repair")
        if replicas is not None:
            await self._hand_over_replicas(live)
        await self._write(kind, wanted)
        return True

    async def prune(self, owner: Owner, wanted: set[Key]) -> int:
        """Delete children of kinds we apply that are not wanted any more; returns how many."""
        stale = self._stale(owner, wanted)
        for child in stale:
            key = key_of(child)
            self._pruned.add(key)
            await self._client.delete(BY_NAME[key.kind], key.namespace, key.name, uid=child["metadata"]["uid"])
        return len(stale)

    def behind(self, owner: Owner, manifests: Sequence[Manifest]) -> bool:
        """Whether applying and pruning would change anything, as far as the cache knows."""
        return any(self._differs(owner, manifest) for manifest in manifests) or bool(self._stale(owner, set(map(key_of, manifests))))

    def _differs(self, owner: Owner, manifest: Manifest) -> bool:
        key, wanted = key_of(manifest), hashed(manifest)
        live = self._cache.get(key)
        if live is None or controller_uid(live) != owner.uid:
            return True
        return bool(self._drift(key, live, wanted))

    def _drift(self, key: Key, live: Manifest, wanted: Manifest) -> list[str]:
        """Fields that are other than wanted, unless writing these very ones was in vain before."""
        differences = drift(live, wanted)
        return [] if self._insisted.get(key) == (_hash(wanted), tuple(differences)) else differences

    def _stale(self, owner: Owner, wanted: set[Key]) -> list[Manifest]:
        """Children of ours that are not wanted any more."""
        found = []
        for child in self._cache.children(owner.key, *(kind.kind for kind in APPLIED)):
            metadata = child["metadata"]
            ours = controller_uid(child) == owner.uid and metadata.get("labels", {}).get(MANAGED_BY_LABEL) == MANAGED_BY
            if ours and key_of(child) not in wanted and not metadata.get("deletionTimestamp"):
                found.append(child)
        return found

    def forget(self, key: Key, last: Manifest | None = None) -> None:
        """A child is gone; `last`: as it was."""
        self._insisted.pop(key, None)
        owner = controller_uid(last) if last is not None else None
        if key in self._pruned:
            self._pruned.discard(key)
        elif owner is not None and BY_NAME.get(key.kind) in APPLIED:
            self._lost[key] = owner
            while len(self._lost) > REMEMBERED:
                self._lost.pop(next(iter(self._lost)))

    async def _create(self, owner: Owner, kind: Kind, wanted: Manifest, replicas: int | None) -> None:
        """Unforced: what is not in our cache may still exist, made by somebody else."""
        body = wanted if replicas is None else {**wanted, "spec": {**wanted["spec"], "replicas": replicas}}
        key = key_of(wanted)
        if key in self._foreign:
            # Where a stranger's object was found once, read before writing: trying it again would be an event, and so another try, for ever.
            await self._exists(owner, kind, key)
            self._foreign.discard(key)
        try:
            obj, created = await self._client.apply(kind, body, manager=MANAGER, force=False)
        except ConflictError:
            if not await self._exists(owner, kind, key):
                raise
            await self._write(kind, wanted)
            return
        if not created and obj["metadata"]["creationTimestamp"] < owner.created:
            # Nothing of ours can be older than its owner. Applying nothing gives back what was just added.
            await self._client.apply(kind, _nothing(wanted), manager=MANAGER, force=False)
            self._foreign.add(key)
            raise _taken(owner, key)
        log.info("Created child", extra={"key": str(key), "owner": str(owner.key)})
        if self._lost.pop(key, None) == owner.uid:
            self._tell(owner, "ChildRestored", f"{key.kind} {key.name} was deleted and is there again", action="Repair")
        self._cache.put(obj)

    async def _exists(self, owner: Owner, kind: Kind, key: Key) -> bool:
        """Whether the child is there although the cache does not know it; an error when it is not ours to write."""
        live = await self._client.get(kind, key.namespace, key.name)
        if live is not None:
            _check_owner(owner, key, live)
        return live is not None

    async def _write(self, kind: Kind, wanted: Manifest) -> None:
        obj, _ = await self._client.apply(kind, wanted, manager=MANAGER, force=True)
        self._cache.put(obj)
        remaining = tuple(drift(obj, wanted))
        key = key_of(wanted)
        if remaining:
            # An admission webhook changed what we sent. Fighting it would be a write per event, for ever.
            self._insisted[key] = (_hash(wanted), remaining)
            log.warning("Accepted fields that admission changes", extra={"key": str(key), "fields": list(remaining[:5])})
        else:
            self._insisted.pop(key, None)

    async def _hand_over_replicas(self, live: Manifest) -> None:
        """Let another field manager own the live number before we stop mentioning it."""
        holders = [entry["manager"] for entry in live["metadata"].get("managedFields") or () if entry["operation"] == "Apply"]
        if MANAGER in holders:
            await self._set_replicas(live, live["spec"].get("replicas", 1))

    async def _set_replicas(self, live: Manifest, number: int) -> Manifest:
        """Write the number under its own manager. With the resourceVersion: one that the autoscaler chose meanwhile wins, and we come again."""
        metadata = live["metadata"]
        body = {
            "apiVersion": DEPLOYMENT.api_version,
            "kind": DEPLOYMENT.kind,
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "resourceVersion": metadata["resourceVersion"]},
            "spec": {"replicas": number},
        }
        obj, _ = await self._client.apply(DEPLOYMENT, body, manager=SCALE_MANAGER, force=True)
        self._cache.put(obj)
        return obj


def _check_owner(owner: Owner, key: Key, live: Manifest) -> None:
    controller = controller_uid(live)
    if live["metadata"].get("deletionTimestamp"):
        raise BusyChildError(f"{key} is being deleted; it is made again when it is gone", retry_after=1.0)
    if controller == owner.uid:
        return
    if controller is None and HASH_ANNOTATION in (live["metadata"].get("annotations") or {}):
        return  # ours; somebody took the ownerReference away
    names = {(ref["kind"], ref["name"]) for ref in live["metadata"].get("ownerReferences") or ()}
    if (owner.key.kind, owner.name) in names:
        raise BusyChildError(f"{key} belongs to an earlier {owner.key}; waiting for garbage collection", retry_after=1.0)
    raise _taken(owner, key)


def _taken(owner: Owner, key: Key) -> TerminalError:
    return TerminalError(f"{key.kind} {key.name} exists and is not ours: delete or rename it, or rename this {owner.key.kind}")


def _nothing(manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
    }


def _hash(manifest: Manifest) -> str:
    return str(manifest["metadata"]["annotations"][HASH_ANNOTATION])
