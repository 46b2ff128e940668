"""Handshakes run beside the queue: one at a time per server, repeated when due, forgotten when asked to."""

import asyncio

from mcp_operator.kinds import Key
from mcp_operator.verifier import Verifier
from mcp_operator.verify import Era, Outcome, Verification
from mcp_optimizer_api.status import Reason

KEY = Key("MCPServer", "ns", "s")
GOOD = Verification(outcome=Outcome.VERIFIED, reason=Reason.VERIFIED, message="ok", era=Era.LEGACY)


class Bench:
    """A Verifier whose checks a test answers."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked: list[tuple[str, Era | None]] = []
        self.changed: list[Key] = []
        self.answer: asyncio.Future[Verification] = asyncio.get_running_loop().create_future()
        self.verifier = Verifier(self.check, self.changed.append, lambda: self.now)

    async def check(self, url: str, era: Era | None) -> Verification:
        self.asked.append((url, era))
        return await asyncio.shield(self.answer)

    def ask(self, fingerprint: str = "f") -> tuple[Verification | None, float | None]:
        return self.verifier.ask(KEY, "http://x/", fingerprint)

    async def finish(self) -> None:
        if not self.answer.done():
            self.answer.set_result(GOOD)
        async with asyncio.timeout(10):
            await asyncio.gather(*self.verifier._running.values())


async def test_the_first_question_starts_a_check_and_the_end_of_it_is_told() -> None:
    bench = Bench()
    assert bench.ask() == (None, None)
    assert bench.ask() == (None, None)
    await bench.finish()
    assert (bench.asked, bench.changed) == ([("http://x/", None)], [KEY])
    verdict, again = bench.ask()
    assert verdict == GOOD and again is not None and again > 60


async def test_a_due_or_a_changed_endpoint_is_checked_again_and_the_verdict_stands_meanwhile() -> None:
    bench = Bench()
    bench.ask()
    await bench.finish()
    assert bench.ask("other pods") == (GOOD, None)
    await bench.finish()
    bench.now += 1000
    assert bench.ask("other pods") == (GOOD, None)
    await bench.finish()
    assert len(bench.asked) == 3


async def test_what_is_forgotten_is_asked_afresh_and_its_running_check_ends() -> None:
    bench = Bench()
    bench.ask()
    await asyncio.sleep(0)
    (running,) = bench.verifier._running.values()
    bench.verifier.forget(KEY)
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    assert bench.ask() == (None, None)
    await bench.finish()
    assert bench.changed == [KEY]


async def test_stopping_ends_every_check() -> None:
    bench = Bench()
    bench.ask()
    async with asyncio.timeout(10):
        await bench.verifier.stop()
    assert bench.changed == []


async def test_a_reply_that_hits_a_bug_of_ours_is_a_verdict_and_is_tried_again() -> None:
    bench = Bench()
    bench.answer.set_exception(KeyError("a bug"))
    bench.ask()
    await bench.finish()
    verdict, again = bench.ask()
    assert bench.changed == [KEY]
    assert verdict is not None and verdict.outcome is Outcome.FAILED
    assert again is not None and again > 0
