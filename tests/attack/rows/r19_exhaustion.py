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
RAN_OUT_OF_TIME = '"code":408'
"""Not refused: on a busy machine a job of two seconds may take four."""


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
    if wrong := [text for failed, text, _ in answers if failed and RAN_OUT_OF_TIME not in text and not _helpful(text)]:
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


async def _prove_turns(stage: Stage) -> str | None:
    """One client has all the jobs it can get when another comes."""

    def for_all(self: JobSlots, limit: int, per_client: int | None, seconds: float) -> None:
        original(self, limit, None, seconds)

    original = JobSlots.configure
    return await inside.proof(_second_client_refused, (JobSlots, "configure", for_all))


async def _second_client_refused() -> str | None:
    started: list[str] = []
    settings = {"max_concurrent": 3, "max_concurrent_per_client": 2, "queue_seconds": 1}
    async with (
        inside.impostor(_endless(started)) as port,
        inside.lane(*(inside.warm_pod(f"p-{n}", port) for n in range(8)), **settings) as lane,
    ):
        jobs = [asyncio.create_task(_job(lane, client)) for client in ("greedy",) * 8 + ("modest",)]
        await asyncio.wait(jobs, timeout=3)
        modest = not jobs[-1].done()
        await _ended(jobs)
    return None if modest else "the second client was refused"


def _endless(started: list[str]) -> inside.Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, job: str) -> None:
        started.append(job)
        await reader.read()

    return script


async def _job(lane: PodLane, client: str) -> None:
    async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        return CallOutcome(ok=True)

    with contextlib.suppress(CallFailure, asyncio.CancelledError):
        await lane.run(JobRequest(code="1", timeout_s=10, client=client), on_call)


async def _ended(jobs: list["asyncio.Task[None]"]) -> None:
    for each in jobs:
        each.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)


async def _more_than_two() -> str | None:
    started: list[str] = []
    async with (
        inside.impostor(_endless(started)) as port,
        inside.lane(*(inside.warm_pod(f"p-{n}", port) for n in range(8)), max_concurrent=2) as lane,
    ):
        jobs = [asyncio.create_task(_job(lane, f"client-{n}")) for n in range(8)]
        await asyncio.wait(jobs, timeout=1)
        await _ended(jobs)
    return f"{len(started)} jobs at once" if len(started) > 2 else None


ROW = Row(
    number=19,
    name="exhaustion of the pool",
    attacks=(flood,),
    controls=(
        Control(name="places for jobs", prove=_prove_places),
        Control(name="places per client", prove=_prove_turns),
    ),
)
