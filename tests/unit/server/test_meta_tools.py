"""The pure parts of the meta-tools: references, names that are nearly right, exclusions, cuts, and the page that documents them."""

import json
import random
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mcp_optimizer import errors
from mcp_optimizer.errors import CallFailure
from mcp_optimizer.fastlane.metrics import FALLBACKS as FAST_LANE
from mcp_optimizer.results import squeezed
from mcp_optimizer.search import NearestNames
from mcp_optimizer.selection import hidden_by, unknown_pins
from mcp_optimizer.spelling import Spellings, letters
from mcp_optimizer.state.handles import Chunk
from mcp_optimizer.tools.cut import Cutter, fair_share
from mcp_optimizer.tools.manifest import strategy
from mcp_optimizer.tools.references import MAX_INSERTED, Inserter, referenced
from mcp_optimizer.tools.route import FALLBACKS
from mcp_optimizer.tools.schema import slim

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "meta-tools.md"
RESULTS = {"a": {"id": 7, "items": [{"x": None}, {"x": [1.5, True]}], "name": "Ulm"}, "b": "plain", "0": [1, 2]}


def test_the_page_lists_exactly_the_codes_there_are() -> None:
    codes = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)}
    assert {int(code) for code in re.findall(r"^\| (\d{3}) \|", PAGE.read_text(), re.MULTILINE)} == codes


def test_the_page_lists_exactly_the_fall_backs_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    known = [*FALLBACKS, *FAST_LANE]
    assert set(rows) == set(known) and len(rows) == len(known)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${a}", RESULTS["a"]),
        ("${a.id}", 7),
        ("${ a.items.0.x }", None),
        ("${a.items.1.x.1}", True),
        ("${a.items.-1.x}", [1.5, True]),
        ("${0.1}", 2),
        ("${b}", "plain"),
        ("${a.name}!", "Ulm!"),
        ("${a.id}${0}", "7[1,2]"),
        ("x ${a.items.1}", 'x {"x":[1.5,true]}'),
        ("$${a}", "${a}"),
        ("cost: $5 {x} $", "cost: $5 {x} $"),
        ({"k": ["${a.id}", 3, {"deep": "${b}"}]}, {"k": [7, 3, {"deep": "plain"}]}),
    ],
)
def test_a_reference_alone_is_the_value_and_within_text_is_text(template: Any, value: Any) -> None:
    found = Inserter(RESULTS).insert(template)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("${a.nope}", "${a.nope}: a has no 'nope', only id, items, name"),
        ("${a.items.2}", "a.items has 2 items, no '2'"),
        ("${a.items.x}", "a.items has 2 items, no 'x'"),
        ("${a.id.x}", "a.id is int, not an object or a list"),
        ("${c}", "there is no 'c', only a, b, 0"),
        ("${}", "there is no ''"),
        ("${a." + "9" * 200 + "}", "a has no"),
        ("${a.items." + "9" * 200 + "}", "a.items has 2 items"),
    ],
)
def test_a_reference_to_nothing_says_what_there_is(template: str, message: str) -> None:
    with pytest.raises(CallFailure) as caught:
        Inserter(RESULTS).insert(template)
    assert message in caught.value.message and caught.value.code == 400 and len(caught.value.message) < 400


