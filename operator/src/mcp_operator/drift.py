"""Does a live object still say what we want it to say?

Two questions, both answered without asking the API server. Did *we* change our mind: a hash of the desired manifest travels as an
annotation on the child, so that also a field we no longer want is noticed. Did *somebody else* change it: every field we want is
compared with the live object; fields we do not mention (defaults, other controllers' fields) are none of our business.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from mcp_optimizer_api.names import GROUP

from .desired.quantity import number
from .kinds import Manifest

HASH_ANNOTATION = f"{GROUP}/desired-hash"

_MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
"""Lists the API server merges by key, so that foreign entries beside ours are legitimate. All other lists must match exactly."""
_PORT_KEYS: tuple[tuple[str, ...], ...] = (("containerPort", "protocol"), ("port", "protocol"))
_QUANTITIES = frozenset({"requests", "limits"})
_QUANTITY_FIELDS = frozenset({"sizeLimit"})


def hashed(manifest: Manifest) -> Manifest:
    """The manifest with its own hash as an annotation."""
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:16]
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), HASH_ANNOTATION: digest}}}


def drift(live: Manifest, desired: Manifest) -> list[str]:
    """Paths of desired fields that the live object does not carry; empty when it is as we want it."""
    return list(_differences(desired, live, "", ""))


def _differences(want: Any, have: Any, path: str, field: str) -> Iterator[str]:
    if isinstance(want, dict):
        if not want and have is None:
            return
        if not isinstance(have, dict):
            yield path
            return
        for name, value in want.items():
            below = f"{path}.{name}" if path else name
            if field in _QUANTITIES or name in _QUANTITY_FIELDS:
                if not same_quantity(value, have.get(name)):
                    yield below
            else:
                yield from _differences(value, have.get(name), below, name)
    elif isinstance(want, list):
        yield from _list_differences(want, have or [], path, field)
    elif want != have and not (have is None and not want):  # the API server drops zero values where they are the default
        yield path


def _list_differences(want: list[Any], have: Any, path: str, field: str) -> Iterator[str]:
    if not isinstance(have, list):
        yield path
        return
    keys = _merge_keys(field, want)
    if keys:
        present = {_identity(item, keys): item for item in have}
        for item in want:
            identity = _identity(item, keys)
            yield from _differences(item, present.get(identity), f"{path}[{'/'.join(map(str, identity))}]", field="")
    elif len(want) != len(have):
        yield path
    else:
        for index, (item, other) in enumerate(zip(want, have, strict=True)):
            yield from _differences(item, other, f"{path}[{index}]", field="")


def _merge_keys(field: str, want: list[Any]) -> tuple[str, ...]:
    if field == "ports":
        return next((keys for keys in _PORT_KEYS if want and all(keys[0] in item and "name" in item for item in want)), ())
    return _MERGE_KEYS.get(field, ())


def _identity(item: Any, keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key, "TCP" if key == "protocol" else None) for key in keys)


def same_quantity(want: Any, have: Any) -> bool:
    """Whether two quantities are the same amount: the API server rewrites `0.5` as `500m`."""
    if want == have:
        return True
    try:
        return number(str(want)) == number(str(have))
    except ArithmeticError:
        return False
