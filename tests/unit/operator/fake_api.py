"""An API server in memory: resourceVersions, generations, enough of server-side apply, and failures on demand."""

import copy
from collections.abc import AsyncIterator, Callable
from typing import Any

from tests.unit.operator.objects import CREATED

from mcp_operator.client import Applied
from mcp_operator.errors import ConflictError, NotFoundError, OperatorError
from mcp_operator.kinds import Key, Kind, Manifest, key_of


class FakeApi:
    """The verbs of `Client`. `events` gets what a watch would report; `fail` may raise before a write."""

    def __init__(self) -> None:
        self.objects: dict[Key, Manifest] = {}
        self.writes: list[str] = []
        self.events: list[tuple[str, Manifest]] = []
        self.fail: Callable[[str, Key], OperatorError | None] = lambda verb, key: None
        self.admission: Callable[[Manifest], None] = lambda obj: None
        self._version = 100
        self._applied: dict[tuple[Key, str], Manifest] = {}

    def add(self, obj: Manifest) -> Manifest:
        """Somebody else creates or changes an object."""
        key = key_of(obj)
        old = self.objects.get(key)
        stored = copy.deepcopy(obj)
        self._version += 1
        defaults = {"uid": f"uid-{key.name}-{self._version}", "creationTimestamp": CREATED, "generation": 1}
        stored["metadata"] = {**defaults, **stored["metadata"], "resourceVersion": str(self._version)}
        self.objects[key] = stored
        self.events.append(("MODIFIED" if old else "ADDED", copy.deepcopy(stored)))
        return stored

    def take(self, key: Key) -> None:
        """Somebody else deletes an object."""
        gone = self.objects.pop(key)
        self._version += 1
        gone["metadata"]["resourceVersion"] = str(self._version)
        self.events.append(("DELETED", gone))

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        return copy.deepcopy(self.objects.get(Key(kind.kind, namespace, name)))

    async def list(self, kind: Kind, namespace: str | None) -> AsyncIterator[Manifest]:
        for key, obj in sorted(self.objects.items()):
            if key.kind == kind.kind and namespace in (None, key.namespace):
                yield copy.deepcopy(obj)

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        key = self._writes("create", manifest)
        if key in self.objects:
            raise ConflictError(f"{key} exists")
        return copy.deepcopy(self.add(manifest))

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        key = self._writes("update", manifest)
        self._expect_version(key, manifest)
        return copy.deepcopy(self.add(manifest))

    async def apply(self, kind: Kind, manifest: Manifest, *, manager: str, force: bool, subresource: str | None = None) -> Applied:
        key = self._writes(f"apply {subresource}" if subresource else "apply", manifest)
        live = self.objects.get(key)
        if subresource:
            return self._apply_status(key, live, manifest)
        if live is not None and "resourceVersion" in manifest["metadata"]:
            self._expect_version(key, manifest)
        before = self._applied.get((key, manager), {})
        if live is not None and not force and _conflicts(live, manifest, before):
            raise ConflictError(f"{key}: others own fields")
        self._applied[key, manager] = copy.deepcopy(manifest)
        merged = _merge(_without(copy.deepcopy(live) or {}, before, manifest), manifest)
        self.admission(merged)
        if merged == live:
            return Applied(copy.deepcopy(merged), created=False)
        return Applied(copy.deepcopy(self.add(merged)), created=live is None)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str, grace_seconds: int | None = None) -> bool:
        key = Key(kind.kind, namespace, name)
        self._writes("delete", {"kind": kind.kind, "metadata": {"name": name, "namespace": namespace}})
        live = self.objects.get(key)
        if live is None or live["metadata"]["uid"] != uid:
            return False
        self.take(key)
        return True

    def _apply_status(self, key: Key, live: Manifest | None, manifest: Manifest) -> Applied:
        if live is None or live["metadata"]["uid"] != manifest["metadata"]["uid"]:
            raise NotFoundError(f"{key} not found")
        return Applied(copy.deepcopy(self.add({**live, "status": copy.deepcopy(manifest["status"])})), created=False)

    def _writes(self, verb: str, manifest: Manifest) -> Key:
        key = key_of(manifest)
        error = self.fail(verb, key)
        if error is not None:
            raise error
        self.writes.append(f"{verb} {key.kind}/{key.name}")
        return key

    def _expect_version(self, key: Key, manifest: Manifest) -> None:
        live = self.objects.get(key)
        if live is None:
            raise NotFoundError(f"{key} not found")
        if live["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            raise ConflictError(f"{key} has changed")


def _merge(live: Any, applied: Any) -> Any:
    if isinstance(live, dict) and isinstance(applied, dict):
        return {**live, **{name: _merge(live.get(name), value) for name, value in applied.items()}}
    return copy.deepcopy(applied)


def _without(live: Any, before: Any, now: Any) -> Any:
    """Fields the manager owned and does not mention any more are pruned; a Deployment without replicas is defaulted to one."""
    if not (isinstance(live, dict) and isinstance(before, dict) and isinstance(now, dict)):
        return live
    kept = {}
    for name, value in live.items():
        if name in before and name not in now:
            if name == "replicas":
                kept[name] = 1
            elif isinstance(value, dict) and isinstance(before[name], dict):
                remaining = _without(value, before[name], {})
                kept |= {name: remaining} if remaining else {}
            continue
        kept[name] = _without(value, before.get(name), now.get(name))
    return kept


def _conflicts(live: Any, wanted: Any, ours: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(live, dict):
        return any(
            name in live and _conflicts(live[name], value, (ours or {}).get(name) if isinstance(ours, dict) else None)
            for name, value in wanted.items()
            if name not in ("ownerReferences", "resourceVersion")
        )
    return bool(live != wanted and ours is None)
