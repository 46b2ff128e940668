"""The header `traceparent` of W3C Trace Context: who sent it is a stranger, so it is taken as a whole or not at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED: Final = 1


@dataclass(frozen=True, slots=True)
class Parent:
    """The span that a request belongs to, somewhere else."""

    trace_id: str
    span_id: str
    sampled: bool


def parse(text: str | None) -> Parent | None:
    """The parent, or None for anything that is not a traceparent."""
    found = _FORM.fullmatch(text) if text else None
    if found is None:
        return None
    version, trace_id, span_id, flags = found.groups()
    if version == "ff" or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Parent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def header(trace: Mapping[str, str] | None) -> dict[str, str]:
    """The HTTP header for a request that carries `trace` in its `_meta`; nothing when that is malformed."""
    text = trace.get("traceparent") if trace else None
    return {"traceparent": text} if text is not None and parse(text) is not None else {}
