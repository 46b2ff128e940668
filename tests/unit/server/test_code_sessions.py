"""Sessions of code and jobs of another call's, where the endpoint alone decides: what is forgotten, and how a failure is told."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mcp_optimizer.artifacts import Artifacts
from mcp_optimizer.clients import serve
from mcp_optimizer.context import PLAIN
from mcp_optimizer.errors import NOT_FOUND, TOO_MANY, UNAVAILABLE, CallFailure
from mcp_optimizer.keys import Keys
from mcp_optimizer.lane import JobOutcome
from mcp_optimizer.preflight.preflight import PreflightFailure
from mcp_optimizer.seal import Sealer
from mcp_optimizer.state.handles import Handles
from mcp_optimizer.state.peers import GONE, Peers
from mcp_optimizer.state.signature import Signatures
from mcp_optimizer.tools.code import CodeSessions
from mcp_optimizer.tools.code.following import ended, explained, followed
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
    """Opens sessions."""

    def __init__(self, new: Callable[[], Dying]) -> None:
        self.new = new

    async def run(self, job: Any, on_call: Any, *, progress: Any = None) -> JobOutcome:
        return JobOutcome(ok=True, session=cast(Any, self.new()))


async def passes(code: str, snapshot: Any) -> None:
    """A preflight that finds nothing."""


async def yields(code: str, snapshot: Any) -> None:
    """One that others may begin beside."""
    await asyncio.sleep(0)


def sessions_of(new: Callable[[], Dying], check: Any = passes, **bounds: Any) -> CodeSessions:
    sandbox = SandboxConfig.model_validate({"enabled": True, "sessions": bounds})
    invoker = SimpleNamespace(snapshot=lambda: SimpleNamespace(config=SimpleNamespace(sandbox=sandbox)))
    aids = SimpleNamespace(preflight=SimpleNamespace(check=check), questions=None)
    peers = Peers(Signatures(Keys(None)))
    sealer = Sealer(Keys(None))
    artifacts = Artifacts(Handles(sealer, peers))
    return CodeSessions(cast(Any, Lane(new)), cast(Any, invoker), cast(Any, aids), artifacts, sealer, peers, cast(Any, None))


async def test_sessions_that_are_asked_for_at_once_are_no_more_than_there_may_be() -> None:
    sessions = sessions_of(Dying, yields, max_sessions=2)
    asked = (sessions.run({"code": "1", "session": "new"}, PLAIN, None) for _ in range(5))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [answer.code for answer in answers if isinstance(answer, CallFailure)] == [TOO_MANY] * 3


async def test_a_client_holds_no_more_sessions_than_it_may_and_leaves_the_others_theirs() -> None:
    sessions = sessions_of(Dying, max_sessions=3, max_sessions_per_client=1, idle_seconds=77)

    async def new(client: str) -> Any:
        serve(client)
        return await sessions.run({"code": "1", "session": "new"}, PLAIN, None)

    assert [await asyncio.create_task(new(client)) for client in ("10.0.0.1", "10.0.0.2")]
    with pytest.raises(CallFailure, match=r"1 sessions of this client .*maxSessionsPerClient.* in 77 s") as told:
        await asyncio.create_task(new("10.0.0.1"))
    assert (told.value.code, told.value.retry_after_s) == (TOO_MANY, 77)
    assert await asyncio.create_task(new("10.0.0.3"))
    with pytest.raises(CallFailure, match=r"3 sessions are open, the limit of this replica") as told:
        await asyncio.create_task(new("10.0.0.4"))
    assert (told.value.code, told.value.retry_after_s) == (TOO_MANY, 77)


async def test_a_clients_sessions_count_while_they_are_opened_and_no_longer_than_they_live() -> None:
    opened: list[Dying] = []

    def new() -> Dying:
        opened.append(Dying())
        return opened[-1]

    sessions = sessions_of(new, yields, max_sessions=4, max_sessions_per_client=2)
    for _ in range(2):
        asked = (sessions.run({"code": "1", "session": "new"}, PLAIN, None) for _ in range(3))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [answer.code for answer in answers if isinstance(answer, CallFailure)] == [TOO_MANY]
        while opened:
            opened.pop().close("its time was over")


async def test_a_run_whose_replica_stops_answering_is_lost_and_nobody_is_told_to_run_it_again() -> None:
    class Gone:
        async def follow(self, task_id: str, after: int, seconds: float) -> Any:
            raise CallFailure(NOT_FOUND, GONE)

    with pytest.raises(CallFailure, match=r"lost: .*may have run in part and was not run again") as told:
        await followed(cast(Any, Gone()), "task", None)
    assert told.value.code == UNAVAILABLE
    assert "run the call again" not in told.value.message


async def test_a_session_that_ends_under_its_run_is_forgotten_once_and_the_run_has_its_answer() -> None:
    session = Dying()
    sessions = sessions_of(lambda: session)
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
