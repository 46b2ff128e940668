"""Arguments are checked with schemas that may be traps."""

import time
from typing import Any

import pytest

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.validation import compile_validator

ISSUE = {
    "type": "object",
    "properties": {"title": {"type": "string", "minLength": 1}, "labels": {"type": "array", "items": {"$ref": "#/$defs/label"}}},
    "required": ["title"],
    "additionalProperties": False,
    "$defs": {"label": {"enum": ["bug", "idea"]}},
}


@pytest.mark.parametrize("arguments", [{"title": "x"}, {"title": "x", "labels": ["bug", "idea"]}])
def test_arguments_that_fit_pass(arguments: dict[str, Any]) -> None:
    compile_validator(ISSUE)(arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "arguments: 'title' is a required property"),
        ({"title": ""}, "arguments.title: '' should be non-empty"),
        ({"title": "x", "labels": ["bug", "oops"]}, "arguments.labels.1: 'oops' is not one of ['bug', 'idea']"),
        ({"title": "x", "y": 1}, "arguments: Additional properties are not allowed ('y' was unexpected)"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_their_place(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(CallFailure) as failure:
        compile_validator(ISSUE)(arguments)
    assert (failure.value.code, failure.value.message) == (400, message)


def test_a_refusal_is_short_even_when_the_argument_is_not() -> None:
    with pytest.raises(CallFailure) as failure:
        compile_validator(ISSUE)({"title": ["x" * 100_000]})
    assert len(failure.value.message) < 500


def bomb() -> dict[str, Any]:
    definitions = {f"d{number}": {"allOf": [{"$ref": f"#/$defs/d{number + 1}"}] * 2} for number in range(50)}
    return {"properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": definitions | {"d50": {}}}


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        (bomb(), {"a": 1}),
        ({"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}, {"a": "a" * 60 + "!"}),
        ({"properties": {"a": {"type": "string", "pattern": "(a|a)*b"}}}, {"a": "a" * 60}),
        ({"properties": {"a": {"type": "string", "pattern": "a*a*a*a*a*a*b"}}}, {"a": "a" * 2000}),
        ({"properties": {"a": {"type": "string", "pattern": "a?" * 40 + "a" * 40}}}, {"a": "a" * 39}),
        ({"properties": {"a": {"type": "string", "pattern": "^" + "(ab|a|b)" * 24 + "!"}}}, {"a": "ab" * 24}),
        ({"properties": {"a": {"type": "string", "pattern": r"\\*" * 8 + "b"}}}, {"a": "\\" * 400}),
        ({"properties": {"a": {"uniqueItems": True}}}, {"a": [{"n": number // 2} for number in range(20_000)]}),
        ({"properties": {"a": {"items": {"enum": list(range(5000))}}}}, {"a": [4999] * 100_000}),
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, {"a" * 60 + "!": 1}),
        ({"$ref": "#"}, {"a": 1}),
        ({"properties": {"a": {"$ref": "https://example.com/schema.json"}}}, {"a": 1}),
        ({"properties": {"a": {"$ref": "#/nowhere"}}}, {"a": 1}),
        ({"properties": {"a": {"type": 7}}}, {"a": 1}),
        ({"properties": {"a": {"pattern": "["}}}, {"a": "x"}),
    ],
)
def test_a_schema_that_cannot_be_checked_safely_is_left_to_its_server(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    started = time.monotonic()
    compile_validator(schema)(arguments)
    assert time.monotonic() - started < 10


def test_a_long_list_of_wrong_items_is_refused_after_the_first_hundred() -> None:
    with pytest.raises(CallFailure, match=r"^arguments\.a\.\d\d?: 0 is not of type 'string'"):
        compile_validator({"properties": {"a": {"items": {"type": "string"}}}})({"a": [0] * 40_000})


def test_a_list_too_long_to_be_checked_in_passing_is_left_to_its_server() -> None:
    compile_validator({"properties": {"a": {"items": {"type": "string"}}}})({"a": [0] * 400_000})


@pytest.mark.parametrize("pattern", [r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2})?$", r"^[+*?|a-z]+$", r"^(open|closed|all)$", r"^[^/]+/[^/]+$"])
def test_everyday_patterns_are_enforced(pattern: str) -> None:
    with pytest.raises(CallFailure, match="does not match"):
        compile_validator({"properties": {"a": {"pattern": pattern}}})({"a": "#/"})


def test_honest_patterns_are_enforced_and_properties_may_be_called_pattern() -> None:
    validate = compile_validator(
        {"properties": {"pattern": {"type": "string", "pattern": "^[a-z]+$"}, "patternProperties": {"type": "integer"}}}
    )
    validate({"pattern": "abc", "patternProperties": 3})
    with pytest.raises(CallFailure, match="does not match"):
        validate({"pattern": "ABC"})
    with pytest.raises(CallFailure, match="is not of type 'integer'"):
        validate({"patternProperties": "x"})
