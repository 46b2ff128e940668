"""`tools`, `atools`, `search` and `describe` in job code: fetched when first used, one question each, and never before."""

from typing import Any

import pytest
from tests.agent_process import AgentProcess, Run

ISSUE = {
    "id": "git-hub.create-issue",
    "doc": "Creates an issue. \"\"\" '''",
    "parameters": [{"name": "title", "type": "str"}, {"name": "from_", "key": "from", "type": "int", "default": 1}],
    "required": ["title"],
    "returns": ["list", "str"],
}
SERVERS: dict[str, dict[str, Any]] = {"git_hub": {"create_issue": ISSUE, "later": None}, "web": {}}


def endpoint(frame: dict[str, Any]) -> dict[str, Any]:
    """The server's side: questions by name, every tool an echo."""
    tool, arguments = frame["tool"], frame["arguments"]
    if tool == "$servers":
        return {"ok": True, "value": list(SERVERS)}
    if tool == "$stubs" and arguments["server"] in SERVERS:
        if arguments.get("tool") is None:
            return {"ok": True, "value": SERVERS[arguments["server"]]}
        if arguments["tool"] == "later":
            return {"ok": True, "value": {"later": {**ISSUE, "id": "git-hub.later"}}}
    if (tool.startswith("$s") and tool != "$stubs") or tool == "$describe":
        return {"ok": True, "value": [tool, arguments]}
    if tool.startswith("$"):
        return {"ok": False, "error": {"code": 404, "message": f"tools has no {arguments}: did you mean x?"}}
    return {"ok": True, "value": [tool, arguments]}


def asked(run: Run) -> list[str]:
    """The questions of a job."""
    return [frame["tool"] for frame in run.frames if frame["type"] == "call" and frame["tool"].startswith("$")]


def value(run: Run) -> Any:
    """The result's value, which there must be."""
    assert run.result["ok"], run.result
    return run.result["value"]


def test_a_tool_is_a_function_however_it_is_reached(agent: AgentProcess) -> None:
    code = """
found = [tools.git_hub.create_issue(title='x', from_=2)]
import tools as t
found.append(t.git_hub.create_issue(title='x', **{'from': 2}))
from tools.git_hub import create_issue
found.append(create_issue(title='x', from_=2))
from tools import git_hub as g
found.append(g.create_issue(title='x', from_=2))
import tools.git_hub as h
found.append(h.create_issue(title='x', from_=2))
found.append(await atools.git_hub.create_issue(title='x', from_=2))
from atools.git_hub import create_issue as c
found.append(await c(title='x', from_=2))
from tools.git_hub import *
found + [later(title='y')]
"""
    run = agent.run(code, answer=endpoint)
    assert value(run) == [["git-hub.create-issue", {"title": "x", "from": 2}]] * 7 + [["git-hub.later", {"title": "y"}]]
    assert run.result["calls"] == 8 and asked(run) == ["$stubs", "$stubs"]


@pytest.mark.parametrize(
    "code", ["from tools.git_hub import create_issue as c\nc(title='x')", "import tools.git_hub\ntools.git_hub.create_issue(title='x')"]
)
def test_an_import_alone_is_enough(agent: AgentProcess, code: str) -> None:
    run = agent.run(code, answer=endpoint)
    assert value(run) == ["git-hub.create-issue", {"title": "x"}] and asked(run) == ["$stubs"]


def test_a_job_that_uses_none_of_it_asks_nothing(agent: AgentProcess) -> None:
    assert asked(agent.run("import tools, atools\nsearch, describe, call('a.b')", answer=endpoint)) == []


def test_what_there_is_can_be_looked_at(agent: AgentProcess) -> None:
    code = """
import inspect, typing
help(tools.git_hub.create_issue)
f = tools.git_hub.create_issue
[dir(tools), dir(tools.git_hub), str(inspect.signature(f)), f.__name__, inspect.iscoroutinefunction(atools.git_hub.create_issue),
 tools.git_hub.later(title='y'), hasattr(tools, 'nothing'), hasattr(tools.git_hub, 'nothing'), typing.get_type_hints(f)['title'] is str]
"""
    run = agent.run(code, answer=endpoint)
    assert value(run) == [
        ["git_hub", "web"],
        ["create_issue", "later"],
        "(*, title: str, from_: int = 1) -> list[str]",
        "create_issue",
        True,
        ["git-hub.later", {"title": "y"}],
        False,
        False,
        True,
    ]
    assert "create_issue(*, title: str" in run.printed() and 'Creates an issue. """' in run.printed()


