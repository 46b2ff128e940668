"""How many requests one core answers, how much time and memory a request costs, beside servers that do less or the same another way.

Every server is a process of its own on core 0; the fixture behind the gateway and the load are on core 1. Figures are answers per second of
the server's CPU time (`per core`), so that a neighbour on the machine does not change them much; what the clock says stands beside them. Every
answer is checked. Rounds of all servers alternate; the median of the rounds counts. Ends with one line of figures. Arguments: only the
figures wanted, for example `python -m bench.speed passthrough_rps aiohttp_proxy_rps`.
"""

import asyncio
import contextlib
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from bench import speed_memory, speed_requests
from bench.children import Server, optimizer, settled
from bench.figures import line
from bench.speed_catalogue import CALL_TOOL
from bench.speed_load import Load, Outcome
from bench.speed_processes import LOAD_CORE, SERVER_CORE, apply, on_core, resident_kb, upstream, yardstick
from bench.speed_requests import LEGACY, Request

TOOLS = 500
ROUNDS = 3
SECONDS = 3.0
WARM_UP = 1.0
CONNECTIONS = 16
CLIENTS = 10_000
TOOL = f"shop.{CALL_TOOL}"


@dataclass(frozen=True)
class Target:
    """Where a request goes."""

    port: int
    pid: int


@dataclass(frozen=True)
class Scenario:
    """One throughput figure."""

    key: str
    what: str
    server: str
    request: Request
    rounds: int = ROUNDS
    seconds: float = SECONDS
    connections: int = CONNECTIONS


DIRECT_UPSTREAM = speed_requests.direct(CALL_TOOL)
SCENARIOS = (
    Scenario("passthrough_rps", "tools/call of a listed tool, 2026 client, mcp_only", "direct", speed_requests.direct(TOOL)),
    Scenario("execute_rps", "the same tool through execute, 2026 client, hybrid", "hybrid", speed_requests.execute(TOOL)),
    Scenario("passthrough_legacy_client_rps", "listed tool, 2025 client", "direct", speed_requests.direct(TOOL, LEGACY)),
    Scenario("legacy_upstream_rps", "listed tool, 2026 client, a server of 2025 with sessions", "legacy", speed_requests.direct(TOOL)),
    Scenario("legacy_both_rps", "the same, 2025 client", "legacy", speed_requests.direct(TOOL, LEGACY)),
    Scenario(
        "legacy_sse_upstream_rps", "the same server, answering by event stream; 2026 client", "legacy-sse", speed_requests.direct(TOOL)
    ),
    Scenario("discover_rps", f"a search over {TOOLS} tools", "hybrid", speed_requests.discover()),
    Scenario("meta_rps", "the schema of one tool from discover: no search, no server", "hybrid", speed_requests.schema_of(TOOL)),
    Scenario("list_rps", "tools/list of the meta-tools", "hybrid", speed_requests.listing()),
    Scenario("sdk_rps", "listed tool, 2026 client, MCP_FAST_PATH=0", "slow", speed_requests.direct(TOOL)),
    Scenario("bare_asgi_rps", "uvicorn, header checks and JSON, a fixed answer", "bare", DIRECT_UPSTREAM),
    Scenario("aiohttp_proxy_rps", "the body through one aiohttp session, no policy", "proxy", DIRECT_UPSTREAM),
    Scenario("sdk_server_rps", "the SDK's own server with one tool, no gateway", "sdk", DIRECT_UPSTREAM),
    Scenario("fastmcp_proxy_rps", "fastmcp create_proxy, one connection", "fastmcp", DIRECT_UPSTREAM, 1, 10.0, 1),
)
LINE_ONLY = ("execute_rps", "legacy_both_rps", "legacy_sse_upstream_rps", "list_rps", "sdk_server_rps")
"""Printed, but not in the last line."""


async def gateway(stack: contextlib.AsyncExitStack, kind: str, mode: str, fast: bool = True) -> Server:
    """A gateway with one server of `TOOLS` tools behind it."""
    url = await stack.enter_async_context(upstream(kind, TOOLS))
    extra = {} if fast else {"MCP_FAST_PATH": "0"}
    server = await stack.enter_async_context(optimizer({"shop": url}, mode=mode, prefix=on_core(SERVER_CORE), extra=extra))
    await settled(server.management, TOOLS)
    return server


def gateways(stack: contextlib.AsyncExitStack) -> dict[str, Callable[[], Awaitable[Server]]]:
    """How each gateway is started."""
    return {
        "hybrid": lambda: gateway(stack, "modern", "hybrid"),
        "direct": lambda: gateway(stack, "modern", "mcp_only"),
        "legacy": lambda: gateway(stack, "legacy", "mcp_only"),
        "legacy-sse": lambda: gateway(stack, "legacy-sse", "mcp_only"),
        "slow": lambda: gateway(stack, "modern", "mcp_only", fast=False),
    }


@contextlib.asynccontextmanager
async def targets(wanted: set[str]) -> AsyncIterator[dict[str, Target]]:
    """The servers of these names, running."""
    async with contextlib.AsyncExitStack() as stack:
        found: dict[str, Target] = {}
        behind = await stack.enter_async_context(upstream("modern", TOOLS))
        starters = gateways(stack)
        for name in wanted:
            if name in starters:
                server = await starters[name]()
                found[name] = Target(_port(server.url), server.pid)
            else:
                found[name] = Target(*await stack.enter_async_context(yardstick(name, behind)))
        yield found


