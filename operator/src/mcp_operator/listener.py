"""What a reconciliation knows of the server Pods: follows them, keeps their reports, and hands out the aggregate."""

from collections.abc import Callable, Sequence

import aiohttp

from mcp_optimizer_api.optimizer import MCPOptimizerStatus
from mcp_optimizer_api.stats import SandboxEvent

from .cache import Cache
from .clock import Clock
from .collector import INTERVAL_SECONDS, Collector, Target
from .context import Collected
from .federation_view import federated
from .kinds import Key, Manifest
from .reports import Report, Reports
from .resource import status_of


class Listener:
    """The `Collector` of a reconciliation's context."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        cache: Cache,
        *,
        announced: Callable[[Key, SandboxEvent], None],
        changed: Callable[[Key], None],
        clock: Clock,
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        self._cache = cache
        self._reports = Reports(changed, clock)
        self._collector = Collector(http, on_event=announced, on_stats=self._reports.add, interval=interval)
        self._targets: dict[Key, list[Target]] = {}
        self._known: dict[Key, tuple[Report, Collected]] = {}

    def follow(self, key: Key, pods: Sequence[Manifest]) -> None:
        """These are the ready server Pods of the optimizer `key` now; listen to exactly them."""
        targets = [target for target in map(_target, pods) if target is not None]
        if targets == self._targets.get(key):
            return
        self._targets[key] = targets
        self._reports.keep(key, targets)
        self._collector.listen(key, targets)

    def collected(self, key: Key) -> Collected | None:
        """The newest aggregate, or None while there is none."""
        targets, obj = self._targets.get(key), self._cache.get(key)
        if not targets or obj is None:
            return None
        status = status_of(obj)
        report = self._reports.read(key, targets, status.metrics if isinstance(status, MCPOptimizerStatus) else None)
        if report is None:
            return None
        known = self._known.get(key)
        if known is None or known[0] is not report:
            known = self._known[key] = (
                report,
                Collected(
                    servers=federated(report.servers),
                    metrics=report.metrics,
                    configs=[stats.config_hash for stats in report.servers],
                    unknown_pins=frozenset(name for stats in report.servers for name in stats.unknown_pins),
                    isolation=[found for stats in report.servers for found in stats.sandbox.isolation],
                ),
            )
        return known[1]

    def forget(self, key: Key) -> None:
        """The optimizer is gone."""
        if self._targets.pop(key, None) is not None:
            self._collector.listen(key, [])
        self._reports.forget(key)
        self._known.pop(key, None)

    async def close(self) -> None:
        """End all tasks."""
        self._targets.clear()
        await self._collector.close()


def _target(pod: Manifest) -> Target | None:
    address = (pod.get("status") or {}).get("podIP")
    return Target(name=pod["metadata"]["name"], uid=pod["metadata"]["uid"], address=address) if address else None
