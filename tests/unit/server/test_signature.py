"""A tool in one line."""

from typing import Any

import pytest

from mcp_optimizer.tools.signature import MAX_SIGNATURE, TERSE_SIGNATURE, signature, summary


def definition(properties: dict[str, Any], required: list[str] | None = None, description: str = "") -> dict[str, Any]:
    return {
        "name": "t",
        "description": description,
        "inputSchema": {"type": "object", "properties": properties, "required": required or []},
    }


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"type": "string"}, "str"),
        ({"type": "array", "items": {"type": "integer"}}, "int[]"),
        ({"type": "array"}, "list"),
        ({"type": ["string", "null"]}, "str"),
        ({"type": "string", "enum": ["open", "closed"]}, "'open'|'closed'"),
        ({"enum": [1, 2]}, "1|2"),
        ({"anyOf": [{"type": "string"}]}, "str"),
        ({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "string"}, {"type": "null"}], "default": None}, "int[]|str"),
        ({"oneOf": [{"type": "object"}, {"$ref": "#/$defs/X"}]}, "any"),
        ({"anyOf": [{"type": "null"}]}, "any"),
        ({"anyOf": [{"type": "string", "enum": ["a" * 30, "b" * 30]}, {"type": "string"}]}, "str"),
        ({"anyOf": "nonsense"}, "any"),
        ({"type": "string", "enum": [f"value-{number}" for number in range(30)]}, "str"),
        (True, "any"),
        ({"type": [["string"], {}, 7, "integer"]}, "any|any|any|int"),
    ],
)
def test_types_are_short(schema: Any, shown: str) -> None:
    assert signature(definition({"a": schema}, ["a"]), "s.t") == f"s.t(a: {shown})"


def test_required_parameters_come_first_and_are_never_cut() -> None:
    properties: dict[str, Any] = {f"optional_{number}": {"type": "string"} for number in range(40)}
    properties |= {f"required_{number}": {"type": "string"} for number in range(15)}
    shown = signature(definition(properties, [f"required_{number}" for number in range(15)]), "s.t")
    assert shown.startswith("s.t(required_0: str, ")
    assert "required_14: str" in shown
    assert "more)" in shown
    few = signature(definition(properties, ["required_0"]), "s.t")
    assert len(few) <= MAX_SIGNATURE + 20 and "…" in few


def test_malformed_schemas_still_have_a_signature() -> None:
    assert signature({"name": "t", "inputSchema": {"properties": [], "required": ["x"]}}, "s.t") == "s.t()"
    assert signature({"name": "t", "inputSchema": {}}, "s.t") == "s.t()"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Creates an issue. Use with care.", "Creates an issue"),
        ("Sends e.g. mail\nto people", "Sends e.g. mail to people"),
        ("Version 1.5 of it", "Version 1.5 of it"),
        ("", ""),
        ("x" * 300, "x" * 99 + "…"),
    ],
)
def test_the_summary_is_the_first_sentence(text: str, shown: str) -> None:
    assert summary(definition({}, description=text)) == shown


def test_a_terse_signature_keeps_what_is_required() -> None:
    properties = {f"parameter_{number}": {"type": "string"} for number in range(9)}
    shown = signature(definition(properties, ["parameter_0", "parameter_8"]), "s.t", TERSE_SIGNATURE)
    assert shown == "s.t(parameter_0: str, parameter_8: str, parameter_1?: str, parameter_2?: str, parameter_3?: str, …4 more)"
