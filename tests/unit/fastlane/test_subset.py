"""Which code the fast lane takes: what it would run otherwise than a Pod goes to a Pod."""

import pytest

from mcp_optimizer.fastlane.subset import REASONS, why_not


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("x = '" + "a" * 40_000 + "'", "length"),
        ("def f(:", "syntax"),
        ("(" * 2000 + ")" * 2000, "syntax"),
        ("class A: pass", "statement"),
        ("def f():\n    yield 1", "statement"),
        ("with open('f') as f: pass", "statement"),
        ("x = [1]\ndel x[0]", "statement"),
        ("match 1:\n    case 1: pass", "statement"),
        ("async def f():\n    async for x in y: pass", "statement"),
        ("@call\ndef f(): pass", "statement"),
        ("import statistics", "import"),
        ("import json as j", "import"),
        ("from json import loads", "import"),
        ("import json.decoder", "import"),
        ("open('/etc/passwd')", "name"),
        ("eval('1')", "name"),
        ("tools.s.t()", "attribute"),
        ("__builtins__", "name"),
        ("print = 1", "name"),
        ("call = None", "name"),
        ("import json\njson = 1", "name"),
        ("next(iter([1]))", "name"),
        ("import json\njson.JSONDecoder", "attribute"),
        ("().__class__", "attribute"),
        ("x = 'a'\nx.translate({})", "attribute"),
        ("import math\nmath.pi = 3", "attribute"),
        ("try:\n    call('a')\nexcept ToolError as e:\n    e.code", "attribute"),
        ("try:\n    call('a')\nexcept ToolError as e:\n    x = e", "exception"),
        ("try:\n    call('a')\nexcept ToolError as e:\n    x = repr(e)", "exception"),
        ("try:\n    call('a')\nexcept ToolError as e:\n    x = f'{e!r}'", "exception"),
        ("isinstance(params, ToolError)", "exception"),
        ("any(call('a') for i in [1])", "generator"),
        ("x = (i for i in [1])", "generator"),
        ("import asyncio\nasyncio.gather(return_exceptions=True)", "call"),
        ("b'x'", "constant"),
    ],
)
def test_what_a_pod_might_see_otherwise_goes_to_a_pod(code: str, reason: str) -> None:
    assert why_not(code) == reason
    assert reason in REASONS


@pytest.mark.parametrize(
    "code",
    [
        'repos = call("github.list_repos", org="acme")["items"]\n[{"name": r["name"], "open": r["open_issues"]} for r in repos if r["open_issues"] > 3]',
        'import asyncio, json\nasync def one(i):\n    try:\n        return await acall("jira.get", id=i)\n    except ToolError as e:\n        return {"id": i, "error": str(e)}\nresult = await asyncio.gather(*[one(i) for i in params["ids"]])\nprint(json.dumps(result))',
    ],
)
def test_orchestration_is_taken(code: str) -> None:
    assert why_not(code) == ""
