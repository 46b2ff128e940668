"""Puts the operator together, and runs it: settings → Lease → lists → workers → watches, and the same backwards."""

import asyncio
import logging
import random
import signal
from importlib.metadata import version

import aiohttp

from mcp_optimizer_api.stats import SandboxEvent

from . import verify
from .apply import Applier
from .cache import Cache
from .client import Client, load_configuration
from .clock import wall
from .context import Context
from .desired.sandbox_keys import KeyMemory
from .dispatch import Dispatcher
from .events import Events
from .federation import Federation
from .handlers import watch
from .kinds import RESOURCES, Key, Kind, Manifest
from .lease import Lease
from .listener import Listener
from .metrics import Metrics
from .pool_runner import PoolRunner
from .reconcile import reconcile
from .settings import Settings
from .status.patience import Patience
from .status.writer import StatusWriter
from .sync import Sync, start_spread
from .verifier import Verifier
from .web import Endpoints
from .workers import Workers
from .workqueue import WorkQueue

STUCK_SECONDS = 300.0

log = logging.getLogger(__name__)


class App:
    """One operator process."""

    def __init__(self, settings: Settings, client: Client, http: aiohttp.ClientSession, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.cache = Cache()
        self.queue: WorkQueue[Key] = WorkQueue()
        self._client = client
        self._events = Events(client, settings.pod_name, wall)
        self._applier = Applier(client, self.cache, self._events.tell)
        self._verifier = Verifier(lambda url, era: verify.check(http, url, era=era), self.queue.add, wall)
        self._dispatcher = Dispatcher(self.cache, self.queue.add_after, self._applier.forget)
        self._sync = Sync(client, self.cache, self._dispatcher, settings.watch_namespaces)
        self._pools = PoolRunner(client, self.cache, settings, wall, metrics, tell=self._events.tell)
        self._listener = Listener(http, self.cache, announced=self._announced, changed=self.queue.add, clock=wall)
        self._context = Context(
            settings=settings,
            cache=self.cache,
            client=client,
            applier=self._applier,
            statuses=StatusWriter(client, self.cache, wall, self._events.tell),
            verifier=self._verifier,
            federation=Federation(self.cache),
            keys=KeyMemory(),
            pools=self._pools,
            collector=self._listener,
            patience=Patience(wall),
            clock=wall,
        )
        self._workers = Workers(self.queue, self._reconcile, metrics)
        self._ticker: asyncio.Task[None] | None = None
        metrics.queue_depth.set_function(lambda: len(self.queue))
        metrics.queue_oldest.set_function(self.queue.oldest_age)

    async def run(self) -> None:
        """Until SIGTERM."""
        await self._sync.load()
        keys = self._sync.keys()
        spread = start_spread(len(keys))
        for key in keys:
            self.queue.add_after(key, random.uniform(0.0, spread))
        self._workers.start(self.settings.workers)
        self._ticker = asyncio.create_task(self._sync.run(period=self.settings.resync_seconds, enqueue=self.queue.add_after))
        await watch(self.settings, self._client, self._saw, self._stop)

    def problem(self) -> str | None:
        """What is wrong with the process, for its liveness probe."""
        age = self.queue.oldest_age()
        return f"the work queue has not moved for {age:.0f} s" if age > STUCK_SECONDS else None

    def count(self) -> None:
        """Bring the gauges that are counted, not kept, up to date."""
        self.metrics.count_managed(obj for kind in RESOURCES for obj in self.cache.select(kind.kind))

    async def _reconcile(self, key: Key, attempt: int) -> float | None:
        return await reconcile(self._context, key, attempt=attempt)

    def _saw(self, kind: Kind, event_type: str | None, obj: Manifest) -> None:
        self.metrics.saw_event(kind.kind)
        if event_type is None:
            self._sync.ask()  # a list begins every watch, the first and every later one: deletions may have been missed before it
        self._dispatcher.saw(kind, event_type, obj)

    def _announced(self, key: Key, event: SandboxEvent) -> None:
        """A server Pod claimed a sandbox or is done with it: refill and tidy up."""
        wait = self._pools.announce(key, event)
        if wait is not None:
            self.queue.add_after(key, wait)

    async def _stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        await self._workers.stop()
        await self._verifier.stop()
        await self._listener.close()
        await self._events.stop()


async def main(settings: Settings, *, host: str) -> None:
    """The whole life of the process."""
    metrics = Metrics(version=version("mcp-operator"))
    client = Client(await load_configuration(), metrics, version=version("mcp-operator"))
    lease = Lease(client, namespace=settings.namespace, identity=f"{settings.pod_name}_{host}", name=settings.lease_name)
    # Each server Pod holds a stream of events open: the number of connections is theirs, not ours to limit.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()) as http:
        app = App(settings, client, http, metrics)
        endpoints = Endpoints(metrics.registry, count=app.count, problem=app.problem)
        await endpoints.start(metrics_port=settings.metrics_port, health_port=settings.health_port)
        log.info("Started", extra={"metrics_port": endpoints.ports[0], "health_port": endpoints.ports[1]})
        try:
            await _lead(app, lease)
        finally:
            await lease.release()
            await endpoints.stop()
            await client.close()


async def _lead(app: App, lease: Lease) -> None:
    """Run the app while holding the Lease. Until kopf listens to signals itself, SIGTERM ends the wait or the lists."""
    holding: asyncio.Task[None] | None = None
    running = asyncio.current_task()
    assert running is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        if app.settings.leader_election:
            await lease.acquire()
            holding = asyncio.create_task(lease.hold(), name="lease")
        app.metrics.leader.set(1)
        await app.run()
    except asyncio.CancelledError:
        log.info("Stopped before it began to work")
    finally:
        app.metrics.leader.set(0)
        if holding is not None:
            holding.cancel()
