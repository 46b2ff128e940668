"""A pool of Pods to be fought over: each is the agent's own latch behind a port of its own, with a job in it that takes no time and no process."""

import asyncio
import itertools
import json
import weakref
from typing import Any

from mcp_optimizer_api.job import pod_token, token_digest
from mcp_optimizer_api.names import COMPONENT_LABEL
from mcp_sandbox import agent
from mcp_sandbox.agent import Agent
from mcp_sandbox.frames import encode
from mcp_sandbox.owner import Owner
from mcp_sandbox.settings import Settings
from mcp_sandbox.stream import FrameStream
from tests.agent_process import POOL_KEY

OWNER = "uid-of-our-optimizer"
LAG_SECONDS = 0.05
"""How long after a claim the watch still shows a Pod as warm, and its agent refuses; of a kubelet it is a second or two."""
STOP_SECONDS = 10.0


class LightWorker:
    """In place of the preforked process: only says whose it is."""

    def __init__(self, pod: str) -> None:
        self.pod = pod


class LightJob:
    """In place of `RunningJob`: what it does is to have been there."""

    def __init__(self, pods: "Pods", pod: str, request: Any, owner: Owner) -> None:
        self.name, self._request, self._owner, self._pods, self._pod = request.job, request, owner, pods, pod

    def begin(self) -> None:
        """Run: say which Pod ran which claim."""
        self._pods.ran(self._pod, self._request.first.params["claim"])
        self._owner.send(encode({"type": "accepted", "job": self.name}))
        self._owner.end_with(encode({"type": "result", "ok": True, "value": self._pod, "run": 1, "durationMs": 0}), lambda: None)

    def from_owner(self, body: bytes) -> None:
        """Nothing that matters."""

    def owner_lost(self) -> None:
        """It is over anyway."""

    def pressure(self, stream: object, full: bool) -> None:
        """Nothing is produced."""


class Pods:
    """Keeps `size` of them warm and tells every watcher, a little late."""

    def __init__(self, size: int, *, watchers: int, replicas: tuple[str, ...], make: type[Agent] = Agent) -> None:
        """Nobody hears of a Pod before `watchers` ask: on a busy machine the first would be done when the last begins."""
        self.runs: list[tuple[str, str]] = []
        """Pod and claim of each job that ran."""
        self._size, self._replicas, self._make = size, replicas, make
        self._numbers = itertools.count()
        self._shown: dict[str, dict[str, Any]] = {}
        self._servers: dict[str, asyncio.Server] = {}
        self._watchers: list[asyncio.StreamWriter] = []
        self._all_here = asyncio.Barrier(watchers)
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams: weakref.WeakSet[FrameStream] = weakref.WeakSet()

    async def start(self) -> int:
        """Fill the pool; the port of the watch."""
        for _ in range(self._size):
            await self._add()
        self._servers["watch"] = await asyncio.start_server(self._watch, "127.0.0.1", 0)
        return int(self._servers["watch"].sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close everything."""
        await self._all_here.abort()
        await asyncio.gather(*self._tasks)
        for server in self._servers.values():
            server.close()
        for writer in self._watchers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._watchers), return_exceptions=True)
        # A replica that was slow may have left connections that nobody has read to their end.
        async with asyncio.timeout(STOP_SECONDS):
            while left := [stream for stream in self._streams if not stream.lost]:
                for stream in left:
                    stream.abort()
                await asyncio.sleep(LAG_SECONDS)

    def ran(self, pod: str, claim: str) -> None:
        """A job ran: the Pod is replaced at once, and seen to be gone later."""
        self.runs.append((pod, claim))
        if pod in self._shown:
            task = asyncio.get_running_loop().create_task(self._replace(pod, self._shown.pop(pod)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _replace(self, pod: str, manifest: dict[str, Any]) -> None:
        await self._add()
        await asyncio.sleep(LAG_SECONDS)
        ended = {"terminated": {"reason": "Completed", "exitCode": 0}}
        self._tell("deleted", {**manifest, "status": {"containerStatuses": [{"state": ended}]}})
        # What was dialled before that is still answered.
        await asyncio.sleep(LAG_SECONDS)
        self._servers.pop(pod).close()

    async def _add(self) -> None:
        number = next(self._numbers)
        # Of many addresses: each of the thousands of connections keeps its address and port for a minute after its end.
        name, host = f"pod-{number}", f"127.0.{number % 100}.2"
        settings = Settings(
            pod=name,
            token_sha256=token_digest(pod_token(POOL_KEY, name)),
            idle_seconds=3600,
            linger_seconds=0,
            workdir="/",
            port=0,
            health_port=0,
            bind=host,
            egress_probe=None,
        )
        pod = self._make(settings, LightWorker(name))  # type: ignore[arg-type]
        pod._worker_ready = pod._open = True
        assert pod._why_not_ready() is None
        server = await asyncio.get_running_loop().create_server(lambda: self._stranger(pod), host, 0, backlog=128)
        self._servers[name] = server
        self._shown[name] = _manifest(name, *server.sockets[0].getsockname())
        self._tell("changed", self._shown[name])

    def _stranger(self, pod: Agent) -> FrameStream:
        stream = agent._Stranger(pod)
        self._streams.add(stream)
        return stream

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replicas = [_server_pod(name) for name in self._replicas]
        self._watchers.append(writer)
        await self._all_here.wait()
        writer.write(_line("listed", *replicas, *self._shown.values()))

    def _tell(self, kind: str, manifest: dict[str, Any]) -> None:
        for writer in self._watchers:
            # A replica that is done with its claims has hung up.
            if not writer.is_closing():
                writer.write(_line(kind, manifest))


def _line(kind: str, *objects: dict[str, Any]) -> bytes:
    return json.dumps({"kind": kind, "objects": objects}).encode() + b"\n"


def _manifest(name: str, host: str, port: int) -> dict[str, Any]:
    container = {
        "env": [{"name": "MCP_SANDBOX_TOKEN_SHA256", "value": token_digest(pod_token(POOL_KEY, name))}],
        "ports": [{"name": "job", "containerPort": port}],
    }
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "ownerReferences": [{"uid": OWNER, "controller": True}]},
        "spec": {"containers": [container]},
        "status": {"podIP": host, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def _server_pod(name: str) -> dict[str, Any]:
    found = _manifest(name, "127.0.0.1", 0)
    found["metadata"] = {"name": name, "uid": name, "labels": {COMPONENT_LABEL: "server"}}
    return found
