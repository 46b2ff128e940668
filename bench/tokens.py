"""What tools cost a client: connected to every server directly, and through the optimizer by discover and execute, or by code.

Scripted, without a model: an agent that makes no detours, with the official client SDK against the real processes. Bytes are those of the HTTP bodies
that this client receives (lists) or sends and receives (calls), JSON-RPC envelope included, handshakes left out. Tokens are cl100k_base's, of what a
model reads and writes: definitions, the call with its arguments, the text of the result. Catalogues: generated ones of 10 to 2,800 tools, the labelled
set of `bench-recall` and the demo's company. docs/tokens.md says what the figures mean and what they do not.
"""

import argparse
import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httpx2
from scripts.stack.tokens import count_tokens

from bench.acme_queries import QUERIES
from bench.children import Server as Process
from bench.children import example_servers, free_port, optimizer, running, settled
from bench.figures import line, percentile
from bench.recall_files import SHIPPED, Server, load_catalogue, load_tasks
from bench.recorder import Clients
from bench.tokens_catalogue import catalogue
from bench.tokens_tasks import Agent, Cost, Step, list_cost, steps_of

TOKENIZER = "cl100k_base"
SIZES = (10, 50, 100, 200, 500, 527, 1000, 2800)
TASKS, REPEATS, ROWS = (1, 3, 6), 20, 30
LANES = ("direct", "discover+execute", "with schemas", "code")


@dataclass(frozen=True)
class Measured:
    """Of one catalogue."""

    tools: int
    servers: int
    direct: Cost
    served: Cost
    tasks: dict[tuple[int, int], dict[str, Cost]]
    """By number of tools and records per result, then by lane, definitions included."""
    discoveries: list[int]
    """Bytes of the replies with 8 hits."""
    discovery: float
    """Mean bytes of a discovery, request included."""
    found: float
    """Percent of the tools that the first query found."""

    def saved(self, tools: int, rows: int, lane: str) -> float:
        """Percent of bytes."""
        costs = self.tasks[tools, rows]
        return saving(costs[lane].bytes, costs["direct"].bytes)


def saving(served: float, direct: float) -> float:
    """Percent."""
    return 100 * (1 - served / direct)


def tokens(text: str) -> int:
    """Counted; an estimate would be no measurement."""
    count, method = count_tokens(text)
    if method != TOKENIZER:
        sys.exit(f"the vocabulary of {TOKENIZER} is missing: run make venv")
    return count


@contextlib.asynccontextmanager
async def upstreams(what: str, servers: Sequence[Server]) -> AsyncIterator[tuple[dict[str, str], str]]:
    """The catalogue's servers, by name, and the address that sets how large their results are."""
    port = free_port()
    async with running([sys.executable, "-m", "bench.tokens_upstream", str(port), what], {}, port):
        base = f"http://127.0.0.1:{port}"
        yield {server.name: f"{base}/{server.name}/mcp" for server in servers}, f"{base}/results"


async def measure(what: str, servers: Sequence[Server], clients: Clients) -> Measured:
    """Everything about one catalogue."""
    agent, steps = Agent(clients, tokens), steps_of(servers)
    async with upstreams(what, servers) as (urls, results), optimizer(urls, module="bench.tokens_server") as server:
        await settled(server.management, len(steps))
        direct = Cost()
        for url in urls.values():
            direct += list_cost(await clients.list_tools(url), tokens)
        served = list_cost(await clients.list_tools(server.url), tokens)
        tasks = {}
        for rows, sizes in ((0, TASKS), (ROWS, TASKS[1:2])):
            async with httpx2.AsyncClient() as http:
                (await http.post(f"{results}/{rows}")).raise_for_status()
            for count in sizes:
                if count <= len(steps):
                    tasks[count, rows] = await lanes(agent, urls, server, steps, count, (direct, served))
        full, mean = await discoveries(agent, clients, server.url, steps)
    return Measured(len(steps), len(servers), direct, served, tasks, full, mean, 100 * agent.found_at_once / agent.asked)


