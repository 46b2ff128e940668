"""The quick yes is never given where JSON Schema says no, and is given for what tools usually ask."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_optimizer.fits import compile_fits

KEYWORDS = frozenset(jsonschema.Draft202012Validator.VALIDATORS)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.0, 1.0, 1.5, -2.5]), st.sampled_from(["", "a", "ab", "é" * 4])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)), max_leaves=8
)
TYPES = st.sampled_from(["object", "array", "string", "boolean", "null", "integer", "number"])
SMALL = st.integers(0, 3)


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of the usual keywords, and of some that are not."""
    known: dict[str, st.SearchStrategy[Any]] = {
        "type": st.one_of(TYPES, st.lists(TYPES, min_size=1, max_size=2)),
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "const": VALUES,
        "minimum": SMALL, "maximum": SMALL, "exclusiveMinimum": SMALL, "exclusiveMaximum": SMALL,
        "minLength": SMALL, "maxLength": SMALL, "minItems": SMALL, "maxItems": SMALL,
        "pattern": st.sampled_from(["^a", "b$", "."]),
        "items": inner,
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
        "additionalProperties": st.one_of(st.booleans(), inner),
        "description": st.just("text"), "format": st.just("date"), "x-mcp-header": st.just("A"),
        "oneOf": st.lists(inner, min_size=1, max_size=2), "not": inner, "uniqueItems": st.booleans(), "multipleOf": st.integers(1, 3),
    }  # fmt: skip
    return st.lists(st.sampled_from(sorted(known)), max_size=4, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: known[name] for name in names})
    )


SCHEMAS = st.recursive(st.one_of(st.booleans(), keywords(st.just({}))), keywords, max_leaves=6)


@settings(max_examples=1500, deadline=None)
@given(SCHEMAS, VALUES)
def test_a_yes_is_a_yes_of_json_schema_too(schema: Any, value: Any) -> None:
    fits = compile_fits(schema, KEYWORDS)
    if fits is not None and fits(value):
        assert jsonschema.Draft202012Validator(schema).is_valid(value)


USUAL = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1, "maxLength": 20, "description": "A title."},
        "state": {"type": "string", "enum": ["open", "closed"], "default": "open"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100},
        "ratio": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
        "labels": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}, "maxItems": 3},
        "owner": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
    },
    "required": ["title"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "arguments",
    [
        {"title": "x"},
        {"title": "x", "state": "open", "limit": 100, "ratio": None, "labels": ["a", "b"], "owner": {"id": "1", "more": True}},
        {"title": "x", "ratio": 0.5, "labels": []},
    ],
)
def test_usual_arguments_need_no_full_validation(arguments: dict[str, Any]) -> None:
    fits = compile_fits(USUAL, KEYWORDS)
    assert fits is not None and fits(arguments)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a"},
        {"oneOf": [{}]},
        {"type": "strange"},
        {"properties": []},
        {"required": "a"},
        {"minimum": "1"},
        {"pattern": "("},
        5,
    ],
)
def test_other_schemas_are_left_to_the_full_validator(schema: Any) -> None:
    assert compile_fits(schema, KEYWORDS) is None
