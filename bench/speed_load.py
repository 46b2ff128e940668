"""Load: a fixed number of keep-alive connections, each with one request at a time, every answer checked before the next.

A process of its own on its own core: `python -m bench.speed_load` reads a `Load` as JSON from stdin and prints an `Outcome` as JSON.
Without `rate` each connection asks as fast as it is answered; with `rate` requests start on a schedule of their own, and their latency counts
from the moment they were due, so that a slow answer cannot hide those that waited behind it.
"""

import array
import asyncio
import itertools
import json
import sys
import time
from dataclasses import asdict, dataclass, field

import httptools
import uvloop

from bench.figures import percentile
from bench.speed_processes import cpu_seconds
from bench.speed_requests import NUMBER, Request

WRONG = (b'"isError":true', b'"error":')


@dataclass
class Load:
    """What to send where, for how long, and whose CPU time to count."""

    port: int
    alternatives: list[str]
    expected: list[str]
    connections: int
    seconds: float
    warm_up: float
    pid: int
    rate: float = 0.0
    """Requests per second over all connections; 0: as fast as it goes."""

    @staticmethod
    def of(request: Request, **rest: int | float) -> "Load":
        """A load of this request."""
        texts = [[item.decode() for item in items] for items in (request.alternatives, request.expected)]
        return Load(alternatives=texts[0], expected=texts[1], **rest)  # type: ignore[arg-type]


@dataclass
class Outcome:
    """Of the measured part."""

    answers: int = 0
    wrong: int = 0
    sample: str = ""
    """One of the wrong answers."""
    seconds: float = 0.0
    cpu: float = 0.0
    """Seconds of CPU of the process `pid`."""
    own_cpu: float = 0.0
    latencies_ms: dict[str, float] = field(default_factory=dict)

    @property
    def raw(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds

    @property
    def per_core(self) -> float:
        """Answers per second of the server's CPU time."""
        return self.answers / self.cpu if self.cpu else 0.0


class Generator:
    """All connections of one load."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.alternatives = [text.encode().split(NUMBER) for text in load.alternatives]
        self.expected = [text.encode().split(NUMBER) for text in load.expected]
        self.numbers = itertools.count(int(NUMBER))
        self.turn = itertools.cycle(range(len(self.alternatives)))
        self.latencies = array.array("d")
        self.outcome = Outcome()
        self.measuring = False
        self.idle: list[Client] = []
        self.due: list[float] = []
        """Moments at which requests were due that found no idle connection."""

    def answered(self, client: "Client", right: bool, sample: bytes) -> None:
        """Count an answer and go on."""
        if self.measuring:
            self.outcome.answers += 1
            self.latencies.append(time.perf_counter() - client.due)
            if not right:
                self.outcome.wrong += 1
                self.outcome.sample = self.outcome.sample or sample[:600].decode("utf-8", "replace")
        if not self.load.rate:
            client.ask(time.perf_counter())
        elif self.due:
            client.ask(self.due.pop(0))
        else:
            self.idle.append(client)

    async def keep_rate(self) -> None:
        """Start requests when they are due."""
        interval = 1 / self.load.rate
        due = time.perf_counter()
        while True:
            now = time.perf_counter()
            while due <= now:
                if self.idle:
                    self.idle.pop(0).ask(due)
                else:
                    self.due.append(due)
                due += interval
            await asyncio.sleep(max(0.0, due - time.perf_counter()))

    async def run(self) -> Outcome:
        """Connect, warm up, measure."""
        loop = asyncio.get_running_loop()
        clients = [Client(self) for _ in range(self.load.connections)]
        for client in clients:
            await loop.create_connection(lambda client=client: client, "127.0.0.1", self.load.port)  # type: ignore[misc]
        self.idle = list(clients)
        pacing = asyncio.create_task(self.keep_rate()) if self.load.rate else None
        if pacing is None:
            for client in clients:
                client.ask(time.perf_counter())
        await asyncio.sleep(self.load.warm_up)
        self.measuring = True
        started, cpu, own = time.perf_counter(), cpu_seconds(self.load.pid), time.process_time()
        await asyncio.sleep(self.load.seconds)
        self.measuring = False
        self.outcome.seconds = time.perf_counter() - started
        self.outcome.cpu, self.outcome.own_cpu = cpu_seconds(self.load.pid) - cpu, time.process_time() - own
        if pacing is not None:
            pacing.cancel()
        values = [value * 1000 for value in self.latencies]
        self.outcome.latencies_ms = {f"p{percent}": percentile(values, percent) for percent in (50, 90, 99)}
        return self.outcome


class Client(asyncio.Protocol):
    """One connection."""

    transport: asyncio.Transport

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._number = b""
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Kept to ask on."""
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, error: Exception | None) -> None:
        """A server that hangs up while it is measured gives no figure."""
        if self._generator.measuring:
            self._generator.outcome.wrong += 1
            self._generator.outcome.sample = f"connection lost: {error}"

    def ask(self, due: float) -> None:
        """Send the next request."""
        generator = self._generator
        self.due = due
        self._number = b"%d" % next(generator.numbers)
        if not self.transport.is_closing():
            self.transport.write(self._number.join(generator.alternatives[next(generator.turn)]))

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        """A piece of the answer."""
        self._body += data

    def on_message_complete(self) -> None:
        """Check the answer."""
        body, self._body = self._body, b""
        right = self._parser.get_status_code() == 200 and not any(sign in body for sign in WRONG)
        right = right and all(self._number.join(parts) in body for parts in self._generator.expected)
        self._generator.answered(self, right, body)


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(Generator(Load(**json.load(sys.stdin))).run()))))