async def lanes(
    agent: Agent, urls: dict[str, str], server: Process, steps: Sequence[Step], count: int, lists: tuple[Cost, Cost]
) -> dict[str, Cost]:
    """Mean cost of a task of `count` tools in each lane; by code once, because each job needs a fresh sandbox."""
    chance = random.Random(count)
    totals = dict.fromkeys(LANES[:3], Cost())
    for _ in range(REPEATS):
        chosen = chance.sample(steps, count)
        totals["direct"] += lists[0] + await agent.directly(urls, chosen)
        totals["discover+execute"] += lists[1] + await agent.by_calls(server.url, chosen)
        totals["with schemas"] += lists[1] + await agent.by_calls(server.url, chosen, schemas=True)
    code = lists[1] + await agent.by_code(server.url, chosen)
    return {**{lane: Cost(cost.bytes // REPEATS, cost.tokens // REPEATS) for lane, cost in totals.items()}, "code": code}


async def discoveries(agent: Agent, clients: Clients, url: str, steps: Sequence[Step]) -> tuple[list[int], float]:
    """Bytes of the replies of 100 discoveries that had 8 hits, and the mean bytes of all, requests included."""
    full, all_bytes = [], []
    async with clients.connect(url) as client:
        for step in random.Random(8).sample(steps, min(100, len(steps))):
            await client.call_tool("discover", {"query": step.queries[0]})
            (exchange,) = clients.recorder.take("tools/call")
            all_bytes.append(exchange.sent + exchange.received)
            if len([text for text in exchange.result["content"][0]["text"].splitlines() if "(" in text]) == 8:
                full.append(exchange.received)
    return full, sum(all_bytes) / len(all_bytes)


def show(measured: Measured, title: str) -> None:
    """A block of the table."""
    direct, served = measured.direct, measured.served
    print(
        f"\n{title}: {measured.tools} tools, {measured.servers} servers, {measured.direct.bytes / measured.tools:.0f} bytes per definition"
    )
    print(
        f"  definitions       direct {direct.bytes:>9} B {direct.tokens:>7} tokens   served {served.bytes:>6} B {served.tokens:>5} tokens",
        end="",
    )
    print(f"   saved {saving(served.bytes, direct.bytes):6.2f} % of bytes, {saving(served.tokens, direct.tokens):6.2f} % of tokens")
    for (count, rows), costs in measured.tasks.items():
        shown = "  ".join(
            f"{lane} {costs[lane].bytes} B, {costs[lane].tokens} t"
            + ("" if lane == "direct" else f" ({measured.saved(count, rows, lane):.2f} %)")
            for lane in LANES
        )
        print(f"  {count}-tool task{f', {rows} records each' if rows else '':<19} {shown}")
    size = (
        f"8 hits: {sum(measured.discoveries) / len(measured.discoveries):.0f} B mean, {percentile(measured.discoveries, 95)} p95, {max(measured.discoveries)} max"
        if measured.discoveries
        else "never 8 hits"
    )
    print(
        f"  discover          {size}; list and one discover saved {saving(served.bytes + measured.discovery, direct.bytes):.2f} %", end=""
    )
    print(f"; the first query found {measured.found:.0f} % of the tools")


async def demo(clients: Clients) -> None:
    """The demo's company and, where it is installed, the reference server: definitions and discovery of real servers."""
    async with example_servers() as urls, optimizer(urls) as server:
        exchanges = [exchange for url in urls.values() for exchange in await clients.list_tools(url)]
        direct = list_cost(exchanges, tokens)
        await settled(server.management, sum(len(exchange.result["tools"]) for exchange in exchanges))
        served = list_cost(await clients.list_tools(server.url), tokens)
        agent, hits = Agent(clients, tokens), 0
        async with clients.connect(server.url) as client:
            for asked, wanted in QUERIES:
                hits += f"acme.{wanted}" in (await agent.discover(client, asked))[1]
    print(
        f"\nreal servers ({', '.join(urls)}): definitions direct {direct.bytes} B, {direct.tokens} tokens; served {served.bytes} B,", end=""
    )
    print(f" {served.tokens} tokens; saved {saving(served.bytes, direct.bytes):.2f} % of bytes; hit@8 {100 * hits / len(QUERIES):.0f} %")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.tokens", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="catalogues to generate; the last line needs 200, 500 and 527")
    return parser.parse_args()


async def run(sizes: Sequence[int]) -> None:
    """Measure and print."""
    clients, by_size = Clients(), {}
    print(f"client: official MCP SDK; tokenizer: {TOKENIZER}; results are said twice by their servers, as text and as structured content")
    for tools in sizes:
        by_size[tools] = await measure(str(tools), catalogue(tools), clients)
        show(by_size[tools], "generated")
    shipped = load_catalogue(SHIPPED / "catalogue.json")
    labelled = await measure(str(SHIPPED / "catalogue.json"), shipped, clients)
    show(labelled, f"labelled set (its recall: make bench-recall, {len(load_tasks(SHIPPED / 'tasks.jsonl', shipped))} queries)")
    await demo(clients)
    if not {200, 500, 527} <= by_size.keys():
        return
    at200, at500, at527 = by_size[200], by_size[500], by_size[527]
    print(
        line(
            "tokens",
            tools=at527.tools,
            direct_bytes=at527.direct.bytes,
            served_bytes=at527.served.bytes,
            meta_tokens=at527.served.tokens,
            definitions_saved_pct_200=saving(at200.served.bytes, at200.direct.bytes),
            definitions_saved_pct_500=saving(at500.served.bytes, at500.direct.bytes),
            list_find_saved_pct_500=saving(at500.served.bytes + at500.discovery, at500.direct.bytes),
            task3_saved_pct_527=at527.saved(3, 0, "discover+execute"),
            discover8_bytes=round(sum(at500.discoveries) / len(at500.discoveries)),
        )
    )


def main() -> None:
    """Run."""
    asyncio.run(run(arguments().sizes))


if __name__ == "__main__":
    main()
