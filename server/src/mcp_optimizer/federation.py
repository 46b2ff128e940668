"""The servers behind the endpoint as one whole: takes configurations, keeps connections, publishes snapshots.

Readers take `snapshot` once per request. Writers replace it in one assignment: no lock, no request between two states.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp

from mcp_optimizer_api.config import LimitsConfig, ServerConfig, UpstreamConfig
from mcp_optimizer_api.stats import UpstreamStats

from .background import aside_to_keep, let_go
from .http_client import open_session
from .ration import Ration
from .snapshot import Snapshot, ToolCache, compile_snapshot
from .upstream.plain import PlainClient
from .upstream.upstream import OnResource, Upstream
from .upstream.wire import FIXED_HEADERS, Bounds, Wire

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
"""Changes of catalogues that arrive together are compiled together."""
KEEP_ALIVE_SECONDS = 4
"""Less than the 5 s after which common servers close an idle connection: else a call could go into one that is just being closed."""

OnSnapshot = Callable[[Snapshot], None]


class Federation:
    """Owner of every `Upstream` and of the snapshot in force."""

    def __init__(self, on_snapshot: OnSnapshot = lambda snapshot: None, on_resource: OnResource = lambda server, uri: None) -> None:
        self.snapshot: Snapshot | None = None
        self.memory = Ration(LimitsConfig().message_memory_bytes)
        self.bounds = Bounds()
        self._on_snapshot = on_snapshot
        self._on_resource = on_resource
        self._upstreams: dict[str, Upstream] = {}
        self._cache = ToolCache()
        self._compiling = asyncio.Lock()
        self._changed = asyncio.Event()
        self._configured = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._plain = PlainClient(FIXED_HEADERS, KEEP_ALIVE_SECONDS)

    async def start(self) -> None:
        """Open the connection pool and follow the catalogues from now on."""
        # No bound per pool or host: each Upstream bounds its own calls, so that none waits for another's connection.
        self._session = open_session(limit=0, keep_alive_seconds=KEEP_ALIVE_SECONDS, auto_decompress=False)
        self._spawn(self._follow())

    async def close(self) -> None:
        """End after the drain."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, *(upstream.stop() for upstream in self._upstreams.values()), return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        self._plain.close()

    async def apply(self, config: ServerConfig, document: bytes) -> None:
        """Put a configuration in force. Servers whose name and URL stay keep their connection, session and catalogue."""
        self.memory.resize(config.limits.message_memory_bytes)
        self.bounds.max_reply = config.limits.max_reply_bytes
        async with self._compiling:
            gone = self._replace(config.upstreams, with_extras=config.mode == "mcp_only")
            try:
                await self._compile(config, hashlib.sha256(document).hexdigest())
            finally:
                for upstream in gone:
                    # After the swap: calls that began before it hold the old snapshot and finish on their own. Without one too: nothing
                    # else knows these servers any more.
                    self._spawn(upstream.stop())
        self._configured.set()
        log.info("configuration in force", extra={"servers": len(config.upstreams), "mode": config.mode})

    async def settled(self, timeout: float) -> None:
        """Wait for the first configuration, then until each of its servers was asked for its tools once, at most `timeout` seconds."""
        await self._configured.wait()
        waits = [asyncio.ensure_future(upstream.tried.wait()) for upstream in self._upstreams.values()]
        if waits:
            _, pending = await asyncio.wait(waits, timeout=timeout)
            for wait in pending:
                wait.cancel()
        await self._recompile()

    def stats(self) -> list[UpstreamStats]:
        """Every server as this Pod sees it, by name."""
        seen = [self._upstreams[name].stats() for name in sorted(self._upstreams)]
        if self.snapshot is None or not self.snapshot.config.tools.exclude:
            return seen
        visible = self.snapshot.by_server
        return [stats.model_copy(update={"tools": len(visible.get(stats.name, ()))}) for stats in seen]

    def _replace(self, wanted: list[UpstreamConfig], *, with_extras: bool) -> list[Upstream]:
        assert self._session is not None
        before = self._upstreams
        self._upstreams = {}
        for config in wanted:
            kept = before.get(config.name)
            if kept is not None and kept.config.url == config.url:
                kept.configure(config)
                kept.show_extras(with_extras)
                self._upstreams[config.name] = before.pop(config.name)
                continue
            upstream = Upstream(config, Wire(self._session, self.memory, self.bounds, self._plain), self._changed.set, self._on_resource)
            upstream.show_extras(with_extras)
            self._upstreams[config.name] = upstream
            upstream.start()
        return list(before.values())

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._changed.clear()
            try:
                await self._recompile()
            except Exception:
                # A catalogue no rule foresaw must not keep those of all other servers from changing.
                log.exception("the snapshot could not be compiled: the last one stays in force")

    async def _recompile(self) -> None:
        async with self._compiling:
            if self.snapshot is not None:
                await self._compile(self.snapshot.config, self.snapshot.config_hash)

    async def _compile(self, config: ServerConfig, config_hash: str) -> None:
        offers = [(upstream, upstream.offer) for upstream in self._upstreams.values()]
        before = [] if self.snapshot is None else [*self.snapshot.index.parts(), *self.snapshot.tools.values()]
        self.snapshot = await aside_to_keep(compile_snapshot, config, config_hash, offers, self._cache)
        self._on_snapshot(self.snapshot)
        self._spawn(let_go(before))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
