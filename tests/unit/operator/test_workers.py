"""Workers: what each kind of failure leads to, and how they end."""

import asyncio

import pytest

from mcp_operator.errors import TerminalError, TransientError
from mcp_operator.kinds import Key
from mcp_operator.metrics import Metrics
from mcp_operator.workers import REFUSED_SECONDS, Workers
from mcp_operator.workqueue import WorkQueue

KEY = Key("MCPServer", "ns", "s")


async def outcome(error: Exception | None, again: float | None = None) -> tuple[WorkQueue[Key], Metrics]:
    """One reconciliation that ends so."""
    queue: WorkQueue[Key] = WorkQueue()
    metrics = Metrics(version="1")
    done = asyncio.Event()

    async def reconcile(key: Key, attempt: int) -> float | None:
        done.set()
        if error is not None:
            raise error
        return again

    workers = Workers(queue, reconcile, metrics)
    queue.add(KEY)
    workers.start(2)
    async with asyncio.timeout(10):
        await done.wait()
    await workers.stop()
    return queue, metrics


@pytest.mark.parametrize(
    ("error", "result", "low", "high"),
    [
        (TransientError("x"), "transient", 0.4, 0.6),
        (TransientError("x", retry_after=7), "transient", 7, 7),
        (TerminalError("x"), "refused", *REFUSED_SECONDS),
        (ValueError("a bug"), "error", 0.4, 0.6),
    ],
)
async def test_a_failure_is_counted_and_comes_back(error: Exception, result: str, low: float, high: float) -> None:
    queue, metrics = await outcome(error)
    assert metrics.registry.get_sample_value("mcpop_reconcile_total", {"kind": "MCPServer", "result": result}) == 1
    assert queue.failures(KEY) == 1
    (due, _, key) = queue._heap[0]
    assert key == KEY
    assert low - 0.5 <= due - asyncio.get_running_loop().time() <= high + 0.1


async def test_a_success_comes_back_only_when_asked_to() -> None:
    queue, metrics = await outcome(None)
    assert queue._heap == []
    queue, metrics = await outcome(None, again=30)
    assert len(queue._heap) == 1
    assert metrics.registry.get_sample_value("mcpop_reconcile_total", {"kind": "MCPServer", "result": "success"}) == 1


async def test_stopping_lets_a_key_in_hand_be_finished_and_a_hanging_one_be_cancelled() -> None:
    queue: WorkQueue[Key] = WorkQueue()
    finished: list[str] = []

    async def reconcile(key: Key, attempt: int) -> float | None:
        await asyncio.sleep(0.01 if key.name == "quick" else 3600)
        finished.append(key.name)
        return None

    workers = Workers(queue, reconcile, Metrics(version="1"))
    workers.start(2)
    queue.add(Key("MCPServer", "ns", "quick"))
    queue.add(Key("MCPServer", "ns", "hangs"))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await workers.stop(patience=0.2)
    assert finished == ["quick"]
