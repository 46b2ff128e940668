"""A client that times jobs: for each line of JSON on stdin one line of JSON on stdout. Standard library only, no state.

It runs next to the endpoint, inside the cluster, so that what is timed is the product and not a port-forward: `python -c SOURCE`. A line is
`{"url": ..., "jobs": [arguments, ...], "every": seconds?, "leave": seconds?}`: all jobs at once, or one each `every` seconds, whatever became of
those before; with `leave`, the connection is closed that long after the job was sent. The answer is a list with `{"ms", "ok", "text"}` for each, or
`{"left"}`, the time of day at which the connection was closed. Connections are opened before the clock starts.
"""

import asyncio
import json
import sys
import time
import urllib.parse
from typing import Any

VERSION = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}}
SECONDS = 180.0
LIMIT = 64 * 1024 * 1024


def request(url: urllib.parse.SplitResult, arguments: dict[str, Any]) -> bytes:
    """A call of `execute_code`, whole."""
    call = {"name": "execute_code", "arguments": arguments, "_meta": META}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).encode()
    head = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {VERSION}\r\nMcp-Method: tools/call\r\n"
        f"Mcp-Name: execute_code\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def outcome(reply: str) -> dict[str, Any]:
    """Whether the job succeeded, from a JSON reply or the last message of an event stream."""
    messages = [line[5:] for line in reply.splitlines() if line.startswith("data:")]
    message = json.loads(messages[-1] if messages else reply)
    result = message.get("result")
    if result is None:
        return {"ok": False, "text": json.dumps(message.get("error"))}
    return {"ok": not result.get("isError"), "text": "".join(block.get("text", "") for block in result["content"])}


async def run(line: dict[str, Any]) -> list[dict[str, Any]]:
    """All jobs of a line."""
    url, every, leave = urllib.parse.urlsplit(line["url"]), line.get("every", 0), line.get("leave", 0)
    ready = [asyncio.Event() for _ in line["jobs"]]
    go = asyncio.Event()
    tasks = [asyncio.create_task(_job(url, arguments, ready[n], go, n * every, leave)) for n, arguments in enumerate(line["jobs"])]
    if not every:
        await asyncio.gather(*(event.wait() for event in ready))
    go.set()
    # Replies are looked into when all are there: who parses one reads the next one late.
    return [finished(answer) for answer in await asyncio.gather(*tasks)]


def finished(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer with what its reply says."""
    reply = answer.pop("reply", None)
    try:
        return answer if reply is None else {**answer, **outcome(reply.decode())}
    except (ValueError, KeyError) as error:
        return _failed(error)


def _failed(error: Exception) -> dict[str, Any]:
    return {"ms": 0.0, "ok": False, "text": f"{type(error).__name__}: {error}"}


async def _job(
    url: urllib.parse.SplitResult, arguments: dict[str, Any], ready: asyncio.Event, go: asyncio.Event, delay: float, leave: float
) -> dict[str, Any]:
    writer = None
    try:
        if delay:
            await asyncio.sleep(delay)
        reader, writer = await asyncio.open_connection(url.hostname, url.port or 80, limit=LIMIT)
        data = request(url, arguments)
        ready.set()
        await go.wait()
        started = time.perf_counter()
        writer.write(data)
        if leave:
            await asyncio.sleep(leave)
            return {"left": time.time()}
        async with asyncio.timeout(SECONDS):
            reply = await _reply(reader)
        return {"ms": (time.perf_counter() - started) * 1000, "reply": reply}
    except (OSError, ValueError, EOFError) as error:
        return _failed(error)
    finally:
        ready.set()
        if writer is not None:
            writer.close()


async def _reply(reader: asyncio.StreamReader) -> bytes:
    """The body, to its length where that is told, else to the end of the connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = next((line.split(":")[1] for line in head.split("\r\n") if line.startswith("content-length:")), None)
    return await (reader.readexactly(int(length)) if length is not None else reader.read(-1))


def main() -> None:
    """Serve stdin."""
    for line in sys.stdin:
        print(json.dumps(asyncio.run(run(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
