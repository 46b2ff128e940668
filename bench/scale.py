"""What grows with the size of the installation: a search over 10,000 tools, the pause when their snapshot changes, a call among 1,000 servers.

The server is a process of its own on core 0, everything else on core 1. Ends with one line of figures: `discover_p99_ms` at one connection,
`swap_pause_ms` the longest answer to a small request while a new snapshot is read and compiled, `call_growth` the CPU time of a call behind
1,000 servers relative to one behind a single server, and the memory of both servers.
"""

import asyncio
import contextlib
import time

from bench import speed_requests
from bench.children import Server, optimizer, settled
from bench.figures import line
from bench.speed_catalogue import CALL_TOOL
from bench.speed_load import Load, Outcome
from bench.speed_memory import ask
from bench.speed_processes import SERVER_CORE, apply, on_core, resident_kb, upstream
from bench.speed_requests import Request

TOOLS = 10_000
PER_SERVER = 2_500
SERVERS = 1_000
SECONDS = 4.0


def port_of(url: str) -> int:
    """Its port."""
    return int(url.rsplit(":", 1)[1].split("/")[0])


async def load(server: Server, request: Request, connections: int) -> Outcome:
    """Run the request for a while."""
    size = {"connections": connections, "seconds": SECONDS, "warm_up": 1.0}
    return await apply(Load.of(request, port=port_of(server.url), pid=server.pid, **size))


async def longest(server: Server, request: Request, until: "asyncio.Task[None]") -> float:
    """The longest answer in ms, asking one after the other, until the task is done."""
    stream = await asyncio.open_connection("127.0.0.1", port_of(server.url))
    worst = 0.0
    while not until.done():
        started = time.perf_counter()
        await ask(stream, request)
        worst = max(worst, time.perf_counter() - started)
    stream[1].close()
    return worst * 1000


async def search() -> dict[str, float]:
    """Search and swap with 10,000 tools of a few servers."""
    async with contextlib.AsyncExitStack() as stack:
        urls = {f"s{number}": await stack.enter_async_context(upstream("modern", PER_SERVER)) for number in range(TOOLS // PER_SERVER)}
        more = await stack.enter_async_context(upstream("modern", PER_SERVER))
        server = await stack.enter_async_context(optimizer(urls, prefix=on_core(SERVER_CORE)))
        await settled(server.management, TOOLS)
        found = await load(server, speed_requests.discover(), 1)
        print(f"discover over {TOOLS} tools: p50 {found.latencies_ms['p50']:.2f} ms, p99 {found.latencies_ms['p99']:.2f} ms", flush=True)
        quiet = await longest(server, speed_requests.listing(), asyncio.create_task(asyncio.sleep(2)))
        pauses = []
        for wanted, tools in (({**urls, "s9": more}, TOOLS + PER_SERVER), (urls, TOOLS)):
            changed = asyncio.create_task(settled(server.management, tools))
            server.configure(wanted)
            pauses.append(await longest(server, speed_requests.listing(), changed))
        print(f"pause when {PER_SERVER} tools come {pauses[0]:.1f} ms, when they go {pauses[1]:.1f} ms; without a change {quiet:.1f} ms")
        megabytes = resident_kb(server.pid) / 1024
    return {"discover_p99_ms": found.latencies_ms["p99"], "swap_pause_ms": max(pauses), "tools_mb": megabytes}


async def calls() -> dict[str, float]:
    """CPU time of one call behind one server and behind 1,000."""
    spent = []
    async with upstream("modern", 1) as url:
        for servers in (1, SERVERS):
            urls = {f"s{number}": f"{url}?n={number}" for number in range(servers)}
            async with optimizer(urls, prefix=on_core(SERVER_CORE)) as server:
                await settled(server.management, servers)
                outcomes = [await load(server, speed_requests.execute(f"s{servers - 1}.{CALL_TOOL}"), 16) for _ in range(2)]
                spent.append(min(outcome.cpu / outcome.answers for outcome in outcomes))
                megabytes = resident_kb(server.pid) / 1024
    print(f"CPU time of a call: {spent[0] * 1e6:.0f} µs behind one server, {spent[1] * 1e6:.0f} µs behind {SERVERS}", flush=True)
    return {"call_growth": spent[1] / spent[0], "servers_mb": megabytes}


async def main() -> None:
    """Measure and print."""
    figures = {**await search(), **await calls()}
    print(line("scale", tools=TOOLS, servers=SERVERS, **figures))


if __name__ == "__main__":
    asyncio.run(main())
