"""A Pod that was taken over by its job speaks whatever it likes; the lane survives all of it."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from mcp_optimizer.context import CallContext
from mcp_optimizer.errors import CallFailure
from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest
from mcp_optimizer.memory import hold_here, holding
from mcp_optimizer.ration import Ration
from mcp_optimizer.results import Result
from mcp_optimizer.sandbox import PodLane, conversation, wire
from mcp_optimizer.tools.code import call_for_job
from mcp_optimizer_api.job import MAX_CALL_BYTES, MAX_FRAME_BYTES

from .conftest import OWNER, FakeWatch, config, manifest

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]
Impostor = Callable[[Script], Awaitable[None]]


def frame(content: Any) -> bytes:
    """A frame with this JSON in it."""
    body = json.dumps(content).encode()
    return struct.pack(">I", len(body)) + body


@pytest_asyncio.fixture
async def impostor(watch: FakeWatch) -> AsyncIterator[Impostor]:
    """A warm Pod that follows a script once it was sent a `start`."""
    servers: list[asyncio.Server] = []

    async def begin(script: Script) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                (length,) = struct.unpack(">I", await reader.readexactly(4))
                start = json.loads(await reader.readexactly(length))
                await script(reader, writer, start["job"])
                await reader.read()
            except (OSError, EOFError):
                pass
            finally:
                writer.close()

        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0))
        watch.tell("changed", manifest("impostor", servers[-1].sockets[0].getsockname()[1]))

    yield begin
    for server in servers:
        server.close()
        await server.wait_closed()


def says(*frames: Any, accept: bool = True) -> Script:
    """Accept, then say these things (bytes as they are)."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, job: str) -> None:
        if accept:
            writer.write(frame({"type": "accepted", "job": job}))
        for each in frames:
            writer.write(each if isinstance(each, bytes) else frame(each))
        await writer.drain()

    return script


async def run(lane: PodLane, timeout_s: float = 20.0) -> JobOutcome:
    """A job."""

    async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        await asyncio.sleep(30 if tool == "slow" else 0)
        return CallOutcome(ok=True)

    return await lane.run(JobRequest(code="1", timeout_s=timeout_s), on_call)


RESULT = {"type": "result", "ok": True, "value": 1, "durationMs": 1}


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([b"\xff\xff\xff\xff"], id="a length of 4 GiB"),
        pytest.param([b"\x00\x00\x00\x00"], id="a length of zero"),
        pytest.param([b"\x00\x00\x00\x03abc"], id="no JSON"),
        pytest.param([b"\x00\x00\x00\x02[]"], id="no object"),
        pytest.param([struct.pack(">I", 200_000) + b"[" * 200_000], id="deep nesting"),
        pytest.param([{"type": "surprise"}], id="an unknown type"),
        pytest.param([{"type": "accepted", "job": "again"}], id="accepted twice"),
        pytest.param([{**RESULT, "run": 2}], id="a result of another run"),
        pytest.param([{"type": "output", "run": 0, "stream": "stdout", "data": "x"}], id="output of another run"),
        pytest.param([{"type": "ended", "message": "no session"}], id="the end of a session"),
        pytest.param([{"type": "result", "ok": "maybe"}], id="a result of the wrong shape"),
        pytest.param([{"type": "call", "seq": "x", "tool": 1}], id="a call of the wrong shape"),
        pytest.param([{"type": "output", "stream": "disk", "data": "x"}], id="an unknown stream"),
        pytest.param([{"type": "output", "stream": "stdout", "data": "x" * 40_000}] * 2, id="more output than allowed"),
        pytest.param([{"type": "output", "stream": "stdout", "data": ""}] * 70_000, id="empty output without end"),
        pytest.param([{"type": "call", "seq": n, "tool": "slow", "arguments": {}} for n in range(80)], id="too many calls at once"),
        pytest.param([{**RESULT, "value": "x" * (MAX_FRAME_BYTES - 200)}], id="a result over the limit"),
        pytest.param([{"type": "call", "seq": 1, "tool": "a.b", "arguments": {"x": "y" * MAX_CALL_BYTES}}], id="a call over the limit"),
    ],
)
async def test_nonsense_after_the_claim_ends_that_job_only(lane: PodLane, impostor: Impostor, frames: list[Any]) -> None:
    await impostor(says(*frames))
    outcome = await run(lane)
    assert outcome.error is not None
    assert outcome.error.kind == "killed"
    assert "broke the protocol" in outcome.error.message
    assert lane.stats().failed == 1


