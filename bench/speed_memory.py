"""What connections and requests cost in memory, measured from outside: resident pages of the server process."""

import asyncio
import itertools
import time

from bench.speed_processes import resident_kb
from bench.speed_requests import LEGACY, MODERN, NUMBER, Request, direct, discover, listing

IDLE = 1000
OPEN = 200
OPEN_MS = 4000
PARALLEL = 50
_numbers = itertools.count(int(NUMBER))

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(stream: Stream, request: Request) -> bytes:
    """One request on an open connection; its answer's body."""
    reader, writer = stream
    number = next(_numbers)
    alternative = request.alternatives[number % len(request.alternatives)]
    writer.write(alternative.replace(NUMBER, b"%d" % number))
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"content-length:" in head:
        body = await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    else:
        body = await reader.readuntil(b"0\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0] or b'"isError":true' in body:
        raise SystemExit(f"wrong answer: {(head + body)[:600]!r}")
    return body


async def distinct_clients(port: int, count: int) -> None:
    """So many clients come, of both eras by turns, each on its own connection: they list, search and leave."""

    async def one(number: int) -> None:
        era = LEGACY if number % 2 else MODERN
        stream = await asyncio.open_connection("127.0.0.1", port)
        await ask(stream, listing(era))
        await ask(stream, _SEARCHES[era])
        stream[1].close()

    for first in range(0, count, PARALLEL):
        await asyncio.gather(*(one(number) for number in range(first, first + PARALLEL)))


_SEARCHES = {era: discover(era) for era in (LEGACY, MODERN)}


async def measure(port: int, pid: int, tool: str) -> dict[str, float]:
    """`session_kb` per idle connection. Prints the KB of an open request."""
    request, held = direct(tool), direct(tool, delay_ms=OPEN_MS)
    await _hold(port, request, 200)  # what the first clients ever make the process allocate is not theirs
    before = resident_kb(pid)
    streams = await _connect(port, request, IDLE)
    per_session = (resident_kb(pid) - before) / IDLE
    before = resident_kb(pid)
    asked = [asyncio.create_task(ask(stream, held)) for stream in streams[:OPEN]]
    peak, end = before, time.monotonic() + OPEN_MS / 1000
    while time.monotonic() < end and not any(task.done() for task in asked):
        peak = max(peak, resident_kb(pid))
        await asyncio.sleep(0.05)
    await asyncio.gather(*asked)
    for _, writer in streams:
        writer.close()
    print(f"memory: idle connection {per_session:.1f} KB, open request {(peak - before) / OPEN:.1f} KB", flush=True)
    return {"session_kb": per_session}


async def _connect(port: int, request: Request, count: int) -> list[Stream]:
    streams = []
    for _ in range(count):
        stream = await asyncio.open_connection("127.0.0.1", port)
        await ask(stream, request)
        streams.append(stream)
    return streams


async def _hold(port: int, request: Request, count: int) -> None:
    for _, writer in await _connect(port, request, count):
        writer.close()