async def run(scenario: Scenario, target: Target) -> Outcome:
    """One round."""
    size = {"connections": scenario.connections, "seconds": scenario.seconds, "warm_up": WARM_UP}
    return await apply(Load.of(scenario.request, port=target.port, pid=target.pid, **size))


async def throughput(scenarios: list[Scenario]) -> tuple[dict[str, float], dict[str, float]]:
    """Answers per second of each scenario: per core, and by the clock."""
    per_core: dict[str, list[float]] = {scenario.key: [] for scenario in scenarios}
    raw: dict[str, list[float]] = {scenario.key: [] for scenario in scenarios}
    async with targets({scenario.server for scenario in scenarios}) as found:
        for number in range(ROUNDS):
            for scenario in scenarios:
                if number >= scenario.rounds:
                    continue
                outcome = await run(scenario, found[scenario.server])
                per_core[scenario.key].append(outcome.per_core)
                raw[scenario.key].append(outcome.raw)
    for scenario in scenarios:
        values = " ".join(f"{value:.0f}" for value in per_core[scenario.key])
        print(f"{scenario.key}: {scenario.what}: per core {values}; by the clock {statistics.median(raw[scenario.key]):.0f}", flush=True)
    return (*({key: statistics.median(values) for key, values in kind.items()} for kind in (per_core, raw)),)  # type: ignore[return-value]


async def latency(request: Request, target: Target, connections: int = 1, rate: float = 0.0) -> dict[str, float]:
    """p50, p90 and p99 in ms."""
    load = Load.of(request, port=target.port, pid=target.pid, connections=connections, seconds=SECONDS, warm_up=WARM_UP, rate=rate)
    return (await apply(load)).latencies_ms


async def latencies(maximum: float) -> dict[str, float]:
    """The figures in milliseconds. `maximum`: pass-through answers per second by the clock."""
    async with contextlib.AsyncExitStack() as stack:
        behind = Target(_port(await stack.enter_async_context(upstream("modern", TOOLS))), 1)
        direct, hybrid = [
            Target(_port(server.url), server.pid) for server in [await gateways(stack)[name]() for name in ("direct", "hybrid")]
        ]
        pairs = [(await latency(DIRECT_UPSTREAM, behind), await latency(speed_requests.direct(TOOL), direct)) for _ in range(ROUNDS)]
        added = {key: statistics.median(through[key] - alone[key] for alone, through in pairs) for key in ("p50", "p99")}
        print(f"added at one connection: p50 {added['p50']:.3f} ms, p99 {added['p99']:.3f} ms", flush=True)
        before = await latency(speed_requests.discover(), hybrid)
        await speed_memory.distinct_clients(hybrid.port, CLIENTS)
        after = await latency(speed_requests.discover(), hybrid)
        print(f"discover at one connection: p50 {before['p50']:.3f} ms; after {CLIENTS} clients {after['p50']:.3f} ms", flush=True)
        rounds = [await latency(speed_requests.direct(TOOL), direct, connections=1000, rate=0.3 * maximum) for _ in range(ROUNDS)]
        many = {key: statistics.median(values[key] for values in rounds) for key in ("p50", "p99")}
        print(f"1,000 connections at {0.3 * maximum:.0f} requests/s: p50 {many['p50']:.2f} ms, p99 {many['p99']:.2f} ms", flush=True)
    return {"discover_p50_ms": max(before["p50"], after["p50"]), "added_p50_ms": added["p50"], "p99_ms_1000conn_30pct": many["p99"]}


async def memory() -> dict[str, float]:
    """The figures in MB and KB."""
    async with contextlib.AsyncExitStack() as stack:
        bare = await stack.enter_async_context(optimizer({}, prefix=on_core(SERVER_CORE)))
        server = await gateway(stack, "modern", "mcp_only")
        base = resident_kb(bare.pid) / 1024
        print(f"memory: {base:.1f} MB before any server, {resident_kb(server.pid) / 1024:.1f} MB with {TOOLS} tools", flush=True)
        return {"base_mb": base, **await speed_memory.measure(_port(server.url), server.pid, TOOL)}


def _port(url: str) -> int:
    return int(url.rsplit(":", 1)[1].split("/")[0])


async def main(wanted: set[str]) -> None:
    """Measure and print."""
    print(
        f"servers on core {SERVER_CORE}, load and fixture on core {LOAD_CORE}; {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS:g} s"
    )
    per_core, raw = await throughput([scenario for scenario in SCENARIOS if not wanted or scenario.key in wanted])
    figures: dict[str, float] = {key: round(value) for key, value in per_core.items() if wanted or key not in LINE_ONLY}
    if not wanted or wanted & {"added_p50_ms", "discover_p50_ms", "p99_ms_1000conn_30pct"}:
        figures |= await latencies(raw.get("passthrough_rps", 3000.0))
    if not wanted or wanted & {"base_mb", "session_kb"}:
        figures |= await memory()
    print(line("speed", **{key: figures[key] for key in ORDER if key in figures} | (figures if wanted else {})))


ORDER = (
    "passthrough_rps", "passthrough_legacy_client_rps", "legacy_upstream_rps", "discover_rps", "discover_p50_ms", "meta_rps", "sdk_rps",
    "bare_asgi_rps", "aiohttp_proxy_rps", "fastmcp_proxy_rps", "added_p50_ms", "p99_ms_1000conn_30pct", "base_mb", "session_kb",
)  # fmt: skip

if __name__ == "__main__":
    asyncio.run(main(set(sys.argv[1:])))
