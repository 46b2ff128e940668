"""Tools as functions: names, types and text of a catalogue that wishes us ill, from the definition to what the sandbox builds of it."""

import inspect
import itertools
import json
import keyword
import sys
import typing
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from tests.unit.server.catalogues import snapshot, tool

from mcp_optimizer.stubs.description import describe
from mcp_optimizer.stubs.identifiers import identifier, identifiers
from mcp_optimizer.stubs.kinds import Kinds
from mcp_optimizer.stubs.modules import MAX_KEPT, Descriptions
from mcp_sandbox.stubs import function_of

NASTY = [
    "a\"b'c",
    'x"""\nimport os\nos.system("true")\n"""',
    "x'''); __import__('os').abort() #",
    "class",
    "__class__",
    "__init__",
    "x-y",
    "x.y",
    "x_y",
    "ﬁnd",
    "日本",
    "1st",
    "-",
    "{braces}%s",
    "\\",
    "None",
    "self",
    "async",
]


def sent(tool_id: str, /, **arguments: Any) -> Any:
    return tool_id, arguments


def built(definition: dict[str, Any], call: Callable[..., Any] = sent) -> Callable[..., Any]:
    """What job code gets: the description crosses the wire as JSON."""
    described = json.loads(json.dumps(describe(definition, f"a.{definition['name']}")))
    return function_of(described, "tool", "tools.a", call)


@pytest.mark.parametrize("name", NASTY)
def test_every_name_becomes_one_that_python_can_write(name: str) -> None:
    text = identifier(name)
    assert text.isidentifier() and not keyword.iskeyword(text) and not text.startswith("__")


def test_names_that_become_alike_stay_apart_and_do_so_in_the_same_way_every_time() -> None:
    names = ["a-b", "a_b", "a.b", "a b", "a_b_2", "class", "class_"]
    found = identifiers(names)
    assert found == {
        "a_b": "a_b",
        "a_b_2": "a_b_2",
        "a_b_3": "a b",
        "a_b_4": "a-b",
        "a_b_5": "a.b",
        "class_": "class_",
        "class__2": "class",
    }
    assert identifiers(reversed(names)) == found and identifiers(names + names) == found


