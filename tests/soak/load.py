"""Clients of both eras that call, list, search, ask for progress, go away in the middle and open new connections, at a given rate."""

import asyncio
import time
from dataclasses import dataclass, field
from random import Random

from tests.fuzz import corpus
from tests.fuzz.corpus import Request
from tests.fuzz.wire import Line

CONNECTIONS = 16
LEAVES = 0.01
"""Share of requests whose sender goes away before the answer."""
REUSE = 200
"""Requests on one connection before the next is opened."""
PROBE = {"repo": "a/b", "title": "probe", "labels": ["x"] * 5}
MIX: tuple[tuple[Request, bytes, int], ...] = (
    (corpus.call("execute", {"tool": "modern.create_issue", "arguments": PROBE}), b"probe", 30),
    (corpus.call("execute", {"tool": "legacy.create_issue", "arguments": PROBE}), b"probe", 20),
    (corpus.legacy("tools/call", {"name": "execute", "arguments": {"tool": "modern.create_issue", "arguments": PROBE}}), b"probe", 20),
    (corpus.call("discover", {"query": "create an issue"}), b"create_issue", 15),
    (corpus.modern("tools/list", {}), b"discover", 8),
    (corpus.legacy("initialize", corpus.INITIALIZE), b"serverInfo", 3),
    (
        corpus.modern(
            "tools/call",
            {"name": "execute", "arguments": {"tool": "legacy.create_issue", "arguments": PROBE}, "_meta": {"progressToken": 1}},
            ("Mcp-Name", "execute"),
        ),
        b"probe",
        2,
    ),
    (corpus.call("execute", {"tool": "modern.create_isue", "arguments": PROBE}), b"create_issue", 2),
)
"""A request, what its answer holds, and how often."""


@dataclass
class Count:
    """What came back."""

    done: int = 0
    errors: int = 0
    samples: list[str] = field(default_factory=list)


async def load(port: int, seed: int, seconds: float, rate: float | None, count: Count) -> None:
    """Run for `seconds`; `rate` in requests per second, as fast as it goes when None."""
    end = time.monotonic() + seconds
    share = None if rate is None else CONNECTIONS / rate
    await asyncio.gather(*(client(port, Random(seed * 100 + number), end, share, count) for number in range(CONNECTIONS)))


async def client(port: int, random: Random, end: float, pause: float | None, count: Count) -> None:
    """One connection after the other; `pause` seconds from the start of one request to that of the next."""
    line = Line(port)
    following = time.monotonic() + (random.random() * pause if pause else 0.0)
    while time.monotonic() < end:
        if pause is not None:
            await asyncio.sleep(max(following - time.monotonic(), 0.0))
            # A client that is late does not make up for it: this measures memory, not speed.
            following = max(following + pause, time.monotonic() - pause)
        await one(line, random, count)
        if random.random() < 1 / REUSE:
            line.close()
    line.close()


async def one(line: Line, random: Random, count: Count) -> None:
    """One request and a look at its answer."""
    ((request, expected, _),) = random.choices(MIX, weights=[weight for _, _, weight in MIX])
    count.done += 1
    if random.random() < LEAVES:
        await line.leave(request.encode())
        return
    answer = await line.ask(request.encode(), silent=False)
    if answer.statuses != (200,) or expected not in answer.data:
        count.errors += 1
        if len(count.samples) < 10:
            count.samples.append(f"{request.body[:300]!r} got {answer.data[:500]!r}")
