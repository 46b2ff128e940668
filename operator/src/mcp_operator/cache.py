"""What the operator knows of the cluster: the last seen state of every watched object.

Filled by a LIST at start-up, by watch events, and by the answers to our own writes; never by guesses. Readers must not change what
they get. Objects are trimmed before they are stored: managedFields alone are half of an average object.
"""

import sys
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, cast

from mcp_optimizer_api.names import GROUP, MANAGED_BY, MANAGED_BY_LABEL, OPTIMIZER_LABEL, SERVER_LABEL

from .kinds import MCP_OPTIMIZER, MCP_SERVER, POD, RESOURCES, Key, Manifest, key_of

OWNERS = frozenset(kind.kind for kind in RESOURCES)
_OWNER_LABELS = {OPTIMIZER_LABEL: MCP_OPTIMIZER.kind, SERVER_LABEL: MCP_SERVER.kind}
_SHORT = 64
_REMEMBERED = 1000
_DROPPED_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)


class Cache:
    """Objects by key, with an index from owner to children and one from (kind, namespace) to objects."""

    def __init__(self) -> None:
        self._objects: dict[Key, Manifest] = {}
        self._children: dict[Key, set[Key]] = defaultdict(set)
        self._by_scope: dict[tuple[str, str], set[Key]] = defaultdict(set)
        self._gone: OrderedDict[str, Manifest] = OrderedDict()

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: Key) -> Manifest | None:
        """The object, or None when there is none."""
        return self._objects.get(key)

    def put(self, obj: Manifest) -> bool:
        """Store what the API server said; False when it is not newer than what is stored."""
        key = key_of(obj)
        gone, old = self._gone.get(obj["metadata"].get("uid", "")), self._objects.get(key)
        if any(known is not None and not _newer(known, obj) for known in (gone, old)):
            return False
        if old is not None:
            self._unlink(key, old)
        self._objects[key] = trimmed(obj)
        self._by_scope[key.kind, key.namespace].add(key)
        for owner in owners(obj):
            self._children[owner].add(key)
        return True

    def remove(self, key: Key, uid: str | None = None, *, last: Manifest | None = None) -> bool:
        """Forget an object; with `uid`, only that incarnation of it.

        `last` is the object as its deletion reported it: the answer to a write of ours may arrive after the news that the object is
        gone, and must not bring it back.
        """
        if last is not None and "uid" in last["metadata"]:
            head = {field: last["metadata"].get(field) for field in ("uid", "resourceVersion")}
            self._gone[last["metadata"]["uid"]] = {"metadata": head}
            while len(self._gone) > _REMEMBERED:
                self._gone.popitem(last=False)
        old = self._objects.get(key)
        if old is None or (uid is not None and old["metadata"].get("uid") != uid):
            return False
        del self._objects[key]
        self._unlink(key, old)
        return True

    def children(self, owner: Key, *kinds: str) -> list[Manifest]:
        """Objects that belong to `owner`, sorted by kind and name; of the given kinds only, if any are given."""
        keys = sorted(key for key in self._children.get(owner, ()) if not kinds or key.kind in kinds)
        return [self._objects[key] for key in keys]

    def select(self, kind: str, namespace: str | None = None) -> Iterator[Manifest]:
        """All objects of a kind, of one namespace if given, sorted by name."""
        if namespace is not None:
            keys: Iterable[Key] = self._by_scope.get((kind, namespace), ())
        else:
            keys = (key for key in self._objects if key.kind == kind)
        return iter([self._objects[key] for key in sorted(keys)])

    def _unlink(self, key: Key, obj: Manifest) -> None:
        self._by_scope[key.kind, key.namespace].discard(key)
        for owner in owners(obj):
            remaining = self._children.get(owner)
            if remaining is not None:
                remaining.discard(key)
                if not remaining:
                    del self._children[owner]


def owners(obj: Manifest) -> list[Key]:
    """Keys of the custom resources an object belongs to: by reference, else (a Deployment's Pods, a stripped reference) by label."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace", "")
    # Other products have an MCPServer too: the group decides.
    ours = [ref for ref in metadata.get("ownerReferences") or () if ref["kind"] in OWNERS and ref["apiVersion"].startswith(f"{GROUP}/")]
    found = [Key(ref["kind"], namespace, ref["name"]) for ref in ours]
    labels = metadata.get("labels") or {}
    if not found and labels.get(MANAGED_BY_LABEL) == MANAGED_BY:
        found = [Key(kind, namespace, labels[label]) for label, kind in _OWNER_LABELS.items() if label in labels]
    return found


def controller_uid(obj: Manifest) -> str | None:
    """UID of the object's controller."""
    for ref in obj["metadata"].get("ownerReferences") or ():
        if ref.get("controller"):
            return str(ref["uid"])
    return None


def trimmed(obj: Manifest) -> Manifest:
    """The object without what nobody here reads; of managedFields stays who owns spec.replicas (see apply.py).

    Keys and short values are interned: a thousand objects say the same few hundred words.
    """
    metadata = dict(obj["metadata"])
    managed = metadata.pop("managedFields", None) or ()
    holders = [
        {"manager": entry["manager"], "operation": entry["operation"]}
        for entry in managed
        if "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
    ]
    if holders:
        metadata["managedFields"] = holders
    annotations = metadata.get("annotations")
    if annotations and any(name in annotations for name in _DROPPED_ANNOTATIONS):
        metadata["annotations"] = {name: value for name, value in annotations.items() if name not in _DROPPED_ANNOTATIONS}
    kept = {**obj, "metadata": metadata}
    if obj["kind"] == POD.kind:
        kept.pop("spec", None)  # a Pod's status tells all that matters, and there are many Pods
    return cast(Manifest, _compact(kept))


def _compact(value: Any) -> Any:
    if isinstance(value, dict):
        return {sys.intern(key): _compact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_compact(item) for item in value]
    return sys.intern(value) if type(value) is str and len(value) <= _SHORT else value


def _newer(old: Manifest, new: Manifest) -> bool:
    """Whether `new` supersedes `old`.

    resourceVersions of one API server are comparable integers since Kubernetes 1.35, and were in practice before; anything else than
    two integers is compared for equality only, so the last word wins.
    """
    before, after = old["metadata"].get("resourceVersion"), new["metadata"].get("resourceVersion")
    if old["metadata"].get("uid") != new["metadata"].get("uid"):
        return True
    try:
        return int(after) > int(before)
    except (TypeError, ValueError):
        return bool(before != after)
