"""The process as a whole: what is built from what, in which order it starts, and how it ends without losing a request."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from mcp_types import SERVER_INFO_META_KEY

from mcp_optimizer_api.config import ServerConfig

from .admission import Admission
from .artifacts import Artifacts
from .cancellations import Cancellations
from .changes import Changes
from .config_source import follow, from_config_map, from_file
from .discovery import Discovery
from .endpoint import Endpoint
from .fastpath import FastPath, FastPathCollector
from .federation import Federation
from .flow_metrics import FlowCollector
from .gate import Gate
from .invoke import Invoker
from .job_metrics import JobStoresCollector
from .keys import Keys
from .kube import KubeClient
from .lane import SandboxLane
from .lanes import lane_of, with_fast_lane
from .listener import Listener
from .management import Management
from .meaning import EmbeddingClient
from .patience import Patience
from .preflight.preflight import Preflight
from .protocol import LegacyClients, build_hosted, build_server
from .recording import Recordings
from .seal import Sealer
from .settings import Settings
from .snapshot import Snapshot
from .state.address import Address
from .state.handles import Handles
from .state.metrics import KeptCollector
from .state.peers import Peers
from .state.signature import Signatures
from .state.tasks import Tasks
from .state_metrics import StateCollector
from .subscriptions import Sessions
from .telemetry import Telemetry
from .tools.code import Aids, CodeSessions, CodeTool, Stores
from .tools.questions import Questions
from .tracing.span import Value

log = logging.getLogger(__name__)

LAST_SECONDS = 3
"""What is left for streams to say goodbye when calls take all the time there is."""
FIRST_ATTEMPT_SECONDS = 5.0
"""How long a new Pod may wait for its servers before it reports ready without them."""


class Process:
    """Everything that runs, started by `run` and ended by setting `stop`."""

    def __init__(self, settings: Settings, *, kube: KubeClient | None = None, lane: SandboxLane | None = None) -> None:
        self.settings = settings
        self.stop, self.listening = asyncio.Event(), asyncio.Event()
        self.mcp_port = self.management_port = 0
        self._kube = kube or (KubeClient.in_cluster() if settings.config.startswith("configmap:") else None)
        self._config: ServerConfig | None = None
        self.telemetry = Telemetry()
        self.keys = Keys(settings.sandbox_key_file)
        self.sealer = Sealer(self.keys)
        self.peers = Peers(Signatures(self.keys))
        self.handles = Handles(self.sealer, self.peers)
        self.tasks = Tasks(self.sealer, self.peers)
        self.lane = with_fast_lane(lane or lane_of(self._kube, settings.sandbox_key_file, settings.pod, self.peers), self.telemetry)
        self.changes = Changes()
        self.federation = Federation(self._on_snapshot, self.changes.resource)
        self.discovery = Discovery(EmbeddingClient(settings.embedding_key_file), self.telemetry.registry)
        invoker = Invoker(self.federation, self.telemetry, self.sealer, self.discovery.called)
        self.artifacts, self.recordings = Artifacts(self.handles), Recordings(self.sealer, self.peers)
        self.aids = Aids(Preflight(self.telemetry.registry), Questions(invoker.snapshot, self.discovery))
        kept = CodeSessions(self.lane, invoker, self.aids, self.artifacts, self.sealer, self.peers, self.tasks)
        code = CodeTool(self.lane, invoker, Stores(self.artifacts, self.recordings), self.aids, self.tasks, kept)
        endpoint = Endpoint(invoker, code, self.telemetry, self.handles, self.discovery, self.artifacts)
        sessions = Sessions()
        server = build_server(endpoint, invoker, self.tasks, self.changes, sessions)
        self._hosted = build_hosted(server)
        self.telemetry.registry.register(StateCollector(self.federation, self.lane))
        self.telemetry.registry.register(KeptCollector(self.handles, self.tasks, self.peers))
        self.telemetry.registry.register(JobStoresCollector(self.artifacts, self.recordings))
        self.admission = Admission(self.federation.memory)
        self.patience = Patience()
        self.telemetry.registry.register(FlowCollector(self.admission, self.patience))
        running = Cancellations()
        self.fast_path = FastPath(endpoint, {SERVER_INFO_META_KEY: server.server_info_stamp}, running)
        fast = self.fast_path.serve if settings.fast_path else None
        self.telemetry.registry.register(FastPathCollector(self.fast_path))
        hosted = LegacyClients(self._hosted.serve, invoker, self.changes, sessions, running)
        self.gate = Gate(hosted, self.telemetry, self.admission, lambda: self.federation.snapshot, fast)
        self.management = Management(
            pod=settings.pod, federation=self.federation, gate=self.gate, lane=self.lane, telemetry=self.telemetry, peers=self.peers
        )

    async def run(self) -> None:
        """Serve until `stop` is set, then drain and end."""
        await self.federation.start()
        background = [
            asyncio.create_task(self._follow_config()),
            asyncio.create_task(self._settle()),
            asyncio.create_task(self.discovery.meanings.run()),
        ]
        try:
            async with self._hosted.run():
                await self._serve(background)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self.discovery.meanings.close()
            await self.lane.close()
            await self.aids.preflight.close()
            await self.peers.close()
            await self.telemetry.tracer.close()
            await self.federation.close()
            if self._kube is not None:
                await self._kube.close()

    async def _serve(self, background: list[asyncio.Task[None]]) -> None:
        public, private = Listener(self.gate, self.settings.finish_seconds, self.patience), Listener(self.management, 2, Patience())
        sockets = [_bind(self.settings.bind, port) for port in (self.settings.port, self.settings.management_port)]
        self.mcp_port, self.management_port = (sock.getsockname()[1] for sock in sockets)
        self.peers.address = Address(self.settings.pod_ip, self.management_port)
        serving = [asyncio.create_task(listener.serve([sock])) for listener, sock in zip((public, private), sockets, strict=True)]
        await asyncio.gather(public.ready.wait(), private.ready.wait())
        log.info("listening", extra={"mcp_port": self.mcp_port, "management_port": self.management_port})
        self.listening.set()
        stopped = asyncio.create_task(self.stop.wait())
        await asyncio.wait([stopped, *serving, *background[:1]], return_when=asyncio.FIRST_COMPLETED)
        await self._drain()
        public.should_exit = True
        streams = asyncio.create_task(self._close_streams())
        await asyncio.gather(serving[0], self.tasks.drain(self.settings.finish_seconds))
        streams.cancel()
        self.management.closing.set()
        private.should_exit = True
        await serving[1]
        if background[0].done():
            background[0].result()

    async def _drain(self) -> None:
        """Tell the cluster to send nothing more, and answer what it still sends until it has heard."""
        self.gate.draining = True
        log.info("draining", extra={"in_flight": self.gate.in_flight})
        await asyncio.sleep(self.settings.drain_seconds)

    async def _close_streams(self) -> None:
        """End the streams that have no end of their own, after all other requests: their clients hear of changes for as long as this replica runs."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self.settings.finish_seconds - LAST_SECONDS)):
                while self.gate.in_flight > self.changes.streams:  # noqa: ASYNC110 -- rare, and nothing hot has to count for it
                    await asyncio.sleep(0.05)
        self.changes.close()

    async def _follow_config(self) -> None:
        await follow(self._documents(), self.federation.apply, self.telemetry.config_read)

    def _documents(self) -> AsyncIterator[bytes]:
        kind, _, target = self.settings.config.partition(":")
        if kind == "file":
            return from_file(Path(target))
        assert self._kube is not None
        return from_config_map(self._kube, self.settings.namespace, target)

    async def _settle(self) -> None:
        await self.federation.settled(FIRST_ATTEMPT_SECONDS)
        self.management.settled = True

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        self.changes.compare(snapshot)
        self.discovery.follow(snapshot)
        if snapshot.config is self._config:
            return
        self._config = snapshot.config
        self.telemetry.servers(snapshot.config)
        self.admission.configure(snapshot.config.limits)
        self.patience.seconds = snapshot.config.limits.slow_client_seconds
        self.telemetry.tracer.configure(snapshot.config.tracing, self._resource(snapshot.config))
        self.recordings.configure(snapshot.config.recording)
        self.lane.configure(snapshot.config.sandbox, snapshot.config.namespace, snapshot.config.uid)

    def _resource(self, config: ServerConfig) -> dict[str, Value]:
        """Who we are, for whoever looks at a trace."""
        return {
            "service.name": "mcp-optimizer",
            "service.namespace": config.namespace,
            "service.instance.id": self.settings.pod,
            "mcp_optimizer.name": config.name,
        }


def _bind(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(2048)
    return sock
