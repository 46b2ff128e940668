"""What a job may return, print and raise, and how it is told to the server."""

from typing import Any

import pytest
from pydantic import TypeAdapter
from tests.agent_process import AgentProcess

from mcp_optimizer_api.job import AgentFrame, Result

FRAMES: TypeAdapter[Any] = TypeAdapter(AgentFrame)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        pytest.param("1+1", 2, id="the last expression"),
        pytest.param("result = {'a': [1, 2.5, None, True, 'é']}", {"a": [1, 2.5, None, True, "é"]}, id="the variable result"),
        pytest.param("result = 5\nprint('done')", 5, id="result when the last expression is None"),
        pytest.param("x = 1", None, id="nothing"),
        pytest.param("", None, id="no code at all"),
        pytest.param("def f():\n    return 7\nif __name__ == '__main__':\n    result = f()", 7, id="a main guard"),
        pytest.param("import sys\nresult = 3\nsys.exit(0)", 3, id="an early exit without error"),
        pytest.param("import asyncio\nawait asyncio.sleep(0)\n'awaited'", "awaited", id="await at the top level"),
        pytest.param("[__name__, (1, 2)]", ["__main__", [1, 2]], id="tuples as lists"),
        pytest.param(
            "import dataclasses, typing\n@dataclasses.dataclass\nclass P:\n    x: 'int'\ntyping.get_type_hints(P)['x'].__name__",
            "int",
            id="type hints that refer to the job's module",
        ),
    ],
)
def test_a_job_returns(agent: AgentProcess, code: str, value: object) -> None:
    run = agent.run(code)
    assert run.result["ok"], run.result
    assert run.result["value"] == value
    assert agent.wait() == 0


def test_every_frame_the_agent_sends_is_one_the_contract_knows(agent: AgentProcess) -> None:
    code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nx = call('a.b', y=1)\nprint('z' * 20000)\n{'x': x}"
    run = agent.run(code, answer=lambda frame: {"ok": True, "value": frame["arguments"]})
    parsed = [FRAMES.validate_python(frame, strict=False) for frame in run.frames]
    assert {frame["type"] for frame in run.frames} == {"accepted", "output", "call", "result"}
    assert [frame.model_dump(by_alias=True) for frame in parsed] == [
        {"error": None, **f} if f["type"] == "result" else f for f in run.frames
    ]
    assert isinstance(parsed[-1], Result)
    assert parsed[-1].stdout_truncated == len("out\n" + "z" * 20000 + "\n") - 10_000


def test_the_rejections_are_frames_the_contract_knows(agent: AgentProcess) -> None:
    link = agent.connect()
    link.send({**agent.start("1"), "token": "wrong"})
    assert FRAMES.validate_python(link.receive()).code == 401


