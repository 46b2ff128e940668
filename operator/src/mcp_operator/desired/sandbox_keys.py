"""The pool keys of a namespace: one Secret that all its MCPOptimizers own together.

A pool's key must never change under running Pods (they hold digests made with it), yet several reconciliations may look at the Secret at
the same time, and the cache they look at may be old. So a key is decided in memory first, by the uid of its MCPOptimizer, and only then
written; every manifest made later carries the same key, whichever reconciliation makes it. After a restart the memory fills itself from
the Secret. A name that is used again by a new MCPOptimizer gets a new key: the Secret's ownerReferences tell the two apart.
"""

import base64
import binascii
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from mcp_operator.kinds import Manifest
from mcp_optimizer_api.names import API_VERSION, MANAGED_BY, MANAGED_BY_LABEL, NAME_LABEL, SANDBOX_KEYS_SECRET

KEY_BYTES: Final = 32


@dataclass(frozen=True, order=True)
class KeyHolder:
    """An MCPOptimizer that needs a key."""

    name: str
    uid: str


def sandbox_keys(namespace: str, keys: Mapping[KeyHolder, bytes]) -> Manifest:
    """The Secret of this namespace with exactly these keys; it goes when the last of its owners goes."""
    holders = sorted(keys)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": SANDBOX_KEYS_SECRET,
            "namespace": namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY, NAME_LABEL: "mcp-sandbox"},
            "ownerReferences": [_owner(holder) for holder in holders],
        },
        "type": "Opaque",
        "data": {holder.name: base64.b64encode(keys[holder]).decode() for holder in holders},
    }


def stored_keys(secret: Manifest | None) -> dict[KeyHolder, bytes]:
    """The keys in a Secret as it was read: entries that are well-formed and whose MCPOptimizer is among the owners."""
    if secret is None:
        return {}
    owners = {owner.get("name"): owner.get("uid") for owner in secret.get("metadata", {}).get("ownerReferences") or []}
    found: dict[KeyHolder, bytes] = {}
    for name, value in (secret.get("data") or {}).items():
        uid, key = owners.get(name), _decoded(value)
        if uid and key:
            found[KeyHolder(name, uid)] = key
    return found


@dataclass
class KeyMemory:
    """What keys this process has decided on or read."""

    fresh: Callable[[], bytes] = lambda: secrets.token_bytes(KEY_BYTES)
    _known: dict[tuple[str, KeyHolder], bytes] = field(default_factory=dict)

    def keys(self, namespace: str, holders: Iterable[KeyHolder], secret: Manifest | None) -> dict[KeyHolder, bytes]:
        """The key of each of `holders`, which are all MCPOptimizers of the namespace; keys of others are forgotten."""
        stored = stored_keys(secret)
        decided = {holder: self._key(namespace, holder, stored) for holder in holders}
        for slot in [slot for slot in self._known if slot[0] == namespace and slot[1] not in decided]:
            del self._known[slot]
        return decided

    def _key(self, namespace: str, holder: KeyHolder, stored: Mapping[KeyHolder, bytes]) -> bytes:
        slot = (namespace, holder)
        if slot not in self._known:
            self._known[slot] = stored.get(holder) or self.fresh()
        return self._known[slot]


def _owner(holder: KeyHolder) -> Manifest:
    # Not a controller reference: an object can have one controller only, and this one has several equal owners.
    return {
        "apiVersion": API_VERSION,
        "kind": "MCPOptimizer",
        "name": holder.name,
        "uid": holder.uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }


def _decoded(value: object) -> bytes | None:
    try:
        key = base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None
