"""A whole operator without processes: the fake API, the real dispatcher, queue and reconciliation, and a clock that tests move."""

from typing import Any, cast

from tests.unit.operator.fake_api import FakeApi
from tests.unit.operator.objects import SETTINGS

from mcp_operator.apply import Applier
from mcp_operator.cache import Cache
from mcp_operator.client import Client
from mcp_operator.collector import Target
from mcp_operator.context import Collected, Context, PoolReport
from mcp_operator.desired.child import Owner
from mcp_operator.desired.sandbox_keys import KeyMemory
from mcp_operator.dispatch import Dispatcher
from mcp_operator.errors import TerminalError, TransientError
from mcp_operator.federation import Federation
from mcp_operator.kinds import BY_NAME, RESOURCES, Key, Manifest
from mcp_operator.pool_verdict import PoolVerdict
from mcp_operator.reconcile import reconcile
from mcp_operator.status.patience import Patience
from mcp_operator.status.writer import StatusWriter
from mcp_operator.verifier import Verifier
from mcp_operator.verify import Verification
from mcp_operator.workers import REFUSED_SECONDS
from mcp_operator.workqueue import WorkQueue
from mcp_optimizer_api.optimizer import SandboxCounts
from mcp_optimizer_api.status import Reason


class Clock:
    """Time that stands still until a test moves it."""

    now = 1_767_225_600.0

    def __call__(self) -> float:
        return self.now


class QuietPools:
    """A pool that is always at its target."""

    def __init__(self) -> None:
        self.seen: list[Key] = []
        self.swept: list[Key] = []

    async def reconcile(self, optimizer: Any, key: bytes) -> PoolReport:
        self.seen.append(optimizer.key)
        return PoolReport(
            verdict=PoolVerdict(ready=True, reason=Reason.POOL_AT_TARGET, message="warm"), counts=SandboxCounts(target=2, warm=2)
        )

    async def sweep(self, key: Key) -> float | None:
        self.swept.append(key)
        return None

    def forget(self, key: Key) -> None:
        return


class SilentPods:
    """Server Pods that have said what a test lets them say."""

    said: Collected | None = None

    def follow(self, key: Key, pods: Any) -> None:
        self.followed = [Target(name=pod["metadata"]["name"], uid="", address="") for pod in pods]

    def collected(self, key: Key) -> Collected | None:
        return self.said

    def forget(self, key: Key) -> None:
        return


class World:
    """One operator process over a fake API that outlives it."""

    def __init__(self, api: FakeApi | None = None, clock: Clock | None = None) -> None:
        self.api = api or FakeApi()
        self.clock = clock or Clock()
        self.cache = Cache()
        self.queue: WorkQueue[Key] = WorkQueue(clock=self.clock)
        self.pools, self.pods = QuietPools(), SilentPods()
        self.verdict: Verification | None = None
        client = cast(Client, self.api)
        self.told: list[tuple[str, str, bool]] = []
        applier = Applier(client, self.cache, self.tell)
        self.dispatcher = Dispatcher(self.cache, self.queue.add_after, applier.forget)
        self.context = Context(
            settings=SETTINGS,
            cache=self.cache,
            client=client,
            applier=applier,
            statuses=StatusWriter(client, self.cache, self.clock, self.tell),
            verifier=cast(Verifier, self),
            federation=Federation(self.cache),
            keys=KeyMemory(),
            pools=self.pools,
            collector=self.pods,
            patience=Patience(self.clock),
            clock=self.clock,
        )
        for obj in self.api.objects.values():
            self.cache.put(obj)
        for kind in RESOURCES:
            for obj in self.cache.select(kind.kind):
                self.queue.add(Key(kind.kind, obj["metadata"]["namespace"], obj["metadata"]["name"]))
        self.api.events.clear()

    def tell(self, owner: Owner, reason: str, note: str, *, action: str, warning: bool = False) -> None:
        """As the Events."""
        self.told.append((reason, note, warning))

    def ask(self, key: Key, url: str, fingerprint: str) -> tuple[Verification | None, float | None]:
        """As the Verifier."""
        return self.verdict, None

    def forget(self, key: Key) -> None:
        """As the Verifier."""

    def deliver(self) -> None:
        """Report pending events, as the watch would."""
        events, self.api.events = self.api.events, []
        for event_type, obj in events:
            self.dispatcher.saw(BY_NAME[obj["kind"]], event_type, obj)

    async def step(self) -> bool:
        """Work on one key; False when none is due."""
        self.deliver()
        key = self.queue.pop()
        if key is None:
            return False
        try:
            again = await reconcile(self.context, key, attempt=self.queue.failures(key))
            self.queue.forget(key)
            if again is not None:
                self.queue.add_after(key, again)
        except TransientError:
            self.queue.retry(key)
        except TerminalError:
            self.queue.retry(key, floor=REFUSED_SECONDS[0], ceiling=REFUSED_SECONDS[1])
        self.queue.done(key)
        return True

    async def settle(self, *, seconds: float = 120, steps: int = 2000) -> None:
        """Let time pass until nothing is left to do."""
        end = self.clock.now + seconds
        for _ in range(steps):
            if not await self.step():
                if self.clock.now >= end:
                    return
                self.clock.now += 0.5
        raise AssertionError(f"still at work after {steps} steps: {self.api.writes[-10:]}")

    def get(self, kind: str, name: str) -> Manifest:
        """An object of the fake API."""
        return self.api.objects[Key(kind, "ns", name)]

    def condition(self, kind: str, name: str, condition: str) -> tuple[str, str]:
        """Status and reason."""
        conditions = self.get(kind, name).get("status", {}).get("conditions", [])
        return next(((c["status"], c["reason"]) for c in conditions if c["type"] == condition), ("", ""))


async def settled(*resources: Manifest) -> World:
    """A world with these resources in which nothing is left to do."""
    world = World()
    for resource in resources:
        world.api.add(resource)
    await world.settle()
    return world