def test_params_are_data(agent: AgentProcess) -> None:
    params = {"text": "'; import os; os._exit(1) #", "n": [1, {"deep": True}]}
    link = agent.connect()
    link.send(agent.start("params", params=params))
    assert link.finish().result["value"] == params


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        pytest.param("1/0", "exception", "ZeroDivisionError: division by zero", id="exception"),
        pytest.param("x = [1,\ny = 2", "exception", "SyntaxError: '[' was never closed (line 1)", id="syntax error"),
        pytest.param("import sys\nsys.exit('no luck')", "exception", "SystemExit: no luck", id="exit with a message"),
        pytest.param("def f(): f()\nf()", "exception", "RecursionError", id="endless recursion"),
        pytest.param(
            "class E(Exception):\n  def __str__(self): raise KeyboardInterrupt\nraise E", "exception", "E", id="hostile exception"
        ),
        pytest.param("object()", "result_not_json", "not JSON serializable", id="no JSON"),
        pytest.param("float('nan')", "result_not_json", "finite numbers", id="not a number"),
        pytest.param("x = []\nx.append(x)\nx", "result_not_json", "nested deeper than 64", id="circular"),
        pytest.param("x = []\nfor _ in range(500): x = [x]\nx", "result_not_json", "nested deeper than 64", id="deep"),
        pytest.param("'\\ud800'", "result_not_json", "surrogates", id="lone surrogate"),
        pytest.param("10 ** 5000", "result_not_json", "digits", id="a number nobody could read"),
        pytest.param("'x' * 30000", "result_too_large", "30002 bytes of JSON, the limit is 20000", id="too large"),
        pytest.param("x = bytearray(1 << 30)", "memory", "ran out of its memory of 268435456 bytes", id="one big allocation"),
        pytest.param("x = []\nwhile True: x.append(bytearray(10_000_000))", "memory", "keep less", id="many allocations"),
        pytest.param("import os\nos._exit(3)", "killed", "exit code 3", id="worker ends itself"),
        pytest.param("import os\nos.kill(os.getpid(), 9)", "killed", "signal 9", id="worker kills itself"),
        pytest.param("import ctypes\nctypes.string_at(0)", "killed", "signal 11", id="crash of the interpreter"),
        pytest.param("while True: pass", "timeout", "within 1 seconds", id="endless loop"),
    ],
)
def test_a_job_fails_clearly(agent: AgentProcess, code: str, kind: str, words: str) -> None:
    run = agent.run(code, timeoutSeconds=1 if kind == "timeout" else 20)
    assert not run.result["ok"]
    assert (run.kind, words in run.message) == (kind, True), run.result
    FRAMES.validate_python(run.result)
    assert agent.wait() == 0


def test_a_traceback_shows_the_jobs_own_lines_and_nothing_of_ours(agent: AgentProcess) -> None:
    code = "import json\ndef parse(text):\n    return json.loads(text)\ntry:\n    parse('{')\nexcept ValueError as error:\n    raise RuntimeError('bad') from error"
    trace = agent.run(code).result["error"]["traceback"]
    assert "line 3, in parse\n    return json.loads(text)" in trace
    assert "direct cause" in trace
    assert trace.endswith("RuntimeError: bad\n")
    assert "mcp_sandbox" not in trace
    assert "decoder.py" not in trace


def test_both_streams_arrive_and_what_is_over_the_limit_is_counted(agent: AgentProcess) -> None:
    run = agent.run("import sys\nprint('héllo')\nsys.stderr.write('oops')\nfor _ in range(3000): print('0123456789')", maxOutputBytes=1000)
    assert run.printed().startswith("héllo\n0123456789\n")
    assert len(run.printed().encode()) == 1000
    assert run.printed("stderr") == "oops"
    assert run.result["stdoutTruncated"] == len("héllo\n".encode()) + 3000 * 11 - 1000
    assert run.result["stderrTruncated"] == 0


def test_a_job_that_prints_without_end_is_cut_at_its_deadline_with_what_it_printed(agent: AgentProcess) -> None:
    run = agent.run("while True: print('x' * 100)", timeoutSeconds=1, maxOutputBytes=5000)
    assert run.kind == "timeout"
    assert len(run.printed()) == 5000
    assert run.result["stdoutTruncated"] > 100_000


def test_bytes_that_are_no_text_are_replaced(agent: AgentProcess) -> None:
    run = agent.run("import os\nos.write(1, b'a\\xff\\xc3')\nos.write(1, b'\\xa9b')")
    assert run.printed() == "a�éb"


def test_output_before_a_crash_is_delivered(agent: AgentProcess) -> None:
    run = agent.run("import os\nprint('last words')\nos._exit(1)")
    assert run.printed() == "last words\n"


def test_what_is_printed_byte_by_byte_is_gathered(agent: AgentProcess) -> None:
    run = agent.run("import os, time\nfor _ in range(3000):\n    os.write(1, b'x')\n    time.sleep(0)", maxOutputBytes=10_000)
    assert run.printed() == "x" * 3000
    # Without the gap between two small reads, most bytes come alone.
    assert len([frame for frame in run.frames if frame["type"] == "output"]) < 300
