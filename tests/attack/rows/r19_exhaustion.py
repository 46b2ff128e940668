"""Row 19: a client takes every sandbox there is, and would have more of them made than anybody pays for."""

import asyncio
import contextlib
import time
from typing import Any

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.lane import CallOutcome, JobRequest
from mcp_optimizer.sandbox import PodLane
from mcp_optimizer.sandbox.job_slots import JobSlots
from tests.attack import inside
from tests.attack.bare import Bare
from tests.attack.pods import ended, ready
from tests.attack.stage import NAMESPACE, SANDBOX, Stage
from tests.attack.vocabulary import Control, Row, Target
from tests.e2e import agent

FLOOD = 14
"""Jobs at once: more than twice the pool's maximum."""
RECOVERY_SECONDS = 60.0


async def flood(target: Target) -> str | None:
    """Whoever gets no sandbox is told what to do; nobody else's job is lost; there are never more Pods than the spec allows."""
    if isinstance(target, Bare):
        raise AssertionError("there is no pool of bare Pods")
    url = target.stage.urls[target.isolation]
    jobs = [asyncio.create_task(agent.call(url, "execute_code", code="import time\ntime.sleep(2)\n1", timeout_s=4)) for _ in range(FLOOD)]
    other = asyncio.create_task(target.run("'another client'", timeout_s=8))
    most = 0
    while not all(job.done() for job in jobs):
        most = max(most, _alive(target))
        await asyncio.wait(jobs, timeout=0.1)
    answers = [job.result() for job in jobs]
    if wrong := [text for failed, text, _ in answers if failed and not _helpful(text)]:
        return f"refused without a way out: {wrong[0][:200]}"
    if not (await other).ok:
        return f"another client's job: {(await other).text[:200]}"
    if most > SANDBOX["pool"]["max"]:
        return f"{most} Pods at once, {SANDBOX['pool']['max']} are allowed"
    return await _recovered(target)


def _alive(target: Target) -> int:
    """Pods that take something of the node."""
    return sum(not ended(pod) and "deletionTimestamp" not in pod["metadata"] for pod in target.stage.watch.of(NAMESPACE, target.isolation))


def _helpful(text: str) -> bool:
    return any(code in text for code in ('"code":429', '"code":503')) and any(word in text.lower() for word in ("try again", "retry"))


async def _recovered(target: Target) -> str | None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < deadline:
        if sum(ready(pod) for pod in target.stage.watch.of(NAMESPACE, target.isolation)) >= SANDBOX["pool"]["min"]:
            return None
        await asyncio.sleep(0.2)
    return "the pool did not come back"


async def _prove_places(stage: Stage) -> str | None:
    """Eight jobs, eight warm Pods, two places."""

    async def nothing(*_: Any, **__: Any) -> None:
        pass

    return await inside.proof(_more_than_two, (JobSlots, "take", nothing), (JobSlots, "give", lambda *_: None))


async def _more_than_two() -> str | None:
    running = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, job: str) -> None:
        nonlocal running
        running += 1
        await reader.read()

    async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        return CallOutcome(ok=True)

    async def job(lane: PodLane) -> None:
        with contextlib.suppress(CallFailure, asyncio.CancelledError):
            await lane.run(JobRequest(code="1", timeout_s=10), on_call)

    async with inside.impostor(script) as port, inside.lane(*(inside.warm_pod(f"p-{n}", port) for n in range(8)), max_concurrent=2) as lane:
        jobs = [asyncio.create_task(job(lane)) for _ in range(8)]
        await asyncio.wait(jobs, timeout=1)
        for each in jobs:
            each.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
    return f"{running} jobs at once" if running > 2 else None


ROW = Row(
    number=19,
    name="exhaustion of the pool",
    attacks=(flood,),
    controls=(Control(name="places for jobs", prove=_prove_places),),
)
