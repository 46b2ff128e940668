"""`python -m tests.soak [--minutes M] [--load 0.7]`: find the rate the server can do, hold a part of it, watch its memory.

Prints a line per minute and one of figures last; exit 1 for an error or for memory that grew.
"""

import argparse
import asyncio
import sys
import time

from tests.conformance.processes import gateway
from tests.fuzz.judge import Vitals, complaints
from tests.fuzz.run import settled, upstreams
from tests.soak.figures import is_flat, quarter, slope
from tests.soak.load import Count, load

WARM_SECONDS = 10.0
MEASURE_SECONDS = 10.0
EVERY_SECONDS = 5.0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--load", type=float, default=0.7, help="part of the highest rate, as measured first")
    return parser.parse_args()


async def soak(given: argparse.Namespace) -> int:
    """One server, loaded for a while."""
    async with upstreams() as servers:
        starting = gateway({name: server.url for name, server in servers.items()}, mode="hybrid")
        server = await asyncio.to_thread(starting.__enter__)
        try:
            await load(server.port, 1, WARM_SECONDS, None, Count())
            fastest = Count()
            await load(server.port, 2, MEASURE_SECONDS, None, fastest)
            rate = fastest.done / MEASURE_SECONDS * given.load
            print(f"highest {fastest.done / MEASURE_SECONDS:.0f} requests/s; holding {rate:.0f} for {given.minutes:g} minutes", flush=True)
            count = Count()
            holding = asyncio.create_task(load(server.port, 3, given.minutes * 60, rate, count))
            points = await watch(server.pid, holding, count, servers)
            await settled(server)
            return report(given, count, points, complaints(server.log.read_text()))
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


async def watch(pid: int, holding: asyncio.Task[None], count: Count, servers: dict[str, object]) -> list[tuple[float, float]]:
    """(seconds, MB) for as long as the load lasts."""
    started = shown = time.monotonic()
    points: list[tuple[float, float]] = []
    while not holding.done():
        await asyncio.wait([holding], timeout=EVERY_SECONDS)
        now, vitals = time.monotonic(), Vitals.of(pid)
        points.append((now - started, vitals.rss_mb))
        for upstream in servers.values():
            upstream.calls.clear()  # type: ignore[attr-defined]
            upstream.asked.clear()  # type: ignore[attr-defined]
        if now - shown >= 60:
            shown = now
            print(
                f"{(now - started) / 60:5.1f} min  {vitals.rss_mb:6.1f} MB  {vitals.fds} files  {count.done} requests  {count.errors} errors",
                flush=True,
            )
    holding.result()
    return points


def report(given: argparse.Namespace, count: Count, points: list[tuple[float, float]], logged: list[str]) -> int:
    """The last line, and whether all is well."""
    for text in [*count.samples, *logged[:10]]:
        print(f"UNEXPECTED {text}")
    figures = {
        "minutes": f"{given.minutes:g}",
        "rps": round(count.done / points[-1][0]),
        "errors": count.errors + len(logged),
        "rss_start_mb": round(quarter(points, last=False), 1),
        "rss_end_mb": round(quarter(points, last=True), 1),
        "rss_slope_mb_per_hour": round(slope(points[len(points) // 4 :]) * 3600, 1),
    }
    print("soak", *(f"{key}={value}" for key, value in figures.items()))
    return 1 if count.errors or logged or not is_flat(points) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(soak(arguments())))