WRONG = {
    "tools.nothing.at_all()": "AttributeError tools has no",
    "tools.git_hub.nothing()": "AttributeError tools has no",
    "import tools.nothing": "ModuleNotFoundError tools has no",
    "from tools import nothing": "ImportError",
    "import tools.git_hub.create_issue": "ModuleNotFoundError",
    "tools.git_hub.create_issue(titel='x')": "TypeError create_issue() has no argument 'titel': create_issue(*, title: str",
}


def test_what_is_not_there_is_an_error_that_says_what_is(agent: AgentProcess) -> None:
    code = """
result = []
for code in params["codes"]:
    try:
        exec(code)
    except Exception as error:
        result.append(f"{type(error).__name__} {error}")
"""
    link = agent.connect()
    link.send(agent.start(code, params={"codes": list(WRONG)}))
    errors = value(link.finish(endpoint))
    assert len(errors) == len(WRONG)
    assert [error for error, words in zip(errors, WRONG.values(), strict=True) if words not in error] == []


def test_search_and_describe_are_no_tool_calls(agent: AgentProcess) -> None:
    run = agent.run("[search('find it'), describe('a.b'), await asearch('x', limit=3), await adescribe('c.d')]", answer=endpoint)
    assert value(run) == [
        ["$search", {"query": "find it", "limit": 8}],
        ["$describe", {"tool": "a.b"}],
        ["$search", {"query": "x", "limit": 3}],
        ["$describe", {"tool": "c.d"}],
    ]
    assert run.result["calls"] == 0


def test_questions_have_a_bound_of_their_own(agent: AgentProcess) -> None:
    code = """
count = 0
try:
    while True:
        search('x')
        count += 1
except ToolError as error:
    result = [count, error.code, call('a.b')]
"""
    assert value(agent.run(code, answer=endpoint, maxCalls=1)) == [200, 429, ["a.b", {}]]


def test_names_of_the_job_hide_ours(agent: AgentProcess) -> None:
    run = agent.run("tools = [1]\nsearch = len\ndef describe(x): return 5\n[tools, search([]), describe(1)]", answer=endpoint)
    assert value(run) == [[1], 0, 5] and asked(run) == []


@pytest.mark.parametrize("code", ["acall('a.b', n=n)", "atools.git_hub.create_issue(title=str(n))"])
def test_ten_calls_of_one_job_are_open_at_once(agent: AgentProcess, code: str) -> None:
    link = agent.connect()
    link.send(
        agent.start(
            f"import asyncio\natools.git_hub if 'tools' in {code!r} else 0\nlen(await asyncio.gather(*({code} for n in range(10))))"
        )
    )
    open_calls: list[dict[str, Any]] = []
    while len(open_calls) < 10:  # not one of them is answered before the tenth has come
        frame = link.receive()
        if frame["type"] == "call" and frame["tool"].startswith("$"):
            link.send({"type": "callResult", "seq": frame["seq"], **endpoint(frame)})
        elif frame["type"] == "call":
            open_calls.append(frame)
    for frame in open_calls:
        link.send({"type": "callResult", "seq": frame["seq"], "ok": True, "value": 1})
    assert value(link.finish()) == 10


def test_an_endpoint_that_knows_no_questions_leaves_a_job_its_calls(agent: AgentProcess) -> None:
    def old(frame: dict[str, Any]) -> dict[str, Any]:
        known = not frame["tool"].startswith("$")
        return {"ok": True, "value": 7} if known else {"ok": False, "error": {"code": 404, "message": "no tool '$stubs'"}}

    assert value(agent.run("[hasattr(tools, 'web'), call('a.b')]", answer=old)) == [False, 7]


def test_a_name_is_a_name_and_never_code(agent: AgentProcess) -> None:
    bomb = "x'''\"\"\"\n__import__('os').abort()"

    def hostile(frame: dict[str, Any]) -> dict[str, Any]:
        described = {
            **ISSUE,
            "doc": bomb,
            "returns": ["typed", bomb, {bomb: ["literal", bomb]}, []],
            "parameters": [{"name": bomb, "type": bomb}],
        }
        return {"ok": True, "value": {"run": described}} if frame["tool"] == "$stubs" else endpoint(frame)

    run = agent.run("f = tools.web.run\nhelp(f)\nimport inspect\nstr(inspect.signature(f))", answer=hostile)
    assert value(run) == "(**arguments)" and "abort()" in run.printed()
