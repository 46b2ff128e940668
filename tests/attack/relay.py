"""A Pod in the cluster to dial others from, as its neighbour would, and the witness of what gets out of a sandbox."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from .vocabulary import Manifest

PROGRAM = Path(__file__).with_name("relay_program.py")
RELAY_PORT, WITNESS_PORT = 7000, 7001
MAX_ANSWER_BYTES = 16 * 1024 * 1024


def relay_pod(name: str, image: str, labels: dict[str, str]) -> Manifest:
    """The Pod. Its `labels` decide which policies let it in where."""
    container = {
        "name": "relay",
        "image": image,
        "command": ["python", "-c", PROGRAM.read_text()],
        "readinessProbe": {"tcpSocket": {"port": RELAY_PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
    }
    spec = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


class Unreachable(Exception):
    """The relay could not connect: dropped, refused or gone."""


class Frames:
    """A connection to a job agent, frame by frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, frame: Manifest) -> None:
        """One frame."""
        body = json.dumps(frame).encode()
        self.writer.write(struct.pack(">I", len(body)) + body)
        await self.writer.drain()

    async def receive(self) -> Manifest:
        """One frame; IncompleteReadError (an EOFError) when the agent closed."""
        (length,) = struct.unpack(">I", await self.reader.readexactly(4))
        frame: Manifest = json.loads(await self.reader.readexactly(length))
        return frame


class Relay:
    """Reached through a port of this machine."""

    def __init__(self, port: int, ip: str) -> None:
        self._port = port
        self.ip = ip

    @contextlib.asynccontextmanager
    async def dial(self, host: str, port: int) -> AsyncIterator[Frames]:
        """A connection from the relay's Pod to `host`; Unreachable when there is none within 3 s."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(f"{host} {port}\n".encode())
            answer = await reader.readline()
            if answer != b"ok\n":
                raise Unreachable(answer.decode().strip() or "the relay is gone")
            yield Frames(reader, writer)
        finally:
            writer.close()

    async def witnessed(self) -> list[Any]:
        """What arrived at the witness so far."""
        return await self._asked("witnessed")

    async def knock(self, places: Iterable[str], *, seconds: float) -> list[str]:
        """Which `HOST:PORT` accepted a connection from the relay's Pod within `seconds`; each is tried several times a second."""
        return await self._asked(" ".join(["knock", f"{seconds:g}", *places]))

    async def _asked(self, question: str) -> list[Any]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=MAX_ANSWER_BYTES)
        writer.write(f"{question}\n".encode())
        # `kubectl port-forward` takes a second to pass on an end: the answer is a line.
        found: list[Any] = json.loads(await reader.readline())
        writer.close()
        return found
