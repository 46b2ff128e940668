"""Jobs that misbehave: a clear error for them, nothing for anybody else, and a pool that is full again."""

import asyncio
import re

import pytest
from scripts.stack import waiting
from scripts.stack.shell import get, kubectl

from tests.e2e import agent

pytestmark = pytest.mark.e2e
SANDBOX = "mcp.optimizer.dev/component=sandbox"
ESCAPE = """
import socket
out = {}
for name, (host, port) in params["targets"].items():
    s = socket.socket(); s.settimeout(2)
    try:
        s.connect((host, port)); out[name] = "open"
    except OSError as error:
        out[name] = type(error).__name__
out
"""


async def works(endpoint: str) -> None:
    """The next job on the pool works."""
    failed, text, _ = await agent.run_code(endpoint, "sum(params['n'])", n=[1, 2, 3])
    assert not failed, text
    assert "6" in text


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("while True: pass", "timeout", id="loops"),
        pytest.param("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", "timeout", id="forks"),
        pytest.param("x = []\nwhile True: x.append(bytearray(10_000_000))", "memory", id="eats-memory"),
        pytest.param("call('acme.no_such_tool')", "no_such_tool", id="calls-an-unknown-tool"),
        pytest.param("1/0", "ZeroDivisionError", id="raises"),
        pytest.param("object()", "JSON", id="returns-no-json"),
    ],
)
async def test_a_misbehaving_job_fails_clearly_and_the_next_one_works(endpoint: str, code: str, expected: str) -> None:
    failed, text, _ = await agent.call(endpoint, "execute_code", code=code, timeout_s=5)
    assert failed
    assert expected.lower() in text.lower()
    await works(endpoint)


async def test_endless_output_is_cut_and_says_so(endpoint: str) -> None:
    failed, text, _ = await agent.call(endpoint, "execute_code", code="for i in range(10**6): print('x' * 100)\n1", timeout_s=20)
    assert not failed, text[:500]
    # What the sandbox kept is more than one answer may have: the rest is behind a cursor.
    assert re.search(r"\[cut at \d+ of \d+ bytes; ", text), text[-300:]
    assert len(text) < 200_000
    await works(endpoint)


async def test_a_job_cannot_reach_anything(endpoint: str, stack: str) -> None:
    service = {
        name: get("service", name, namespace)["spec"]["clusterIP"] for name, namespace in (("kubernetes", "default"), ("acme-mcp", stack))
    }
    server = get("pods", namespace=stack, selector="mcp.optimizer.dev/component=server")[0]["status"]
    targets = {
        "api": (service["kubernetes"], 443),
        "service": (service["acme-mcp"], 80),
        "pod": (server["podIP"], 8080),
        "node": (server["hostIP"], 10250),
        "metadata": ("169.254.169.254", 80),
    }
    failed, text, value = await agent.call(endpoint, "execute_code", code=ESCAPE, params={"targets": targets}, timeout_s=20)
    assert not failed, text
    assert "open" not in text, text
    assert all(name in text for name in targets), (text, value)


async def test_a_pod_killed_in_mid_job_is_reported_lost_and_never_run_twice(endpoint: str, stack: str) -> None:
    warm = await asyncio.to_thread(
        waiting.until, "two warm Pods", lambda: names if len(names := _running(stack, ready="True")) >= 2 else None
    )
    code = 'call("acme.billing_list_invoices", limit=1)\nimport time\ntime.sleep(20)'
    job = asyncio.create_task(agent.call(endpoint, "execute_code", code=code, timeout_s=25))
    busy = await asyncio.to_thread(waiting.until, "one of them busy", lambda: _running(stack, ready="False") & warm, seconds=20)
    kubectl("-n", stack, "delete", "pod", *busy, "--grace-period=1", "--wait=false")
    failed, text, _ = await job
    assert failed
    assert "lost" in text.lower()
    await works(endpoint)


def _running(namespace: str, *, ready: str) -> set[str]:
    """Names of the running sandbox Pods whose Ready condition has this status."""
    return {
        pod["metadata"]["name"]
        for pod in get("pods", namespace=namespace, selector=SANDBOX)
        if pod["status"]["phase"] == "Running"
        and "deletionTimestamp" not in pod["metadata"]
        and any(entry["type"] == "Ready" and entry["status"] == ready for entry in pod["status"].get("conditions", []))
    }
