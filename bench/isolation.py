"""Does a server that hangs slow another one down? Latency of calls to a healthy server, alone and while calls to a hanging one are held open.

Both servers are behind one gateway process. The rounds of the two situations alternate, so that what else the machine does meets both; the
line gives the median of the rounds. `cpu_ratio` is the same question asked of the gateway's CPU time, which noise hardly moves. `python -m bench.isolation [CALLS]`: how many calls hang, 200 unless told.
"""

import asyncio
import contextlib
import statistics
import sys
from urllib.parse import urlsplit

from bench import speed_requests
from bench.children import Server, optimizer, settled
from bench.figures import line
from bench.speed_catalogue import CALL_TOOL as TOOL
from bench.speed_load import Load
from bench.speed_processes import SERVER_CORE, apply, on_core, upstream
from bench.speed_requests import Request

HANGING = 200
"""Less than the 256 places of a server: each of these calls is really waiting for it."""
TOOLS = 20
ROUNDS = 5
SECONDS, WARM_UP = 4.0, 1.0
CONNECTIONS, RATE = 8, 400.0
"""Of the healthy server's callers: far from what the gateway can do, so that waiting would show."""
FOR_EVER_MS = 3_600_000


async def hang(server: Server, request: Request) -> asyncio.StreamWriter:
    """Make one call that is never answered."""
    parts = urlsplit(server.url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(request.alternatives[0])
    await writer.drain()
    return writer


async def measured(server: Server) -> dict[str, float]:
    """Percentiles of calls to the healthy server, and the gateway's CPU time for one, in milliseconds."""
    port = urlsplit(server.url).port
    assert port is not None
    load = Load.of(
        speed_requests.direct(f"good.{TOOL}"),
        port=port,
        pid=server.pid,
        connections=CONNECTIONS,
        seconds=SECONDS,
        warm_up=WARM_UP,
        rate=RATE,
    )
    outcome = await apply(load)
    return {**outcome.latencies_ms, "cpu": 1000 * outcome.cpu / outcome.answers}


async def main(hanging: int) -> None:
    """Measure and print."""
    alone: list[dict[str, float]] = []
    beside: list[dict[str, float]] = []
    async with contextlib.AsyncExitStack() as stack:
        urls = {name: await stack.enter_async_context(upstream("modern", TOOLS)) for name in ("good", "stuck")}
        server = await stack.enter_async_context(optimizer(urls, mode="mcp_only", prefix=on_core(SERVER_CORE)))
        await settled(server.management, 2 * TOOLS)
        for _ in range(ROUNDS):
            alone.append(await measured(server))
            stuck = [await hang(server, speed_requests.direct(f"stuck.{TOOL}", delay_ms=FOR_EVER_MS)) for _ in range(hanging)]
            beside.append(await measured(server))
            for writer in stuck:
                writer.transport.abort()
    for before, after in zip(alone, beside, strict=True):
        print(f"p50/p99 alone {before['p50']:.2f}/{before['p99']:.2f} ms, beside {after['p50']:.2f}/{after['p99']:.2f} ms")
    figures = {
        f"{key}_{name}_ms": statistics.median(found[key] for found in rounds)
        for name, rounds in (("alone", alone), ("beside", beside))
        for key in ("p50", "p99")
    }
    ratios = {
        f"{key}_ratio": statistics.median(after[key] / before[key] for before, after in zip(alone, beside, strict=True))
        for key in ("cpu", "p50", "p99")
    }
    print(line("isolation", hanging=hanging, **figures, **ratios))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else HANGING))
