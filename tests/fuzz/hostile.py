"""One run against hostile replies: a server that lists its tools well and answers calls with anything, beside one that does nothing wrong."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from random import Random
from typing import Any

from tests.conformance.processes import Gateway, gateway
from tests.fuzz import corpus, judge
from tests.fuzz.replies import POISON, plain, reply
from tests.fuzz.requests import Attempt
from tests.fuzz.run import MAX_FDS_MORE, MAX_GROWTH_MB, settled, upstreams
from tests.fuzz.wire import Line
from tests.integration.server.harness import eventually

WORKERS = 12
TOOLS = [{"name": "call", "description": "Answers with anything", "inputSchema": {"type": "object"}}]
DISCOVERED: dict[str, Any] = {"supportedVersions": [corpus.MODERN], "capabilities": {"tools": {}}, "resultType": "complete"}


@contextlib.asynccontextmanager
async def hostile(seed: int) -> AsyncIterator[str]:
    """URL of the hostile server."""
    random = Random(seed)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", head.lower())
                message = json.loads(await reader.readexactly(int(length[1])) if length else b"{}")
                data, usable = answer(random, message)
                writer.write(data)
                await writer.drain()
                if not usable:
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**24)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    finally:
        server.close()


def answer(random: Random, message: dict[str, Any]) -> tuple[bytes, bool]:
    """What to write, and whether the connection stays open after it."""
    method, number = message.get("method"), message.get("id")
    if method == "tools/call":
        return reply(random, number), random.random() < 0.3
    known = {"server/discover": DISCOVERED, "tools/list": {"tools": TOOLS, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}}
    return plain(json.dumps({"jsonrpc": "2.0", "id": number, "result": known.get(str(method), {})}).encode()), True


async def run(seed: int, count: int, mode: str, **environ: str) -> judge.Report:
    """Make `count` calls to the hostile server."""
    report = judge.Report()
    async with upstreams() as servers, hostile(seed) as url:
        urls = {"hostile": url, "modern": servers["modern"].url}
        starting = gateway(urls, mode=mode, settings={"timeoutSeconds": 2, "breaker": {"enabled": False}}, **environ)
        server = await asyncio.to_thread(starting.__enter__)
        try:
            await attack(server, seed, count, mode, report)
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)
    return report


async def attack(server: Gateway, seed: int, count: int, mode: str, report: judge.Report) -> None:
    """All workers, and a look at the process before and after."""
    await asyncio.gather(*(worker(server.port, seed + number, count // 5, mode, report) for number in range(WORKERS)))
    await settled(server)
    before = judge.Vitals.of(server.pid)
    await asyncio.gather(*(worker(server.port, seed + number, count, mode, report) for number in range(WORKERS)))
    await settled(server)
    with contextlib.suppress(AssertionError):
        await eventually(lambda: judge.Vitals.of(server.pid).fds <= before.fds + MAX_FDS_MORE)
    after = judge.Vitals.of(server.pid)
    report.unexpected += [f"in the log: {line}" for line in judge.complaints(server.log.read_text())]
    if after.rss_mb - before.rss_mb > MAX_GROWTH_MB:
        report.unexpected.append(f"memory grew from {before.rss_mb:.0f} to {after.rss_mb:.0f} MB")
    if after.fds - before.fds > MAX_FDS_MORE:
        report.unexpected.append(f"open files grew from {before.fds} to {after.fds}")


async def worker(port: int, seed: int, until: int, mode: str, report: judge.Report) -> None:
    """Call the hostile server, and the other one every few calls, in both eras."""
    random = Random(seed)
    line = Line(port)
    while report.requests < until and len(report.unexpected) < 40:
        good = random.random() < 0.2
        asked = call_good if good else call_hostile
        request = asked(random.random() < 0.5, mode)
        got = await line.ask(request.encode(), silent=False)
        report.note(Attempt("hostile", request.encode()), got)
        if POISON.encode() in got.data and b'"id":"other"' not in got.data:
            report.unexpected.append(f"the answer to another request: {got.data[:800]!r}")
        if good:
            report.valid += 1
            if b"probe" not in got.data or b'"isError":true' in got.data:
                report.unexpected.append(f"a call to the good server got {got.data[:800]!r}")
    line.close()


def call_good(modern: bool, mode: str) -> corpus.Request:
    """A call of the server that does nothing wrong."""
    return called("modern.create_issue", {"repo": "a/b", "title": "probe"}, modern, mode, ("Mcp-Param-Repo", "a/b"))


def call_hostile(modern: bool, mode: str) -> corpus.Request:
    """A call of the hostile one."""
    return called("hostile.call", {}, modern, mode)


def called(tool: str, arguments: dict[str, Any], modern: bool, mode: str, *mirrored: tuple[str, str]) -> corpus.Request:
    """A tools/call of either era; by way of `execute` where that is the way."""
    if mode != "mcp_only":
        tool, arguments, mirrored = "execute", {"tool": tool, "arguments": arguments}, ()
    return corpus.call(tool, arguments, *mirrored) if modern else corpus.legacy("tools/call", {"name": tool, "arguments": arguments})
