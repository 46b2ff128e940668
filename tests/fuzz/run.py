"""One run: our server as a process in one mode, upstreams of both eras behind it, workers that send until the count is reached."""

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random

from tests.conformance.processes import Gateway, gateway
from tests.fuzz import corpus, judge
from tests.fuzz.requests import attempt
from tests.fuzz.wire import Line
from tests.integration.server.harness import eventually
from tests.integration.server.upstreams import Fake, Legacy, Modern

WORKERS = 24
PROBE_EVERY = 50
MAX_GROWTH_MB = 32.0
MAX_FDS_MORE = 8
ENOUGH = 40
"""Stop after this many surprises: they are probably one."""


@dataclass(frozen=True)
class Outcome:
    """What a run found and what it did to the process."""

    report: judge.Report
    before: judge.Vitals
    after: judge.Vitals


@contextlib.asynccontextmanager
async def upstreams() -> AsyncIterator[dict[str, Fake]]:
    """A server of each era, with a tool that nobody may reach by a hidden request."""
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # They complain of every call that was cancelled.
    canary = {"name": corpus.CANARY, "description": "Must not be called", "inputSchema": {"type": "object"}}
    servers = {"modern": Modern([corpus.TOOL, canary]), "legacy": Legacy([corpus.TOOL, canary])}
    for server in servers.values():
        await server.start()
    try:
        yield servers
    finally:
        for server in servers.values():
            await server.stop()


async def run(seed: int, count: int, mode: str, **environ: str) -> Outcome:
    """Send `count` malformed requests."""
    async with upstreams() as servers:
        urls = {name: server.url for name, server in servers.items()}
        starting = gateway(urls, mode=mode, **environ)
        server = await asyncio.to_thread(starting.__enter__)
        try:
            return await attack(server, servers, seed, count, mode)
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


async def attack(server: Gateway, servers: dict[str, Fake], seed: int, count: int, mode: str) -> Outcome:
    """All workers; the first tenth warms the process up before it is measured."""
    report = judge.Report()
    warm = max(count // 10, 1)
    await asyncio.gather(*(worker(server.port, seed * 1000 + number, warm, mode, report) for number in range(WORKERS)))
    await settled(server)
    before = judge.Vitals.of(server.pid)
    await asyncio.gather(*(worker(server.port, seed * 1000 + 500 + number, count, mode, report) for number in range(WORKERS)))
    await settled(server)
    with contextlib.suppress(AssertionError):
        # Connections to upstreams are kept for some seconds.
        await eventually(lambda: judge.Vitals.of(server.pid).fds <= before.fds + MAX_FDS_MORE)
    after = judge.Vitals.of(server.pid)
    report.unexpected += [f"in the log: {line}" for line in judge.complaints(server.log.read_text())]
    for name, upstream in servers.items():
        if any(call.get("name") == corpus.CANARY for call in upstream.calls):
            report.unexpected.append(f"a hidden request reached {name}")
    if after.rss_mb - before.rss_mb > MAX_GROWTH_MB:
        report.unexpected.append(f"memory grew from {before.rss_mb:.0f} to {after.rss_mb:.0f} MB")
    if after.fds - before.fds > MAX_FDS_MORE:
        report.unexpected.append(f"open files grew from {before.fds} to {after.fds}")
    return Outcome(report, before, after)


async def worker(port: int, seed: int, until: int, mode: str, report: judge.Report) -> None:
    """Send one malformed request after the other, and a valid one now and then."""
    random = Random(seed)
    line = Line(port)
    sent = 0
    while report.requests < until and len(report.unexpected) < ENOUGH:
        if sent % PROBE_EVERY == 0:
            await probe(port, mode, report)
        sent += 1
        tried = attempt(random, corpus.chosen(random, mode))
        if tried.cut:
            await line.leave(tried.data)
            report.requests += 1
        else:
            report.note(tried, await line.ask(tried.data, silent=tried.silent, head=tried.data.startswith(b"HEAD")))
    line.close()


async def probe(port: int, mode: str, report: judge.Report) -> None:
    """A valid request of each era is answered as if nothing else went on."""
    for name in ("modern", "legacy"):
        tool = f"{name}.create_issue"
        arguments = {"repo": "a/b", "title": "probe"}
        called = (tool, arguments) if mode == "mcp_only" else ("execute", {"tool": tool, "arguments": arguments})
        mirrored = (("Mcp-Param-Repo", "a/b"),) if mode == "mcp_only" else ()
        request = corpus.call(*called, *mirrored)
        if name == "legacy":
            request = corpus.legacy("tools/call", {"name": called[0], "arguments": called[1]})
        line = Line(port)
        answer = await line.ask(request.encode(), silent=False)
        line.close()
        report.valid += 1
        if answer.statuses != (200,) or b"probe" not in answer.data or b'"isError":true' in answer.data:
            report.unexpected.append(f"a valid call to {tool} got {answer.data[:800]!r}")


async def settled(server: Gateway) -> None:
    """Wait until nothing is in flight."""
    await eventually(lambda: in_flight(server) == 0)


def in_flight(server: Gateway) -> float:
    found = re.search(r"^mcp_optimizer_requests_in_flight(?:\{[^}]*\})? (\S+)$", server.get("/metrics"), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"no gauge of requests in flight among {json.dumps(server.get('/metrics'))[:500]}")
    return float(found[1])
