"""Jobs that are more than one call, in real Pods: sessions, jobs that go on by themselves, and clients that leave."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from scripts.stack import waiting
from scripts.stack.forward import forward
from scripts.stack.shell import get, kubectl

from tests.e2e import agent
from tests.e2e.conftest import optimizer

pytestmark = pytest.mark.e2e
THREAD = "import threading, time\nticks = []\ndef tick():\n  while True: ticks.append(1); time.sleep(0.05)\nthreading.Thread(target=tick, daemon=True).start()\nx = 40\nx"
ENDLESS = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.1)"


def pods(namespace: str, name: str) -> set[str]:
    """The sandbox Pods of an MCPOptimizer that have not ended."""
    selector = f"mcp.optimizer.dev/component=sandbox,mcp.optimizer.dev/optimizer={name}"
    found = get("pods", namespace=namespace, selector=selector)
    return {pod["metadata"]["name"] for pod in found if pod["status"]["phase"] not in ("Succeeded", "Failed")}


async def session_of_two_runs(url: str, namespace: str, name: str) -> None:
    """Variables and threads stay, nothing runs in between, and the Pod goes with the session."""
    failed, text, begun = await agent.call(url, "execute_code", code=THREAD, session="new")
    assert not failed and begun["result"] == 40, text
    session = begun["session"]
    _, text, first = await agent.call(url, "execute_code", code="x += 1\n[x, len(ticks)]", session=session)
    _, text, second = await agent.call(url, "execute_code", code="time.sleep(0.5)\n[x, len(ticks)]", session=session)
    assert (first["result"][0], second["result"][0]) == (41, 41), text
    assert second["result"][1] > first["result"][1], "its thread goes on while a call runs"
    await files_of_two_runs(url, session)
    before = pods(namespace, name)
    failed, text, _ = await agent.call(url, "execute_code", code="", session=session)
    assert not failed, text
    waiting.until("the session's Pod has ended", lambda: before - pods(namespace, name), seconds=60)
    failed, text, _ = await agent.call(url, "execute_code", code="x", session=session)
    assert failed and "404" in text


async def files_of_two_runs(url: str, session: str) -> None:
    """Each run has its own, leaves what it changed, and follows no link that an earlier one has laid."""
    code = "(artifacts / 'copy').write_text((files / 'd/a').read_text() * 2)\nimport os\nos.symlink('/tmp', 'in/link')\nNone"
    failed, text, first = await agent.call(url, "execute_code", code=code, session=session, files={"d/a": "one"})
    assert not failed and [(file["name"], file["bytes"]) for file in first["artifacts"]] == [("copy", 6)], text
    given = {"d/a": {"artifact": first["artifacts"][0]["handle"]}}
    code = "(artifacts / 'other').write_text('2')\n(files / 'd/a').read_text()"
    failed, text, second = await agent.call(url, "execute_code", code=code, session=session, files=given)
    assert (failed, second["result"], [file["name"] for file in second["artifacts"]]) == (False, "oneone", ["other"]), text
    failed, text, third = await agent.call(url, "execute_code", code="x", session=session, files={"link/a": "x"})
    assert failed and "could not be written" in third["message"], text


async def test_a_session_keeps_its_pod_until_it_is_ended(endpoint: str, stack: str) -> None:
    await session_of_two_runs(endpoint, stack, "main")


async def test_a_session_stands_still_under_gvisor_too(make: Callable[..., dict[str, Any]], namespace: str) -> None:
    if "gvisor" not in kubectl("get", "runtimeclass", "-o", "name"):
        pytest.skip("this cluster has no RuntimeClass gvisor")
    make(optimizer("walled", sandbox={"runtimeClassName": "gvisor", "pool": {"min": 1, "max": 3}}))
    waiting.ready("mcpo", "walled", namespace)
    waiting.until("a warm sandbox", lambda: get("mcpo", "walled", namespace)["status"]["sandboxes"]["warm"] >= 1, seconds=90)
    with forward("svc/walled-optimizer", 80, namespace) as port:
        await session_of_two_runs(f"http://127.0.0.1:{port}/mcp", namespace, "walled")


async def test_a_client_that_leaves_takes_its_job_with_it(endpoint: str, stack: str) -> None:
    waiting.until("warm sandboxes", lambda: get("mcpo", "main", stack)["status"]["sandboxes"]["warm"] >= 2, seconds=60)
    before = pods(stack, "main")
    call = asyncio.create_task(agent.run_code(endpoint, ENDLESS))
    busy = await asyncio.to_thread(
        waiting.until, "a busy sandbox", lambda: get("mcpo", "main", stack)["status"]["sandboxes"]["busy"], seconds=60
    )
    assert busy
    call.cancel()
    await asyncio.wait([call])
    await asyncio.to_thread(waiting.until, "the job's Pod has ended", lambda: before - pods(stack, "main"), seconds=25)


async def test_a_detached_job_is_asked_for_and_cancelled_by_its_name(endpoint: str, stack: str) -> None:
    before = pods(stack, "main")
    failed, text, job = await agent.call(endpoint, "execute_code", code=ENDLESS, detach=True)
    assert not failed and job["state"] == "working", text
    async with asyncio.timeout(60):
        while "begun" not in (await agent.call(endpoint, "execute_code", job=job["job"]))[2].get("stdout", ""):
            pass
    await agent.call(endpoint, "execute_code", job=job["job"], cancel=True)
    waiting.until("the job's Pod has ended", lambda: before - pods(stack, "main"), seconds=25)


async def test_one_code_runs_once_per_element_in_pods_of_its_own(endpoint: str) -> None:
    failed, text, value = await agent.call(endpoint, "execute_code", code="1 // params['n']", batch=[{"n": 1}, {"n": 0}, {"n": -1}])
    results = value["results"]
    assert [item.get("result") for item in results] == [1, None, -1], text
    assert "ZeroDivisionError" in results[1]["message"]
    assert not failed or value["status"] in ("partial", "failed")
