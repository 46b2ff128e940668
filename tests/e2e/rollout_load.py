"""A bounded mix of MCP clients, run in a Pod: through the Service, as agents do. Prints a running tally, one JSON line a second.

Self-contained on purpose (standard library, aiohttp and the official SDK): the test ships this one file into the image of the server. Each kind
of client meets a rollout in its own way: a fresh connection may land on a Pod that has just left the Service, a kept one must be
told to move on before its Pod ends, and a job outlives the moment at which its Pod is asked to end.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import aiohttp
from mcp import Client

URL = sys.argv[1]
HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
EXECUTE = {"tool": "acme.billing_list_invoices", "arguments": {"limit": 1}}
DISCOVER = {"query": "list invoices of a customer"}

done: Counter[str] = Counter()
failures: list[str] = []
slowest: dict[str, float] = {}


async def sdk_once(mode: str) -> None:
    """A client that connects, asks for two things and leaves."""
    async with Client(URL, mode=mode, read_timeout_seconds=30) as client:
        await sdk_calls(client)


async def sdk_calls(client: Client) -> None:
    """What agents do most."""
    for name, arguments in (("discover", DISCOVER), ("execute", EXECUTE)):
        result = await client.call_tool(name, arguments)
        if result.is_error:
            raise RuntimeError(f"{name}: {result.content}")


async def code(client: Client) -> None:
    """A job that takes as long as a Pod takes to leave its Service."""
    source = "import time\ntime.sleep(3)\ncall('acme.billing_list_invoices', limit=1)"
    result = await client.call_tool("execute_code", {"code": source})
    if result.is_error:
        raise RuntimeError(f"execute_code: {result.content}")


async def raw(http: aiohttp.ClientSession) -> None:
    """One stateless request of the earlier era, on whatever connection the pool has."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "execute", "arguments": EXECUTE}}
    async with http.post(URL, json=body, headers=HEADERS) as response:
        text = await response.text()
        if response.status != 200 or '"result"' not in text or '"isError":true' in text:
            raise RuntimeError(f"HTTP {response.status}: {text[:300]}")


async def repeat(name: str, work: Callable[[], Awaitable[None]], pause: float) -> None:
    """One kind of request, one after the other."""
    while True:
        started = time.monotonic()
        try:
            await work()
            done[name] += 1
        except Exception as error:
            parts = error.exceptions if isinstance(error, BaseExceptionGroup) else (error,)
            failures.append(f"{time.strftime('%H:%M:%S')} {name}: " + "; ".join(f"{type(part).__name__}: {part}"[:300] for part in parts))
        slowest[name] = max(slowest.get(name, 0.0), time.monotonic() - started)
        await asyncio.sleep(pause)


async def kept(mode: str, name: str, work: Callable[[Client], Awaitable[None]], pause: float) -> None:
    """A client that stays connected for the whole rollout."""
    async with Client(URL, mode=mode, read_timeout_seconds=60) as client:
        await repeat(name, lambda: work(client), pause)


async def report() -> None:
    """The tally."""
    while True:
        tally = {
            "done": dict(done),
            "failed": len(failures),
            "failures": failures[:20],
            "slowest": {k: round(v, 3) for k, v in slowest.items()},
        }
        print(json.dumps(tally), flush=True)  # noqa: T201 - the test reads the Pod's log
        await asyncio.sleep(1)


async def main() -> None:
    """All of them at once, until the Pod is deleted."""
    fresh = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession() as pooled, aiohttp.ClientSession(connector=fresh) as single:
        await asyncio.gather(
            report(),
            repeat("sdk fresh, modern", lambda: sdk_once("2026-07-28"), 0.5),
            repeat("sdk fresh, legacy", lambda: sdk_once("legacy"), 0.5),
            kept("2026-07-28", "sdk kept, modern", sdk_calls, 0.1),
            kept("legacy", "sdk kept, legacy", sdk_calls, 0.1),
            kept("2026-07-28", "code", code, 0.1),
            repeat("raw fresh", lambda: raw(single), 0.05),
            *(repeat("raw kept", lambda: raw(pooled), 0.05) for _ in range(3)),
        )


if __name__ == "__main__":
    asyncio.run(main())
