"""Three replicas, each a process, fight over one pool: ten thousand jobs, and none runs twice."""

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcp_sandbox import agent
from mcp_sandbox.agent import Agent
from mcp_sandbox.request import Refusal, parse_start
from mcp_sandbox.stream import FrameStream
from tests.agent_process import POOL_KEY

from .hammered import LightJob, Pods

pytestmark = pytest.mark.integration
REPLICAS = ("a", "b", "c")
POOL, AT_ONCE = 90, 8
PATIENCE_SECONDS = 300


@dataclass
class Fight:
    """What came of it."""

    runs: list[tuple[str, str]]
    """Pod and claim, as the Pods counted."""
    answers: dict[str, str]
    """Claim and Pod, as the replicas were told."""
    conflicts: int
    failed: list[str]

    @property
    def double(self) -> list[str]:
        """Pods or claims that ran more than once."""
        counted = [*Counter(pod for pod, _ in self.runs).items(), *Counter(claim for _, claim in self.runs).items()]
        return [name for name, times in counted if times > 1]


class WithoutLatch(Agent):
    """An agent that gives itself to everybody who has the token."""

    def _answer_start(self, stream: FrameStream, body: bytes) -> None:
        try:
            request = parse_start(body, self._settings.token_sha256)
        except Refusal:
            return
        self._owner = agent.Owner(stream)
        self._job = agent.RunningJob(request, self._owner, self._channel, self._worker, self._end)
        self._job.begin()


async def fight(
    claims: int,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    sharded: bool,
    make: type[Agent] = Agent,
) -> Fight:
    """`claims` jobs in all, by all replicas at once."""
    pods = Pods(POOL, watchers=len(REPLICAS), replicas=REPLICAS if sharded else (), make=make)
    monkeypatch.setattr(agent, "RunningJob", lambda request, owner, _channel, worker, _end: LightJob(pods, worker.pod, request, owner))
    key_file = folder / "key"
    await asyncio.to_thread(key_file.write_bytes, POOL_KEY)
    port = await pods.start()
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.sandbox.replica"),
            *(name, str(port), str(key_file), str(claims // len(REPLICAS)), str(AT_ONCE)),
            stdout=asyncio.subprocess.PIPE,
        )
        for name in REPLICAS
    ]
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reports = [json.loads((await process.communicate())[0]) for process in processes]
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
        await pods.stop()
    answers = {claim: pod for report in reports for claim, pod in report["ran"].items()}
    return Fight(
        runs=pods.runs,
        answers=answers,
        conflicts=sum(report["conflicts"] for report in reports),
        failed=[text for report in reports for text in report["failed"]],
    )


async def test_ten_thousand_claims_by_three_replicas_run_ten_thousand_jobs_and_shards_spare_them_conflicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sharded = await fight(10_002, tmp_path, monkeypatch, sharded=True)
    unsharded = await fight(1_200, tmp_path, monkeypatch, sharded=False)
    for found, claims in ((sharded, 10_002), (unsharded, 1_200)):
        assert (found.double, found.failed) == ([], [])
        assert len(found.runs) == len(found.answers) == claims
        assert {claim: pod for pod, claim in found.runs} == found.answers
    rates = [found.conflicts / len(found.runs) for found in (sharded, unsharded)]
    sys.stdout.write(f"conflicts per claim: {rates[0]:.4f} with shards, {rates[1]:.4f} without\n")
    assert unsharded.conflicts > 0
    assert rates[0] < rates[1] / 2


async def test_the_count_notices_a_latch_that_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await fight(300, tmp_path, monkeypatch, sharded=False, make=WithoutLatch)
    assert found.double
