"""What a reconciliation works with. Built once in app.py, passed around instead of globals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mcp_optimizer_api.optimizer import FederatedServer, Metrics, SandboxCounts
from mcp_optimizer_api.stats import IsolationReport

from .apply import Applier
from .cache import Cache
from .client import Client
from .clock import Clock
from .desired.sandbox_keys import KeyMemory
from .federation import Federation
from .kinds import Key, Manifest
from .pool_verdict import PoolVerdict
from .resource import Optimizer
from .settings import Settings
from .status.patience import Patience
from .status.writer import StatusWriter
from .verifier import Verifier


@dataclass(frozen=True, kw_only=True)
class PoolReport:
    """What one look at a sandbox pool found and did."""

    verdict: PoolVerdict
    counts: SandboxCounts
    egress: PoolVerdict | None = None
    """Whether sandboxes are kept from the network; None: nothing new."""
    requeue_after: float | None = None


class Pools(Protocol):
    """The sandbox pools."""

    async def reconcile(self, optimizer: Optimizer, key: bytes) -> PoolReport:
        """Bring the optimizer's pool closer to its target. `key` is the pool's key; with spec.paused, only look."""

    async def sweep(self, key: Key) -> float | None:
        """The optimizer is gone; remove what it may have left. Returns in how many seconds to look again."""

    def forget(self, key: Key) -> None:
        """The optimizer is gone."""


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What the server Pods of one optimizer said lately."""

    servers: Sequence[FederatedServer]
    metrics: Metrics | None
    configs: Sequence[str] = ()
    """Hash of the config that each of them runs."""
    unknown_pins: frozenset[str] = frozenset()
    """Pinned identifiers that lead to no tool, as at least one of them sees it."""
    isolation: Sequence[IsolationReport] = ()
    """What probes of the sandboxes found, of every template that has Pods."""


class Collector(Protocol):
    """Listens to server Pods."""

    def follow(self, key: Key, pods: Sequence[Manifest]) -> None:
        """These are the ready server Pods of the optimizer `key` now; listen to exactly them."""

    def collected(self, key: Key) -> Collected | None:
        """The newest aggregate, or None while there is none."""

    def forget(self, key: Key) -> None:
        """The optimizer is gone."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything a reconciliation needs."""

    settings: Settings
    cache: Cache
    client: Client
    applier: Applier
    statuses: StatusWriter
    verifier: Verifier
    federation: Federation
    keys: KeyMemory
    pools: Pools
    collector: Collector
    patience: Patience
    clock: Clock