def test_what_references_insert_is_bounded_also_when_they_stand_alone() -> None:
    big = {"big": "x" * 100_000}
    with pytest.raises(CallFailure, match="more than"):
        Inserter(big).insert(["${big}"] * (MAX_INSERTED // 100_000 + 1))
    assert len(Inserter(big).insert(["${big}"] * (MAX_INSERTED // 100_000))) == MAX_INSERTED // 100_000


def test_names_in_a_template_are_found_wherever_they_are() -> None:
    assert list(referenced({"a": ["${x.y} and ${z}", {"b": "$${no} ${ w }"}], "${key}": 1})) == ["x", "z", "w"]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("it__create_issue", ("it.create_issue", "separators")),
        ("IT/createIssue", ("it.create_issue", "separators")),
        ("mcp__it__create_issue", ("it.create_issue", "separators")),
        ("it create issue", ("it.create_issue", "separators")),
        ("create_issue", ("it.create_issue", "bare_name")),
        ("close", None),
        ("a.bc", None),
        ("", None),
        ("...", None),
        ("it.create_issues", None),
        ("x" * 300, None),
        ("it.größe", ("it.grösse", "separators")),
    ],
)
def test_a_name_is_taken_for_another_only_when_there_is_one(wrong: str, meant: Any) -> None:
    ids = ["it.create_issue", "it.close", "other.close", "a.b_c", "ab.c", "it.grösse", "it.日本"]
    tools = [SimpleNamespace(id=name, spelt=(letters(name), letters(name.partition(".")[2]))) for name in ids]
    assert Spellings(tools).meant(wrong) == meant


@pytest.mark.parametrize(
    ("pattern", "tool", "hidden"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.bc", False),
        ("a.*", "a.b.c", True),
        ("a.*", "aa.b", False),
        ("*.delete_*", "x.delete_", True),
        ("*.d*l*e", "x.delete", True),
        ("a.*b*b", "a.b", False),
        ("a.b*b", "a.bb", True),
        ("a.[b]", "a.b", False),
        ("a.?", "a.b", False),
    ],
)
def test_a_star_is_the_only_wild_card(pattern: str, tool: str, hidden: bool) -> None:
    assert hidden_by([pattern])(tool) is hidden


def test_a_pattern_of_many_stars_is_matched_in_linear_time() -> None:
    assert not hidden_by(["*." + "*a" * 120 + "*b"])("a." + "a" * 100_000)


def test_unknown_pins_are_named_once_and_not_without_end() -> None:
    assert unknown_pins(["a.x", "a.b", "a.x"], {"a.b"}.__contains__) == ("a.x",)
    assert len(unknown_pins([f"a.{number}" for number in range(99)], lambda name: False)) == 50


def test_white_space_goes_and_every_token_stays() -> None:
    generator = random.Random(7)

    def value(depth: int) -> Any:
        kind = generator.randrange(6 if depth else 4)
        if kind == 4:
            return {"".join(generator.choices('ab "\\\n:,{', k=3)): value(depth - 1) for _ in range(3)}
        if kind == 5:
            return [value(depth - 1) for _ in range(3)]
        return (None, generator.random(), "".join(generator.choices(' "\\\n\t:,{}[]é', k=6)), generator.randrange(10**6))[kind]

    for _ in range(300):
        tree = {"root": value(4)}
        tight = json.dumps(tree, separators=(",", ":"))
        for indent in (None, 1, 4, "\t"):
            assert squeezed(json.dumps(tree, indent=indent)) == tight


@pytest.mark.parametrize(
    "text",
    ["{ not json }", "[1, 2", "# Title\n\n- a", '"a  b"', "12 ", '{"a": 1} trailing', "", "   ", "[link]  (x)", "{" * 10],
)
def test_other_text_is_left_alone(text: str) -> None:
    assert squeezed(text) is text


def test_tokens_that_a_parser_would_change_stay_as_the_server_wrote_them() -> None:
    text = '{"big": 123456789012345678901234567890, "one": 1.0, "e": 1E5, "twice": 1, "twice": 2, "u": "\\u00e9"}'
    assert squeezed(text) == text.replace(", ", ",").replace(": ", ":")


class Kept:
    """A keeper with room for anything, or none."""

    def __init__(self, room: bool = True) -> None:
        self.data: list[bytes] = []
        self.room = room

    def put(self, data: bytes) -> str | None:
        self.data.append(data)
        return "h" * 43 if self.room else None

    async def read(self, handle: str, offset: int, limit: int) -> Chunk:
        raise NotImplementedError


def text_blocks(*texts: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text} for text in texts], "isError": False}


def test_an_answer_is_cut_only_when_it_is_too_long_and_never_inside_a_character() -> None:
    kept = Kept()
    small = text_blocks("é" * 512)
    assert Cutter(kept, 1024).cut(small) is small and not kept.data
    cut = Cutter(kept, 1024).cut(text_blocks("é" * 1000, "second"))
    assert len(cut["content"]) == 1
    shown, note = cut["content"][0]["text"].rsplit("\n", 1)
    assert shown == "é" * 512
    assert note == '[cut at 1024 of 2007 bytes; rest: discover {"cursor":"' + "h" * 43 + '@1024"}]'
    assert kept.data[0].decode() == "é" * 1000 + "\nsecond"


def test_structured_content_and_embedded_text_count_and_images_stay() -> None:
    image = {"type": "image", "data": "x" * 5000, "mimeType": "image/png"}
    embedded = {"type": "resource", "resource": {"uri": "a:b", "text": "r" * 900}}
    result = {"content": [{"type": "text", "text": "t"}, image, embedded], "structuredContent": {"k": "v" * 900}, "isError": True}
    cut = Cutter(Kept(), 1024).cut(result)
    assert [block["type"] for block in cut["content"]] == ["text", "image"]
    assert cut["isError"] and "structuredContent" not in cut
    assert cut["content"][0]["text"].startswith("t\n" + "r" * 900 + "\n")


def test_a_rest_that_cannot_be_kept_is_said_to_be_lost() -> None:
    assert (
        "the rest is not kept: ask the tool for less" in Cutter(Kept(room=False), 1024).cut(text_blocks("x" * 2000))["content"][0]["text"]
    )


@pytest.mark.parametrize(
    ("sizes", "limit", "share"),
    [
        ([], 100, 100),
        ([10, 20], 100, 100),
        ([10, 500], 1000, 1000),
        ([100, 5000, 5000], 1100, 500),
        ([5000] * 4, 1000, 250),
        ([9] * 99, 100, 64),
    ],
)
def test_room_is_shared_so_that_small_results_stay_whole(sizes: list[int], limit: int, share: int) -> None:
    assert fair_share(sizes, limit) == share


@pytest.mark.parametrize(("cost", "advice"), [(999, "load_all"), (1000, "progressive"), (4999, "progressive"), (5000, "confirm_required")])
def test_the_strategy_follows_from_the_cost(cost: int, advice: str) -> None:
    assert strategy(cost).startswith(advice)


def test_a_slim_schema_means_the_same_and_keeps_a_property_called_title() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "create_issueArguments",
        "type": "object",
        "properties": {
            "title": {"title": "Title", "type": "string", "examples": [{"title": "x"}], "default": None},
            "labels": {"anyOf": [{"title": "L", "type": "string"}, {"type": "null"}], "default": {"title": "kept"}, "enum": [{"title": 1}]},
        },
        "$defs": {"title": {"title": "T", "const": {"title": "kept"}}},
        "required": ["title"],
    }
    assert slim(schema) == {
        "type": "object",
        "properties": {
            "title": {"type": "string", "examples": [{"title": "x"}]},
            "labels": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": {"title": "kept"}, "enum": [{"title": 1}]},
        },
        "$defs": {"title": {"const": {"title": "kept"}}},
        "required": ["title"],
    }
    assert schema["title"] == "create_issueArguments", "the definition itself must not change"
    assert [slim(odd) for odd in (True, None, [], {"title": 7, "properties": "x"})] == [True, None, [], {"title": 7, "properties": "x"}]


def test_the_nearest_names_are_found_among_thousands_that_are_all_alike() -> None:
    names = NearestNames([f"server-{number % 40}.create_some_thing_{number}" for number in range(10_000)] + ["git.close_issue"])
    assert names.nearest("server-3.creat_some_thing_4443")[0] == "server-3.create_some_thing_4443"
    assert names.nearest("git.clse_isue") == ["git.close_issue"]
    assert names.nearest("zzz") == []
