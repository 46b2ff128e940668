"""YAML as text, enough for a CRD: mappings, lists and scalars, the same bytes on every machine and with every library version."""

import json
import re
from typing import Any

_PLAIN_KEY = re.compile(r"^[A-Za-z][A-Za-z0-9_./-]*$")
_PLAIN_TEXT = re.compile(r"^[A-Za-z][A-Za-z0-9_./-]*$")
_SPECIAL = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})


def to_yaml(value: Any) -> str:
    """One YAML document; strings that YAML could read as something else are quoted as in JSON, which YAML contains."""
    return "\n".join(_block(value, "")) + "\n"


def _block(value: Any, indent: str) -> list[str]:
    if isinstance(value, dict) and value:
        return [line for key, below in value.items() for line in _entry(f"{indent}{_key(key)}:", below, indent)]
    if isinstance(value, list) and value:
        return [line for item in value for line in _item(item, indent)]
    return [f"{indent}{_scalar(value)}"]


def _entry(head: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, dict) and value:
        return [head, *_block(value, indent + "  ")]
    if isinstance(value, list) and value:
        return [head, *_block(value, indent)]
    return [f"{head} {_scalar(value)}"]


def _item(value: Any, indent: str) -> list[str]:
    first, *rest = _block(value, indent + "  ")
    return [f"{indent}- {first[len(indent) + 2 :]}", *rest]


def _key(key: str) -> str:
    return key if _PLAIN_KEY.match(key) and key.lower() not in _SPECIAL else json.dumps(key)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN_TEXT.match(value) and value.lower() not in _SPECIAL:
        return value
    return json.dumps(value, ensure_ascii=False)
