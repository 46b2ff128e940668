"""Programs that cannot work are refused before they cost a sandbox, and only those."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.unit.server.catalogues import snapshot, tool

from mcp_optimizer.preflight.checks import Checks
from mcp_optimizer.preflight.known import MAX_KEPT, MAX_PROGRAMS, Known, key_of
from mcp_optimizer.preflight.preflight import Preflight, PreflightFailure
from mcp_optimizer.preflight.reader import MAX_CODE, Reader
from mcp_optimizer.preflight.reading import read
from mcp_optimizer.snapshot import Snapshot
from mcp_optimizer.stubs.modules import Descriptions

ROOT = Path(__file__).parents[3]
ISSUE = tool(
    "create_issue",
    {
        "title": {"type": "string"},
        "labels": {"type": "array", "items": {"type": "string"}},
        "state": {"enum": ["open", "closed"]},
        "count": {"type": "integer"},
    },
    ["title"],
    schema={"additionalProperties": False},
)
WORLD = snapshot(github=[ISSUE, tool("list-issues", {"repo": {"type": "string"}})], web=[tool("fetch", {"url": {}}, ["url"])], my_server=[])


def found(code: str, world: Snapshot = WORLD) -> list[str]:
    """The findings of a program."""
    return Checks(world, Descriptions()).findings(read(code).get("uses", []))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("call('github.create_isue', title='x')", ["line 1: no tool 'github.create_isue'", "github.create_issue"]),
        ("x = 1\nawait acall('web.fetsch', url='x')", ["line 2: no tool 'web.fetsch'", "web.fetch"]),
        ("tools.github.create_isue(title='x')", ["tools.github has no tool 'create_isue'", "tools.github.create_issue"]),
        ("tools.gitub.create_issue(title='x')", ["tools has no server 'gitub'", "tools.github?"]),
        ("await atools.github.create_isue(title='x')", ["atools.github has no tool", "atools.github.create_issue"]),
        ("from tools.github import create_isue", ["no tool 'create_isue'", "tools.github.create_issue"]),
        ("from tools import gitub", ["no server 'gitub'"]),
        ("import tools.gitub as g", ["no server 'gitub'"]),
        ("from tools import github as g\ng.nothing_like_it()", ["line 2: tools.github has no tool 'nothing_like_it'"]),
        ("from tools.github import create_issue as c\ndef f():\n    return c(titel='x')", ["line 3", "no argument 'titel'", "'title'"]),
        ("call('github.create_issue')", ["'title' is a required property", "github.create_issue(title: str"]),
        ("call('github.create_issue', title=5)", ["arguments.title: 5 is not of type 'string'"]),
        ("call('github.create_issue', title=name)", []),
        ("call('github.create_issue', title=name, labels=['a', 1])", ["arguments.labels.1: 1 is not of type 'string'"]),
        ("call('github.create_issue', title=name, stat='open')", ["there is no 'stat'"]),
        ("call('github.create_issue', count=n)", ["'title' is a required property"]),
        ("call('github.create_issue', title='x', state='opened')", ["'opened' is not one of"]),
        ("call('github.create_issue', title='x', count=-1)", []),
        ("call('github.create_issue', {'title': 'x'})", ["arguments are passed by name, after the tool"]),
        ("tools.github.create_issue('x')", ["arguments are passed by name;"]),
        ("tools.github.create_issue(title='x', labels=None)", []),
        ("tools.github.create_issue(title=None)", ["None is not of type 'string'"]),
        ("for n in range(3):\n    call('web.fetch', uri=f'x{n}')", ["line 2: arguments: 'url' is a required property"]),
        ("r = await asyncio.gather(*(acall('web.fetch') for n in range(3)))", ["'url' is a required property"]),
        ("if big:\n    call('web.fetch')", ["'url' is a required property"]),
        ("with open('x') as f:\n    call('web.fetch')", ["'url' is a required property"]),
    ],
)
def test_what_can_never_work_is_found_with_its_line_and_what_was_meant(code: str, words: list[str]) -> None:
    findings = found(code)
    assert len(findings) == bool(words), findings
    assert all(word in findings[0] for word in words), findings


@pytest.mark.parametrize(
    "code",
    [
        "call('github.list_issues', repo='x')",
        "call('create_issue', title='x')",
        "tools.github.list_issues(repo='x')",
        "tools.github.listIssues(repo='x')",
        "tools.github.create_issue.__doc__",
        "call('my-server.anything', x=1)\ntools.my_server.anything(y=2)",
        "call('nobody.anything')",  # the catalogue of my-server is not known: the endpoint may take this for one of its tools
        "call('github.create_issue', **arguments)",
        "call('github.create_issue', *arguments)",
        "call(name, title=5)",
        "call('$search', query='x')",
        "try:\n    call('github.nothing')\nexcept ToolError:\n    pass",
        "def f():\n    return call('github.nothing')\ntry:\n    f()\nexcept Exception:\n    pass",
        "import contextlib\nwith contextlib.suppress(ToolError):\n    call('github.nothing')",
        "r = await asyncio.gather(acall('github.nothing'), return_exceptions=True)",
        "t = asyncio.create_task(acall('github.nothing'))",
        "if 'github.nothing' in {hit['id'] for hit in search('x')}:\n    call('github.nothing')",
        "r = call('github.nothing') if known else None",
        "known and call('github.nothing')",
        "def call(*a, **k): pass\ncall('github.nothing')",
        "call = print\ncall('github.nothing')",
        "for call in (print,):\n    call('github.nothing')",
        "from os import system as call\ncall('github.nothing')",
        "import subprocess as tools\ntools.github.nothing()",
        "class tools:\n    github = None\ntools.github.nothing",
        "tools.github = fake\ntools.github.nothing()",
        "globals()['call'] = print\ncall('github.nothing')",
        "exec('call = print')\ncall('github.nothing')",
        "from mine import *\ncall('github.nothing')",
        "from tools.github import create_issue\ndef create_issue(): pass\ncreate_issue()",
        "def f(tools):\n    return tools.github.nothing",
        "match x:\n    case {'a': tools}:\n        tools.github.nothing()",
        "tools = []\ntools.append.x(1)",
        "from .tools import nothing",
    ],
)
def test_what_may_work_is_never_refused(code: str) -> None:
    assert found(code) == []


def test_a_program_has_ten_findings_at_most_each_told_once() -> None:
    assert len(found("\n".join(f"call('github.create_isue{n}')" for n in range(30)))) == 10
    assert len(found("from tools.github import nothing; nothing()")) == 1


def test_an_excluded_tool_is_one_that_does_not_exist() -> None:
    world = snapshot(exclude=("github.create*",), github=[ISSUE, tool("list-issues")])
    assert "tools.github has no tool 'create_issue'" in found("tools.github.create_issue(title='x')", world)[0]
    assert "no tool 'github.create_issue'" in found("call('github.create_issue', title='x')", world)[0]


def test_arguments_whose_names_are_no_python_names_are_judged_by_the_names_of_the_function() -> None:
    world = snapshot(a=[tool("b", {"from": {"type": "integer"}, "x-y": {}}, ["from"], schema={"additionalProperties": False})])
    assert found("tools.a.b(from_=1, x_y=2)\ncall('a.b', **{'from': 1})", world) == []
    assert "arguments.from: 'x' is not of type" in found("tools.a.b(from_='x')", world)[0]
    assert "there is no argument 'form'" in found("tools.a.b(form=1)", world)[0]


@pytest.mark.parametrize(
    ("code", "line", "words"),
    [
        ("x = 1\ndef f(:\n    pass", 2, "SyntaxError: invalid syntax"),
        ("return 5", 1, "'return' outside function"),
        ("if x:\nprint(1)", 2, "IndentationError"),
    ],
)
def test_wrong_syntax_is_found_with_its_line_and_text(code: str, line: int, words: str) -> None:
    syntax = read(code)["syntax"]
    assert (syntax["line"], syntax["text"]) == (line, code.splitlines()[line - 1]) and words in syntax["message"]


@pytest.mark.parametrize(
    "code",
    ["await x", "import warnings\nx = 1 is 1", "x = '\\d'", "-" * 60_000 + "1", "(" * 150 + ")" * 150, "x" + ".a" * 20_000, "x = '\ud800'"],
)
def test_what_only_looks_wrong_or_is_too_deep_to_tell_passes(code: str) -> None:
    assert read(code).get("uses", []) == [] and "syntax" not in read(code)


def outcomes(registry: CollectorRegistry) -> dict[str, float]:
    values = {
        name: registry.get_sample_value("mcp_optimizer_preflights_total", {"outcome": name}) for name in ("passed", "refused", "skipped")
    }
    return {name: value for name, value in values.items() if value}


async def test_a_refusal_names_all_findings_and_is_counted() -> None:
    registry = CollectorRegistry()
    preflight = Preflight(registry)
    try:
        await preflight.check("result = call('web.fetch', url='x')", WORLD)
        with pytest.raises(PreflightFailure) as one:
            await preflight.check("def f(:", WORLD)
        with pytest.raises(PreflightFailure) as two:
            await preflight.check("call('web.fetch')\ncall('github.nothing_at_all')", WORLD)
        await preflight.check("x = 1\n" * MAX_CODE, WORLD)
        await preflight.check("def f(:", snapshot(same_python=False))
    finally:
        await preflight.close()
    assert one.value.envelope() == {
        "code": 400,
        "kind": "preflight",
        "message": "nothing was run: line 1: SyntaxError: invalid syntax: def f(:",
    }
    envelope: Any = two.value.envelope()
    assert envelope["message"] == "nothing was run" and [finding[:6] for finding in envelope["findings"]] == ["line 1", "line 2"]
    assert outcomes(registry) == {"passed": 2, "refused": 2, "skipped": 1}


async def test_code_whose_turn_does_not_come_runs_without_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_optimizer.preflight.reader.TURN_SECONDS", 0.01)
    reader = Reader()
    await reader._turn.acquire()
    assert await reader.read("def f(:") is None
    reader._turn.release()
    monkeypatch.setattr("mcp_optimizer.preflight.reader.TURN_SECONDS", 30.0)
    assert await reader.read("def f(:") == read("def f(:")
    await reader.close()


async def test_a_reader_that_takes_too_long_is_replaced_and_what_it_read_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_optimizer.preflight.reader.SECONDS", 0.0)
    monkeypatch.setattr("mcp_optimizer.preflight.reader.TURN_SECONDS", 30.0)
    reader = Reader()
    assert await reader.read("1") is None
    monkeypatch.setattr("mcp_optimizer.preflight.reader.SECONDS", 30.0)
    assert await asyncio.gather(reader.read("1"), reader.read("def f(:")) == [{"uses": []}, read("def f(:")]
    child = reader._child
    assert child is not None
    child.kill()
    child.wait()
    assert await reader.read("2") is None and await reader.read("2") == {"uses": []}
    await reader.close()
    assert child.wait() == -9


async def test_a_request_that_is_cancelled_leaves_no_answer_to_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_optimizer.preflight.reader.SECONDS", 30.0)
    reader = Reader()
    await reader.read("1")
    reading = asyncio.create_task(reader.read("(\n" * 20_000 + "call('a.b')"))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert await reader.read("return") == read("return")
    await reader.close()


async def test_a_program_that_was_read_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_optimizer.preflight.reader.SECONDS", 30.0)
    monkeypatch.setattr("mcp_optimizer.preflight.reader.TURN_SECONDS", 30.0)
    reader, asked = Reader(), []
    ask = reader._ask
    monkeypatch.setattr(reader, "_ask", lambda code: asked.append(code) or ask(code))
    answers = await asyncio.gather(*(reader.read(code) for code in ["call('a.b')", "call('a.c')"] * 5))
    assert asked == ["call('a.b')", "call('a.c')"]
    assert answers == [read("call('a.b')"), read("call('a.c')")] * 5
    answers[0]["uses"].clear()  # whoever has an answer may do with it what they like
    assert await reader.read("call('a.b')") == read("call('a.b')")
    await reader.close()


def test_what_is_known_has_an_end() -> None:
    known, keys = Known(), [key_of(str(number)) for number in range(MAX_PROGRAMS)]
    known.keep(key_of("long"), b"x" * (MAX_KEPT + 1))
    assert known.get(key_of("long")) is None
    for key in keys:
        known.keep(key, key)
    assert known.get(keys[0]) == keys[0]
    surrogate = key_of("\ud800")
    known.keep(surrogate, b"one more")
    assert (known.get(keys[0]), known.get(keys[1]), known.get(surrogate)) == (keys[0], None, b"one more")


async def test_a_reader_that_ran_out_of_memory_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, answers = Reader(), iter([b"{}", b'{"uses": []}'])

    async def ask(code: str) -> bytes:
        return next(answers)

    monkeypatch.setattr(reader, "_ask", ask)
    assert [await reader.read("1") for _ in range(3)] == [{}, {"uses": []}, {"uses": []}]


def test_both_images_have_the_same_python() -> None:
    bases = {
        line for room in ("server", "sandbox") for line in (ROOT / room / "Dockerfile").read_text().splitlines() if "BASE_IMAGE=" in line
    }
    assert len(bases) == 1
