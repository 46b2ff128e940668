"""The operator's own endpoints: /metrics on one port, /healthz on another.

Not kopf's liveness endpoint: that one is silent while the process waits for its Lease, and the kubelet would kill every standby.
"""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


class Endpoints:
    """Two small sites in the operator's own loop: a loop that hangs fails its probe."""

    def __init__(self, registry: CollectorRegistry, *, count: Callable[[], None], problem: Callable[[], str | None]) -> None:
        self._registry = registry
        self._count = count
        self._problem = problem
        self._runners: list[web.AppRunner] = []
        self.ports: list[int] = []

    async def start(self, *, metrics_port: int, health_port: int) -> None:
        """Listen. Port 0 takes any free one; see `ports`."""
        for path, handler, port in (("/metrics", self._metrics, metrics_port), ("/healthz", self._health, health_port)):
            app = web.Application()
            app.router.add_get(path, handler)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            site = web.TCPSite(runner, port=port)
            await site.start()
            self._runners.append(runner)
            # With port 0 each address family gets a port of its own; IPv4 is named first.
            self.ports.append(sorted(runner.addresses, key=len)[0][1])

    async def stop(self) -> None:
        """Close both."""
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    async def _metrics(self, request: web.Request) -> web.Response:
        self._count()
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _health(self, request: web.Request) -> web.Response:
        problem = self._problem()
        return web.Response(status=200 if problem is None else 503, text=problem or "ok")