def test_thousands_of_names_that_become_alike_are_told_apart_without_counting_from_the_start_each_time() -> None:
    names = ["".join(marks) for marks in itertools.islice(itertools.product("-.!", repeat=7), 2000)]
    steps = 0

    def count(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal steps
        steps += event == "line"
        return count if frame.f_code is identifiers.__code__ else None

    before = sys.gettrace()
    sys.settrace(count)
    try:
        found = identifiers(names)
    finally:
        sys.settrace(before)
    assert set(found.values()) == set(names)
    assert steps < 20 * len(names)


def test_a_function_has_the_types_defaults_and_text_of_its_tool() -> None:
    definition = tool(
        "search",
        {
            "query": {"type": "string"},
            "state": {"enum": ["open", "closed"]},
            "limit": {"type": "integer", "default": 10},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
            "when": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
        ["query"],
        schema={
            "$defs": {
                "tag": {"type": "object", "properties": {"name": {"type": "string"}, "n-o": {"type": "number"}}, "required": ["name"]}
            }
        },
        outputSchema={"type": "object", "properties": {"items": {"type": "array", "items": {"type": "string"}}}},
        description="Finds things.\n\nReally.",
    )
    function: Any = built(definition)
    assert str(inspect.signature(function)) == (
        "(*, query: str, state: Literal['open', 'closed'] = ..., limit: int = 10, tags: list[tools.a.Tag] = ..., "
        "when: Optional[str] = ..., counts: dict[str, int] = ...) -> tools.a.Result"
    )
    hints = typing.get_type_hints(function)
    tag = typing.get_args(hints["tags"])[0]
    assert (
        tag.__required_keys__ == {"name"}
        and tag.__optional_keys__ == {"n-o"}
        and typing.get_type_hints(hints["return"]) == {"items": list[str]}
    )
    assert (function.__doc__, function.__module__, function.__name__) == ("Finds things.\n\nReally.", "tools.a", "tool")
    assert function(query="x", limit=None, when=None) == ("a.search", {"query": "x", "when": None})


def test_arguments_keep_the_tools_own_names_on_the_wire() -> None:
    function: Any = built(tool("b", {"from": {"type": "string"}, "x-y": {}, "x_y": {}, "call": {}, "tool": {}}, ["from"]))
    assert list(inspect.signature(function).parameters) == ["from_", "x_y_2", "x_y", "call", "tool"]
    assert function(from_=1, x_y=2, x_y_2=3, tool=4) == ("a.b", {"from": 1, "x_y": 2, "x-y": 3, "tool": 4})
    assert function(**{"from": 1, "x-y": 3}) == ("a.b", {"from": 1, "x-y": 3})
    assert "from_ is the tool's 'from'" in function.__doc__


@pytest.mark.parametrize(
    ("given", "named", "words"),
    [
        (("x",), {}, "tool() takes its arguments by name: tool(*, title: str"),
        ((), {}, "tool() misses title: tool(*"),
        ((), {"title": "x", "titel": 1}, "tool() has no argument 'titel': tool(*"),
    ],
)
def test_a_wrong_call_of_a_function_says_how_it_is_called(given: tuple[Any, ...], named: dict[str, Any], words: str) -> None:
    function = built(tool("b", {"title": {"type": "string"}}, ["title"]))
    with pytest.raises(TypeError) as caught:
        function(*given, **named)
    assert words in str(caught.value)


def test_a_tool_that_takes_anything_is_given_anything() -> None:
    function = built(tool("b", {"more": {}}, schema={"additionalProperties": True}))
    assert function(anything=1, more=2) == ("a.b", {"anything": 1, "more": 2})
    assert str(inspect.signature(function)) == "(*, more: Any = ..., **more_arguments: Any) -> Any"


def test_nothing_in_a_catalogue_becomes_code() -> None:
    bomb = "\"\"\"''' + __import__('os').abort() + '''\"\"\" \\ \n\r\0{0}%s"
    for name in [*NASTY, bomb]:
        definition = tool(
            name,
            {
                name: {"type": "object", "properties": {name: {"enum": [name, bomb]}}, "description": bomb},
                "x": {"default": bomb[:50], "type": name},
            },
            [name],
            description=bomb,
            title=bomb,
            outputSchema={"$ref": name, "properties": {name: {"const": name}}},
        )
        function: Any = built(definition)
        assert bomb.strip()[:20] in function.__doc__ and inspect.signature(function)
        assert function(**{name: {name: name}}) == (f"a.{name}", {name: {name: name}})


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"$ref": "#"}, "Any"),
        ({"$ref": "https://elsewhere/x"}, "Any"),
        ({"anyOf": [{"$ref": "#/$defs/loop"}, {"type": "string"}]}, "Any"),
        ({"type": ["string", "null"]}, ["union", "str", "None"]),
        ({"type": "nonsense"}, "Any"),
        ({"type": {"a": 1}}, "Any"),
        ({"enum": [{"a": 1}]}, "Any"),
        ({"enum": ["x" * 100], "type": "string"}, "str"),
        ({"const": 5}, ["literal", 5]),
        ({"type": "array", "items": [1]}, "list"),
        (True, "Any"),
        ({"properties": {f"p{n}": {} for n in range(100)}, "type": "object"}, "dict"),
    ],
)
def test_schemas_without_a_python_type_are_any(schema: Any, kind: Any) -> None:
    root = {"$defs": {"loop": {"$ref": "#/$defs/loop"}}}
    assert Kinds(root).kind(schema, "x") == kind


def test_a_schema_that_multiplies_is_cut_off() -> None:
    root = {"$defs": {"a": {"type": "object", "properties": {f"p{n}": {"$ref": "#/$defs/a"} for n in range(30)}}}}
    described = describe(tool("b", {f"q{n}": {"$ref": "#/$defs/a"} for n in range(90)}, schema=root), "a.b")
    assert len(json.dumps(described)) < 30_000
    assert len(describe(tool("b", {f"q{n}": {} for n in range(900)}), "a.b")["parameters"]) == 100


def test_a_description_is_built_once_for_each_definition_and_not_kept_for_ever() -> None:
    descriptions = Descriptions()
    first = snapshot(a=[tool("b")]).tools["a.b"]
    assert descriptions.of(first) is descriptions.of(first)
    assert descriptions.of(snapshot(a=[tool("b")]).tools["a.b"]) is not descriptions.of(first)
    for other in snapshot(a=[tool(f"t{n}") for n in range(MAX_KEPT + 10)]).tools.values():
        descriptions.of(other)
    assert len(descriptions._kept) == MAX_KEPT


def test_servers_and_tools_are_found_by_python_name_and_by_names_that_mean_one() -> None:
    world = snapshot(my_server=[tool("list-issues"), tool("class")], other=[])
    modules = world.modules
    assert modules.servers == {"my_server": "my-server", "other": "other"}
    assert sorted(modules.tools("my-server")) == ["class_", "list_issues"] and modules.tools("other") == {}
    found = modules.tool("my-server", "listIssues")
    assert found is world.tools["my-server.list-issues"] and modules.path(found) == "tools.my_server.list_issues"
    assert modules.tool("my-server", "nothing") is None
