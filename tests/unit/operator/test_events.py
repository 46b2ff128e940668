"""Events: transitions and repairs, once each, never in the way of the work."""

import asyncio
import copy
from typing import Any, cast

from tests.unit.operator.fake_api import FakeApi
from tests.unit.operator.objects import optimizer, pod, server
from tests.unit.operator.world import Clock, World, settled

from mcp_operator.client import Client
from mcp_operator.desired.child import Owner
from mcp_operator.errors import OperatorError, TerminalError
from mcp_operator.events import BURST, NOTE, REPEAT_SECONDS, Events
from mcp_operator.kinds import Key
from mcp_operator.status.transitions import transitions
from mcp_operator.verify import Outcome, Verification
from mcp_optimizer_api.status import Condition, Reason

OWNER = Owner(Key("MCPServer", "ns", "s"), "uid-s")
BAD = Verification(outcome=Outcome.FAILED, reason=Reason.NOT_MCP, message="no MCP")
GOOD = Verification(outcome=Outcome.VERIFIED, reason=Reason.VERIFIED, message="3 tools", count=3, hash="h")


def condition(kind: str, status: str, reason: str, message: str = "m") -> Condition:
    return Condition.model_validate(
        {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z"}
    )


def told(world: World) -> list[tuple[str, bool]]:
    return [(reason, warning) for reason, _, warning in world.told]


async def test_what_happens_to_a_server_is_told_once_each_and_a_restart_repeats_nothing() -> None:
    world = await settled(server())
    assert world.told == []  # being born is no news
    obj = copy.deepcopy(world.get("Deployment", "s-mcp"))
    obj["status"] = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}
    world.api.add(obj)
    world.api.add(pod("s-mcp-1", ready=True, labels=obj["spec"]["template"]["metadata"]["labels"], podIP="10.0.0.1"))
    world.verdict = BAD
    await world.settle()
    assert told(world) == [("NotMCP", True)]  # Ready and Verified have one cause
    world.verdict = GOOD
    world.queue.add(Key("MCPServer", "ns", "s"))
    await world.settle()
    assert told(world)[1:] == [("Ready", False), ("Verified", False)]
    again = World(world.api, world.clock)
    again.verdict = GOOD
    await again.settle()
    assert again.told == []


async def test_repairs_are_told_and_changes_of_our_own_are_not() -> None:
    world = await settled(server(), optimizer(autoscaling={"enabled": True}))
    world.told.clear()
    changed = copy.deepcopy(world.get("MCPOptimizer", "o"))
    changed["spec"] = {"autoscaling": {"enabled": False}, "search": {"limit": 3}}
    changed["metadata"]["generation"] += 1
    world.api.add(changed)
    await world.settle()
    changed = copy.deepcopy(world.get("MCPOptimizer", "o"))
    changed["spec"] = {"autoscaling": {"enabled": True}}
    changed["metadata"]["generation"] += 1
    world.api.add(changed)
    await world.settle()
    assert [entry for entry in told(world) if entry[0].startswith("Child")] == []
    world.api.take(Key("Service", "ns", "s-mcp"))
    broken = copy.deepcopy(world.get("NetworkPolicy", "s-mcp"))
    broken["spec"] = {"podSelector": {}}
    world.api.add(broken)
    await world.settle()
    assert ("ChildRestored", "Service s-mcp was deleted and is there again", False) in world.told
    assert [reason for reason, note, _ in world.told if "NetworkPolicy s-mcp was changed by somebody else" in note] == ["ChildRepaired"]


def test_how_conditions_begin_is_no_news_unless_it_is_bad() -> None:
    first = [
        condition("Ready", "False", "Progressing"),
        condition("Verified", "Unknown", "NotChecked"),
        condition("Paused", "False", "NotPaused"),
        condition("EgressEnforced", "Unknown", "SandboxDisabled"),
        condition("SandboxReady", "True", "PoolAtTarget"),
    ]
    assert transitions([], first) == []
    assert transitions([], [condition("SandboxReady", "False", "PoolFilling")]) == []
    assert transitions([], [condition("SandboxReady", "False", "SandboxDisabled")]) == []
    (found,) = transitions([], [condition("Ready", "False", "InvalidSpec", "spec.x: no")])
    assert (found.reason, found.warning, found.note) == ("InvalidSpec", True, "Ready is False: spec.x: no")
    assert [told.reason for told in transitions([], [condition("Paused", "True", "Paused")])] == ["Paused"]
    assert transitions(first, [*first[:4], condition("SandboxReady", "True", "QuotaExceeded")]) == []  # it still holds


class Desk:
    """Events over an API server in memory."""

    def __init__(self) -> None:
        self.api, self.clock = FakeApi(), Clock()
        self.events = Events(cast(Client, self.api), "operator-0", self.clock)

    async def say(self, *notes: str, owner: Owner = OWNER) -> list[dict[str, Any]]:
        before = set(self.api.objects)
        for note in notes:
            self.events.tell(owner, "Reason", note, action="Observe", warning=True)
        while not self.events._queue.empty():  # noqa: ASYNC110 - the sender is what is tested
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [obj for key, obj in self.api.objects.items() if key not in before]


async def test_an_event_names_its_resource_and_is_bounded() -> None:
    desk = Desk()
    (event,) = await desk.say("x" * 5000)
    assert event["regarding"] == {
        "apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPServer", "name": "s", "namespace": "ns", "uid": "uid-s",
    }  # fmt: skip
    assert (event["metadata"]["namespace"], event["type"], len(event["note"])) == ("ns", "Warning", NOTE)
    assert event["eventTime"] == "2026-01-01T00:00:00.000000Z"
    await desk.events.stop()


async def test_the_same_words_are_told_once_and_an_object_that_flaps_does_not_flood() -> None:
    desk = Desk()
    assert len(await desk.say("a", "a", "a")) == 1
    desk.clock.now += REPEAT_SECONDS
    assert len(await desk.say("a")) == 1
    assert len(await desk.say(*(f"note {number}" for number in range(100)))) == BURST - 1
    assert len(await desk.say("other", owner=Owner(Key("MCPServer", "ns", "t"), "uid-t"))) == 1
    desk.clock.now += 120
    assert len(await desk.say("later 1", "later 2", "later 3")) == 2
    await desk.events.stop()


async def test_an_api_server_that_refuses_events_stops_nothing() -> None:
    desk = Desk()

    def refuse(verb: str, key: Key) -> OperatorError | None:
        return TerminalError("403")

    desk.api.fail = refuse
    assert await desk.say("lost") == []
    desk.api.fail = lambda verb, key: None
    assert len(await desk.say("written")) == 1
    await desk.events.stop()
