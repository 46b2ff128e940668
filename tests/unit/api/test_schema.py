"""Each thing pydantic emits and a CRD cannot take is translated, or refused by name."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from mcp_optimizer_api.base import Resource
from mcp_optimizer_api.cel import DEFAULT_IN_CODE, PATTERN_MESSAGE, VALIDATIONS, pattern_rule, rule, rules
from mcp_optimizer_api.pods import Quantity
from mcp_optimizer_api.schema import Defaults, UnsupportedSchema, structural

Text = Annotated[str, Field(max_length=10)]


def schema_of(annotation: Any, field: Any = ..., *, defaults: Defaults = Defaults.STORED) -> dict[str, Any]:
    """The schema of one field of a model made for the test."""
    model = create_model("Made", __base__=Resource, it=(annotation, field))
    made: dict[str, Any] = structural(model, defaults=defaults)["properties"]["it"]
    return made


class Inner(Resource):
    """An object with one default."""

    size: int = Field(default=3, description="Size.")


class Recursive(BaseModel):
    """Contains itself."""

    below: "Recursive | None" = None


def test_an_optional_field_is_simply_not_required() -> None:
    model = create_model("Made", __base__=Resource, it=(Text | None, None))
    schema = structural(model, defaults=Defaults.STORED)
    assert schema == {"type": "object", "properties": {"it": {"type": "string", "maxLength": 10}}}


def test_a_reference_is_inlined_and_what_stands_beside_it_wins() -> None:
    schema = schema_of(Inner, Field(default=Inner(), description="Mine."))
    assert schema["description"] == "Mine."
    assert schema["properties"] == {"size": {"type": "integer", "description": "Size.", "default": 3}}
    assert schema["default"] == {"size": 3}


def test_an_object_that_is_required_has_no_default() -> None:
    assert "default" not in schema_of(Inner)


def test_a_default_of_an_object_keeps_what_differs_from_its_own() -> None:
    assert schema_of(Inner, Field(default=Inner(size=9)))["default"] == {"size": 9}


def test_lists_and_maps_are_never_filled_in() -> None:
    assert "default" not in schema_of(list[Text], Field(default=[], max_length=3))
    assert "default" not in schema_of(dict[str, Text], Field(default={}, max_length=3))


def test_false_and_zero_are_defaults() -> None:
    assert schema_of(bool, Field(default=False))["default"] is False
    assert schema_of(int, Field(default=0))["default"] == 0


def test_a_default_in_code_is_documented_but_not_stored() -> None:
    field = Field(default=8080, json_schema_extra={DEFAULT_IN_CODE: True})
    assert "default" not in schema_of(int, field)
    assert schema_of(int, field, defaults=Defaults.EFFECTIVE)["default"] == 8080


def test_a_status_has_no_defaults() -> None:
    assert "default" not in schema_of(int, Field(default=0), defaults=Defaults.NONE)


def test_a_single_choice_is_an_enum() -> None:
    assert schema_of(Literal["a"]) == {"type": "string", "enum": ["a"]}


def test_an_exclusive_bound_is_a_flag_beside_the_bound() -> None:
    assert schema_of(int, Field(gt=0, lt=9)) == {
        "type": "integer",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 9,
        "exclusiveMaximum": True,
    }


def test_a_list_is_atomic_unless_it_says_otherwise() -> None:
    assert schema_of(list[Text], Field(max_length=3))["x-kubernetes-list-type"] == "atomic"
    keyed = Field(max_length=3, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["size"]})
    assert schema_of(list[Inner], keyed)["x-kubernetes-list-type"] == "map"


def test_a_quantity_may_be_a_number_or_text() -> None:
    schema = schema_of(Quantity)
    assert schema["x-kubernetes-int-or-string"] is True
    assert "type" not in schema
    assert schema[VALIDATIONS][0]["rule"].startswith("string(self).matches(r'^")


def test_a_pattern_with_a_message_becomes_a_rule() -> None:
    field = Field(max_length=9, pattern="^a+$", json_schema_extra={PATTERN_MESSAGE: "write a"})
    assert schema_of(str, field) == {
        "type": "string",
        "maxLength": 9,
        VALIDATIONS: [{"rule": "self.matches(r'^a+$')", "message": "write a"}],
    }


def test_a_pattern_without_a_message_stays_a_pattern() -> None:
    assert schema_of(str, Field(max_length=9, pattern="^a+$"))["pattern"] == "^a+$"


def test_rules_of_a_model_are_carried_over() -> None:
    class Ruled(Resource):
        model_config = ConfigDict(json_schema_extra=rules(rule("self.size > 1", "size is too small: write 2", field="size")))
        size: int

    assert structural(Ruled, defaults=Defaults.NONE)[VALIDATIONS] == [
        {"rule": "self.size > 1", "message": "size is too small: write 2", "fieldPath": ".size"}
    ]


def test_an_apostrophe_in_a_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="apostrophe"):
        pattern_rule("^'$", "no")


@pytest.mark.parametrize(
    ("annotation", "field", "complaint"),
    [
        (str, ..., "a string without max_length"),
        (list[Text], ..., "a list without max_length"),
        (dict[str, Text], ..., "a map without max_length"),
        (dict[str, Any], Field(max_length=1), "free-form objects"),
        (Text | int, ..., "a union"),
        (tuple[Text, Text], ..., "prefixItems"),
        (set[Text], Field(max_length=2), "uniqueItems"),
        (int, Field(multiple_of=2), "multipleOf"),
    ],
)
def test_what_a_crd_cannot_express_is_refused_with_its_path(annotation: Any, field: Any, complaint: str) -> None:
    with pytest.raises(UnsupportedSchema, match=rf"Made\.it.*{complaint}"):
        schema_of(annotation, field)


def test_a_model_that_contains_itself_is_refused() -> None:
    with pytest.raises(UnsupportedSchema, match="contains itself"):
        structural(Recursive, defaults=Defaults.NONE)
