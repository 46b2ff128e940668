"""Sessions of code and jobs of another call's, where the endpoint alone decides: what is forgotten, and how a failure is told."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mcp_optimizer.context import PLAIN
from mcp_optimizer.errors import TOO_MANY, CallFailure
from mcp_optimizer.keys import Keys
from mcp_optimizer.lane import JobOutcome
from mcp_optimizer.preflight.preflight import PreflightFailure
from mcp_optimizer.seal import Sealer
from mcp_optimizer.state.peers import Peers
from mcp_optimizer.state.signature import Signatures
from mcp_optimizer.tools.code import CodeSessions
from mcp_optimizer.tools.code.following import ended, explained
from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.job import JobError


class Dying:
    """A session whose end is known before its last run has its outcome: the Pod's last words are waited for."""

    ended: str | None = None

    def __init__(self) -> None:
        self.begun, self.told = asyncio.Event(), asyncio.Event()

    async def run(self, job: Any, on_call: Any, *, progress: Any = None) -> JobOutcome:
        self.begun.set()
        await self.told.wait()
        return JobOutcome(ok=False, error=JobError(kind="memory", message="too much"))

    def close(self, reason: str) -> None:
        self.ended = reason


class Lane:
    """Opens that one session."""

    def __init__(self, session: Dying) -> None:
        self.session = session

    async def run(self, job: Any, on_call: Any, *, progress: Any = None) -> JobOutcome:
        return JobOutcome(ok=True, session=cast(Any, self.session))


async def passes(code: str, snapshot: Any) -> None:
    """A preflight that finds nothing."""


async def test_a_session_that_ends_under_its_run_is_forgotten_once_and_the_run_has_its_answer() -> None:
    session = Dying()
    config = SimpleNamespace(sandbox=SandboxConfig(enabled=True))
    invoker = SimpleNamespace(snapshot=lambda: SimpleNamespace(config=config))
    aids = SimpleNamespace(preflight=SimpleNamespace(check=passes), questions=None)
    peers = Peers(Signatures(Keys(None)))
    sessions = CodeSessions(cast(Any, Lane(session)), cast(Any, invoker), cast(Any, aids), Sealer(Keys(None)), peers, cast(Any, None))
    opened = await sessions.run({"code": "1", "session": "new"}, PLAIN, None)
    name = opened["content"][0]["text"].split('"session":"')[1].split('"')[0]
    running = asyncio.create_task(sessions.run({"code": "2", "session": name}, PLAIN, None))
    await session.begun.wait()
    session.close("its time was over")
    with pytest.raises(CallFailure, match="its time was over"):
        await sessions.run({"code": "3", "session": name}, PLAIN, None)
    session.told.set()
    assert "memory: too much" in (await running)["content"][0]["text"]


@pytest.mark.parametrize("failure", [PreflightFailure(["line 1: a", "line 2: b"]), CallFailure(TOO_MANY, "full", retry_after_s=5)])
def test_what_a_job_was_refused_for_is_told_in_full_when_it_is_asked_for_later(failure: CallFailure) -> None:
    with pytest.raises(CallFailure) as told:
        ended({"status": "failed", "error": explained(failure)})
    assert told.value.envelope() == failure.envelope()
    assert told.value.retry_after_s == failure.retry_after_s
