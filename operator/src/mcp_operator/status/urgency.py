"""How soon a computed status has to be written. Status writes are the dominant load of operators, and most of them tell nothing new.

A transition is written at once. Counts settle for a second, so that an object that is being created gets one status instead of five.
What moves all the time (metrics, pool counts, wording) is written twice a minute at most.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any

from mcp_optimizer_api.base import Resource
from mcp_optimizer_api.optimizer import MCPOptimizerStatus
from mcp_optimizer_api.server import MCPServerStatus
from mcp_optimizer_api.status import Condition, ConditionType, Reason

SETTLE_SECONDS = 1.0
FIRST_SECONDS = 10.0
"""For a new object whose Pods do not even exist yet: without them there is nothing to say but that."""
METRICS_SECONDS = 30.0
_MOVING = ("metrics", "sandboxes")
_OURS = frozenset(kind.value for kind in ConditionType)


class Urgency(Enum):
    """How long a change may wait."""

    NONE = None
    AT_ONCE = 0.0
    SETTLED = SETTLE_SECONDS
    BORN = FIRST_SECONDS
    EVENTUALLY = METRICS_SECONDS


def urgency(old: Resource, new: Resource) -> Urgency:
    """Compare the status as it stands with the one just computed."""
    assert isinstance(old, MCPOptimizerStatus | MCPServerStatus) and isinstance(new, MCPOptimizerStatus | MCPServerStatus)
    before, after = _by_type(old.conditions), _by_type(new.conditions)
    if not before:
        return _first(new, after)
    if {name: c.status for name, c in before.items()} != {name: c.status for name, c in after.items()}:
        return Urgency.AT_ONCE
    ready = ConditionType.READY.value
    if ready not in before or before[ready].reason != after[ready].reason:
        return Urgency.AT_ONCE
    if _comparable(old, before) != _comparable(new, after):
        return Urgency.SETTLED
    return Urgency.NONE if _whole(old, before) == _whole(new, after) else Urgency.EVENTUALLY


def _first(status: MCPOptimizerStatus | MCPServerStatus, conditions: dict[str, Condition]) -> Urgency:
    """The first status is worth a moment's patience, unless it has something to tell."""
    if conditions[ConditionType.READY.value].reason != Reason.PROGRESSING.value:
        return Urgency.AT_ONCE
    return Urgency.BORN if status.selector is not None and status.replicas == 0 else Urgency.SETTLED


def _by_type(conditions: Sequence[Condition]) -> dict[str, Condition]:
    """Our conditions; other controllers may add their own beside them."""
    return {condition.type: condition for condition in conditions if condition.type in _OURS}


def _comparable(status: Resource, conditions: dict[str, Condition]) -> dict[str, Any]:
    content = _whole(status, conditions)
    for field in _MOVING:
        content.pop(field, None)
    # Wording, some of it a stranger's: an upstream whose error is new with every request must not cost a write each.
    for worded in (*content["conditions"].values(), *content.get("servers", ())):
        worded.pop("message")
    return content


def _whole(status: Resource, conditions: dict[str, Condition]) -> dict[str, Any]:
    return {**status.model_dump(), "conditions": {name: condition.model_dump() for name, condition in conditions.items()}}
