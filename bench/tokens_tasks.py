"""The same task done three ways, as an agent would do it that makes no detours: every byte on the wire, and the tokens its model reads and writes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mcp import Client

from bench.recall_files import Server
from bench.recorder import Clients, Exchange
from bench.tokens_catalogue import arguments, query

Count = Callable[[str], int]


@dataclass(frozen=True)
class Cost:
    """Of a list, a call or a whole task."""

    bytes: int = 0
    tokens: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.bytes + other.bytes, self.tokens + other.tokens)


@dataclass(frozen=True)
class Step:
    """A tool that the task needs."""

    server: str
    definition: dict[str, Any]

    @property
    def id(self) -> str:
        """`server.tool`."""
        return f"{self.server}.{self.definition['name']}"

    @property
    def queries(self) -> list[str]:
        """What is asked until it is found: the action and the thing; then with the name of the server."""
        asked = query(self.definition)
        return [asked, f"{asked} {self.server}", self.id]


def steps_of(catalogue: Sequence[Server]) -> list[Step]:
    """Every tool."""
    return [Step(server.name, tool) for server in catalogue for tool in server.tools]


def list_cost(exchanges: Sequence[Exchange], count: Count) -> Cost:
    """Of definitions: the replies, and the tokens of the definitions in them."""
    tools = [tool for exchange in exchanges for tool in exchange.result["tools"]]
    return Cost(sum(exchange.received for exchange in exchanges), count(_compact(tools)))


class Agent:
    """Does tasks with the official client and adds up what they cost."""

    def __init__(self, clients: Clients, count: Count) -> None:
        self._clients = clients
        self._count = count
        self.asked = self.found_at_once = 0
        self.discoveries: list[tuple[int, int]] = []
        """Hits and bytes of the reply of each discovery by query."""

    async def directly(self, urls: dict[str, str], steps: Sequence[Step]) -> Cost:
        """Each tool is called at its server."""
        total = Cost()
        for step in steps:
            async with self._clients.connect(urls[step.server]) as client:
                total += (await self._call(client, step.definition["name"], arguments(step.definition)))[0]
        return total

    async def by_calls(self, url: str, steps: Sequence[Step], *, schemas: bool = False) -> Cost:
        """Per tool a discover and an execute; with `schemas` a look at the full schema in between."""
        total = Cost()
        async with self._clients.connect(url) as client:
            for step in steps:
                total += await self._discover(client, step)
                if schemas:
                    total += (await self._call(client, "discover", {"ids": [step.id]}))[0]
                total += (await self._call(client, "execute", {"tool": step.id, "arguments": arguments(step.definition)}))[0]
        return total

    async def by_code(self, url: str, steps: Sequence[Step]) -> Cost:
        """Per tool a discover, then one program that calls them all and prints what was asked for."""
        calls = [f'"{step.id}": {arguments(step.definition)!r}' for step in steps]
        code = (
            f"calls = {{{', '.join(calls)}}}\nresults = [call(tool, **arguments) for tool, arguments in calls.items()]\n"
            'print(sum(row["amount"] for result in results for row in result.get("records", ())))'
        )
        total = Cost()
        async with self._clients.connect(url) as client:
            for step in steps:
                total += await self._discover(client, step)
            cost, text = await self._call(client, "execute_code", {"code": code})
        if '"calls":' not in text or f'"calls":{len(steps)}' not in text:
            raise RuntimeError(f"the job did not make its calls: {text[:500]}")
        return total + cost

    async def discover(self, client: Client, asked: str) -> tuple[Cost, list[str]]:
        """One discovery: its cost and the identifiers it showed."""
        cost, text = await self._call(client, "discover", {"query": asked})
        hits = [line.split("(")[0] for line in text.splitlines() if "(" in line]
        return cost, hits

    async def _discover(self, client: Client, step: Step) -> Cost:
        total = Cost()
        self.asked += 1
        for attempt, asked in enumerate(step.queries):
            cost, hits = await self.discover(client, asked)
            total += cost
            if step.id in hits or attempt == 2:
                self.found_at_once += attempt == 0
                return total
        return total

    async def _call(self, client: Client, name: str, given: dict[str, Any]) -> tuple[Cost, str]:
        """The exchange of one call, and the text of its result."""
        result = await client.call_tool(name, given)
        text = "".join(getattr(block, "text", "") for block in result.content)
        if result.is_error:
            raise RuntimeError(f"{name} {given}: {text[:500]}")
        (exchange,) = self._clients.recorder.take("tools/call")
        tokens = self._count(_compact({"name": name, "arguments": given})) + self._count(text)
        return Cost(exchange.sent + exchange.received, tokens), text


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