async def test_an_invented_kind_of_error_is_not_passed_on(lane: PodLane, impostor: Impostor) -> None:
    await impostor(says({"type": "result", "ok": False, "durationMs": 1, "error": {"kind": "lost", "message": "m"}}))
    outcome = await run(lane)
    assert outcome.error is not None
    assert outcome.error.kind == "killed"


@pytest.mark.parametrize(("tool", "counted"), [("a.b", 4), ("$search", 0)])
async def test_the_budgets_hold_even_when_the_agent_does_not_count(
    lane: PodLane, impostor: Impostor, monkeypatch: pytest.MonkeyPatch, tool: str, counted: int
) -> None:
    lane.configure(config(max_calls=2), "ns", OWNER)
    monkeypatch.setattr(conversation, "MAX_QUESTIONS", 2)
    answers: list[dict[str, Any]] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, job: str) -> None:
        writer.write(frame({"type": "accepted", "job": job}))
        for seq in range(4):
            writer.write(frame({"type": "call", "seq": seq, "tool": tool, "arguments": {}}))
            (length,) = struct.unpack(">I", await reader.readexactly(4))
            answers.append(json.loads(await reader.readexactly(length)))
        writer.write(frame(RESULT))

    await impostor(script)
    outcome = await run(lane)
    assert (outcome.ok, outcome.calls) == (True, counted)
    assert [answer["ok"] for answer in answers] == [True, True, False, False]
    assert answers[-1]["error"]["code"] == 429


async def test_an_agent_that_never_reports_is_abandoned(lane: PodLane, impostor: Impostor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "REPORT_GRACE_SECONDS", 0.1)
    await impostor(says())
    outcome = await run(lane, timeout_s=0.1)
    assert outcome.error is not None
    assert outcome.error.kind == "timeout"
    assert "did not report" in outcome.error.message


@pytest.mark.parametrize(
    "frames",
    [
        [b"\xff\xff\xff\xff"],
        [RESULT],
        [{"type": "accepted", "job": "other"}],
        [{"type": "rejected", "code": 401, "message": "no"}],
        [{"type": "rejected", "code": 418}],
    ],
)
async def test_nonsense_before_the_claim_passes_the_pod_over(lane: PodLane, impostor: Impostor, frames: list[Any]) -> None:
    lane.configure(config(queue_seconds=1), "ns", OWNER)
    await impostor(says(*frames, accept=False))
    with pytest.raises(CallFailure) as failure:
        await run(lane)
    assert failure.value.code == 503
    assert "impostor" in failure.value.message
    assert lane.stats().jobs == 0


async def test_a_pod_that_reads_nothing_keeps_no_connection_beyond_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LAST_SENDING_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        opened = await wire.Wire.open(*deaf.getsockname())
        opened._writer.write(b"x" * 64 * 1024 * 1024)
        opened.close()
        async with asyncio.timeout(30):
            await opened._writer.wait_closed()


async def test_a_frame_that_never_becomes_whole_ends_its_job_and_gives_its_memory_back(
    lane: PodLane, impostor: Impostor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "FRAME_SECONDS", 0.1)
    await impostor(says(struct.pack(">I", 200_000) + b"{"))
    outcome = await run(lane)
    assert outcome.error is not None
    assert "200000 bytes was not whole" in outcome.error.message
    assert lane._ration.taken == 0


async def test_results_that_a_pod_does_not_read_weigh_until_it_is_gone(lane: PodLane, impostor: Impostor) -> None:
    count, size = 9, 3 * 1024 * 1024
    ration, begun, over = Ration(count * size), 0, asyncio.Event()
    calls = [{"type": "call", "seq": seq, "tool": "a.b", "arguments": {}} for seq in range(count)]

    async def invoke(tool: str, arguments: dict[str, Any], context: CallContext) -> Result:
        nonlocal begun
        await hold_here(size)
        begun += 1
        return {"content": [{"type": "text", "text": "x" * size}]}

    async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        return await call_for_job(SimpleNamespace(invoke=invoke), tool, arguments)  # type: ignore[arg-type]

    async def job() -> JobOutcome:
        with holding(ration):
            return await lane.run(JobRequest(code="1", timeout_s=20), on_call)

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        await says(*calls)(reader, writer, name)
        await over.wait()

    await impostor(deaf)
    running = asyncio.create_task(job())
    async with asyncio.timeout(10):
        while begun < count:  # noqa: ASYNC110 -- has no event
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    # The kernel has taken some of the first ones.
    assert ration.taken >= count // 2 * size
    running.cancel()
    await asyncio.wait([running])
    over.set()
    assert ration.taken == 0
