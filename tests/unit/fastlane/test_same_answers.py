"""The same programs in the fast lane and in a real sandbox agent: same result, same output, same calls, same words."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.agent_process import AgentProcess, Link, start_agent

from mcp_optimizer.fastlane.subset import why_not

from .conftest import Bench

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARAMS = {"names": ["b", "a"], "n": 3, "nested": {"x": [1, None, 2.5, True]}}
PROGRAMS = {
    "last expression": "x = 1\nx + 1",
    "variable result": 'result = {"a": 1}\nx = 2',
    "result beside a last expression that is None": 'result = 5\nprint("p")',
    "params": 'sorted(params["names"]), params["nested"]["x"][-1], params.get("none", 7)',
    "tuples become lists": "(1, (2, [3]))",
    "a call": 'call("s.t", a=1, b=[1, {"c": None}])',
    "a sum over calls": 'sum(call("s.t", v=i)["v"] for i in range(params["n"]))',
    "a loop": "total = 0\nfor i in range(10):\n    if i % 2:\n        continue\n    total += i\nwhile total > 5:\n    total -= 1\ntotal",
    "functions and closures": "def outer(n: int = 2) -> int:\n    def inner(k):\n        nonlocal n\n        n += k\n        return n\n    return inner(3)\nouter()",
    "comprehensions": '[{"k": k, "v": [v * 2 for v in vs]} for k, vs in {"a": [1], "b": [2, 3]}.items() if len(vs) > 1], {i % 2 for i in range(4)} == {0, 1}',
    "lambda and sort": 'sorted([{"n": 2}, {"n": 1}], key=lambda d: d["n"], reverse=True), max([1, 5], key=lambda v: -v)',
    "f-strings": 'f"{3.14159:.2f}|{12:>5}|{1234567:,}|{\'a\'!r}|{0.5:.1%}"',
    "text": '" a,b ".strip().split(","), "x".join(["1", "2"]), "Ab".lower().title(), "a.b".rpartition("."), "%s-%d" % ("a", 3)',
    "numbers": "7 // -2, -7 % 3, round(2.5), divmod(7, 2), 2 ** 70, 0.1 + 0.2, 1e100, 10 / 4",
    "slices and unpacking": "first, *rest = [1, 2, 3]\nrest[::-1], [*rest, 4][:2], {**{'a': 1}, 'b': first}",
    "json": 'import json\njson.loads(json.dumps({"a": [1.5, None, True, "é"]}, indent=1)), json.dumps({"b": 1, "a": 2}, sort_keys=True)',
    "math and re": 'import math, re\nmath.floor(2.7), re.findall(r"(\\d+)-(\\w)", "12-a 3-b"), re.sub(r"\\s+", " ", "a  b")',
    "gather": 'import asyncio\nawait asyncio.gather(*[acall("s.t", n=i) for i in range(12)])',
    "asyncio.run": 'import asyncio\nasync def main():\n    one = await acall("s.t", n=1)\n    return one["n"] + 1\nasyncio.run(main())',
    "a failed call that is caught": 'try:\n    call("s.fail")\nexcept ToolError as e:\n    x = f"{e}"\nx',
    "a failed call among others": 'import asyncio\nasync def one(i):\n    try:\n        return await acall("s.fail" if i else "s.t", i=i)\n    except Exception as e:\n        return str(e)\nawait asyncio.gather(*[one(i) for i in range(3)])',
    "finally": 'log = []\ntry:\n    log.append(call("s.fail"))\nexcept ToolError:\n    log.append("caught")\nfinally:\n    log.append("done")\nlog',
    "a failed call": 'x = 1\ncall("s.fail", a=x)',
    "a raised error": 'call("s.t")\nraise ValueError(f"no {1 + 1}")',
    "a missing key": 'call("s.t")\n{}["k"]',
    "a missing key that is caught": 'try:\n    {}["k"]\nexcept KeyError as e:\n    x = str(e)\nx',
    "division by zero": 'call("s.t")\n1 / 0',
    "a failed assertion": 'assert 1 == 2, "why"',
    "output": 'print("a", 1, None, sep="-")\nfor i in range(3):\n    print(i, end=" ")\nprint([1, "x"], {"k": 1.0})',
    "too much output": 'print("x" * 70000)',
    "no JSON": "{1, 2}",
    "no finite number": 'float("nan")',
    "too deep": "x = []\nfor i in range(70):\n    x = [x]\nx",
    "too large": '"x" * 300000',
    "recursion": 'call("s.t")\ndef f(n):\n    return f(n + 1)\nf(0)',
    "over the limit of calls": 'try:\n    for i in range(1001):\n        call("s.t")\nexcept ToolError as e:\n    x = str(e)\ni, x[-10:]',
    "arguments that are no JSON": 'call("s.t", a=1)\ntry:\n    call("s.t", a=float("inf"))\nexcept Exception as e:\n    x = str(e).split(":")[0]\nx',
}  # fmt: skip
LIMITS = {"maxOutputBytes": 64 * 1024, "maxResultBytes": 256 * 1024, "maxCalls": 1000}


class AgentSession:
    """A real agent that runs one program after the other."""

    def __init__(self, agent: AgentProcess) -> None:
        self._link: Link = agent.connect()
        life = {"idleSeconds": 60, "maxSeconds": 600}
        self._limits = {**agent.start("")["limits"], **LIMITS}
        self._link.send({**agent.start("0", **LIMITS), "session": life})
        self._run = 1
        self._finish()

    def answer(self, code: str) -> dict[str, Any]:
        """Run the program in a namespace that earlier ones did not touch."""
        self._run += 1
        limits = {name: value for name, value in self._limits.items() if name not in ("maxProcesses", "memoryBytes")}
        self._link.send({"type": "run", "run": self._run, "code": code, "params": PARAMS, "limits": limits})
        return self._finish()

    def _finish(self) -> dict[str, Any]:
        printed, calls = "", 0
        while (frame := self._link.receive())["type"] != "result":
            if frame["type"] == "output":
                printed += frame["data"]
            elif frame["type"] == "call":
                calls += 1
                self._link.send({"type": "callResult", "run": self._run, "seq": frame["seq"], **_answered(frame, calls)})
        assert frame["open"], frame
        error = frame.get("error") or {}
        return _shown(frame["ok"], frame.get("value"), error.get("kind"), error.get("message"), printed, frame["stdoutTruncated"], calls)


def _answered(frame: dict[str, Any], number: int) -> dict[str, Any]:
    if number > LIMITS["maxCalls"]:
        return {"ok": False, "error": {"code": 429, "message": "the job has used up its 1000 tool calls"}}
    if frame["tool"] == "s.fail":
        return {"ok": False, "error": {"code": 404, "message": "no such thing"}}
    return {"ok": True, "value": frame["arguments"]}


def _shown(ok: bool, value: Any, kind: str | None, message: str | None, stdout: str, dropped: int, calls: int) -> dict[str, Any]:
    """What is compared: modules of exceptions are told by one of the two only."""
    said = re.sub(r"^[\w.]+\.(\w+: )", r"\1", message) if message is not None else None
    return {"ok": ok, "value": value, "kind": kind, "message": said, "stdout": stdout, "dropped": dropped, "calls": calls}


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentSession]:
    """The agent of all programs."""
    workdir: Path = tmp_path_factory.mktemp("agent")
    process = start_agent(workdir)
    yield AgentSession(process)
    process.kill()


@pytest.mark.parametrize("name", PROGRAMS)
async def test_both_lanes_give_the_same_answer(bench: Bench, agent: AgentSession, name: str) -> None:
    code = PROGRAMS[name]
    assert why_not(code) == ""
    outcome = await bench.run(code, params=PARAMS)
    assert (outcome.lane, bench.pods.jobs) == ("fast", []), bench.fallbacks
    error = outcome.error
    kind, message = (error.kind, error.message) if error is not None else (None, None)
    fast = _shown(outcome.ok, outcome.value, kind, message, outcome.stdout, outcome.stdout_truncated, outcome.calls)
    assert fast == agent.answer(code)
