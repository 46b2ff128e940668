"""Spans as OTLP/HTTP wants them in JSON. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .span import MAX_TEXT, Span, Value

KINDS: Final = {"internal": 1, "server": 2, "client": 3}
ERROR: Final = 2


def document(spans: Sequence[Span], resource: Mapping[str, Value]) -> dict[str, Any]:
    """One export request."""
    scope = {"scope": {"name": "mcp_optimizer"}, "spans": [_span(span) for span in spans]}
    return {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scope]}]}


def _span(span: Span) -> dict[str, Any]:
    attributes = dict(span.attributes)
    shown: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": KINDS[span.kind],
        "startTimeUnixNano": str(span.started),
        "endTimeUnixNano": str(span.ended),
        "flags": 1,
    }
    if span.parent_id is not None:
        shown["parentSpanId"] = span.parent_id
    if span.outcome != "ok":
        attributes["error.type"] = span.outcome
        shown["status"] = {"code": ERROR}
    shown["attributes"] = _attributes(attributes)
    return shown


def _attributes(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value[:MAX_TEXT]}
