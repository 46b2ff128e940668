"""What is repeated, what is refused, and what a server's failures cost: nothing that changes something runs twice."""

import asyncio
from typing import Any

import pytest

from mcp_optimizer.errors import BAD_GATEWAY, TIMEOUT, CallFailure, ServerFault
from mcp_optimizer.upstream.guard import Guard
from mcp_optimizer_api.config import UpstreamConfig

UNSENT = ServerFault(BAD_GATEWAY, "refused", nothing_sent=True)
SENT = ServerFault(TIMEOUT, "did not answer")
OWN = CallFailure(400, "wrong arguments")
LATER = ServerFault(503, "not now", retry_after_s=30)


def guard(**settings: Any) -> Guard:
    return Guard(UpstreamConfig.model_validate({"name": "it", "url": "http://it/mcp", "queueSeconds": 0, **settings}))


class Server:
    """Fails in the given ways, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked = 0

    async def __call__(self) -> dict[str, Any]:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return {"result": {}}


@pytest.mark.parametrize(
    ("when", "failure", "repeatable", "asked"),
    [
        ("idempotent", UNSENT, False, 2),
        ("idempotent", SENT, True, 2),
        ("idempotent", SENT, False, 1),
        ("connect-failure", UNSENT, False, 2),
        ("connect-failure", SENT, True, 1),
        ("never", UNSENT, True, 1),
        ("idempotent", OWN, True, 1),
        ("idempotent", LATER, True, 1),
    ],
)
async def test_a_call_is_sent_again_only_when_nothing_can_happen_twice(when: str, failure: Exception, repeatable: bool, asked: int) -> None:
    server = Server(failure)
    it = guard(retries={"when": when})
    if asked == 1:
        with pytest.raises(CallFailure):
            await it.call(server, repeatable=repeatable)
    else:
        assert await it.call(server, repeatable=repeatable) == {"result": {}}
    assert (server.asked, it.retries.done, it.slots.taken) == (asked, asked - 1, 0)


async def test_retries_have_a_budget() -> None:
    it, asked = guard(breaker={"enabled": False}, retries={"budgetPercent": 10}), 0
    for _ in range(100):
        server = Server(*[UNSENT] * 2)
        with pytest.raises(ServerFault):
            await it.call(server, repeatable=True)
        asked += server.asked
    assert 105 <= asked <= 116


async def test_failures_open_the_breaker_and_then_nothing_is_sent() -> None:
    it, server = guard(breaker={"consecutiveFailures": 3}, retries={"when": "never"}), Server(*[SENT] * 3)
    for _ in range(3):
        with pytest.raises(ServerFault):
            await it.call(server, repeatable=False)
    with pytest.raises(CallFailure, match=r"server it is failing \(did not answer\): nothing was sent, try again in \d+ s") as refusal:
        await it.call(server, repeatable=False)
    assert (refusal.value.code, server.asked, it.refused_open) == (503, 3, 1)
    assert f"in {refusal.value.retry_after_s} s" in refusal.value.message
    assert it.trouble is not None and "did not answer" in it.trouble


async def test_failures_of_the_call_itself_open_nothing() -> None:
    it, server = guard(breaker={"consecutiveFailures": 1}), Server(*[OWN] * 10)
    for _ in range(10):
        with pytest.raises(CallFailure, match="wrong arguments"):
            await it.call(server, repeatable=False)
    assert it.breaker.state == "closed"


async def test_one_call_more_than_there_are_places_is_refused_with_the_name_of_the_limit() -> None:
    it, go = guard(maxConcurrent=2), asyncio.Event()

    async def hang() -> dict[str, Any]:
        await go.wait()
        return {}

    calls = [asyncio.create_task(it.call(hang, repeatable=False)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(CallFailure, match="2 calls in flight already, its maxConcurrent") as refusal:
        await it.call(hang, repeatable=False)
    assert (refusal.value.code, refusal.value.retry_after_s, it.refused_full) == (429, 1, 1)
    go.set()
    await asyncio.gather(*calls)
    assert it.slots.taken == 0
