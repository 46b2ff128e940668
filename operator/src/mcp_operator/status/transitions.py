"""Which changes of a status are worth an Event. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mcp_optimizer_api.status import Condition, ConditionType, Reason

from .summary import NEEDS_A_HUMAN

_TOLD: Final = (
    ConditionType.VERIFIED,
    ConditionType.SANDBOX_READY,
    ConditionType.EGRESS_ENFORCED,
    ConditionType.TOOLS_PINNED,
    ConditionType.CONFIG_IN_FORCE,
    ConditionType.PAUSED,
)
"""Beside Ready, which sums up the others; Reconciling, Stalled and Available say nothing that Ready does not, and an autoscaler has Events of its own."""
_TROUBLES: Final = NEEDS_A_HUMAN | {
    Reason.REPLICAS_UNAVAILABLE,
    Reason.APPLY_FAILED,
    Reason.UNREACHABLE,
    Reason.TIMEOUT,
    Reason.CONFIG_OUTDATED,
    Reason.PINNED_TOOL_UNKNOWN,
}
_BEGINNINGS: Final = frozenset(
    {Reason.PROGRESSING.value, Reason.NOT_PAUSED.value, Reason.POOL_FILLING.value, Reason.SANDBOX_DISABLED.value}
)
"""How conditions begin."""


@dataclass(frozen=True, kw_only=True)
class Transition:
    """Of one condition."""

    reason: str
    note: str
    warning: bool


def transitions(old: Sequence[Condition], new: Sequence[Condition]) -> list[Transition]:
    """Ready by status and reason, some others by status; of several with one cause only the first."""
    before = {condition.type: condition for condition in old}
    after = {condition.type: condition for condition in new}
    found: dict[str, Transition] = {}
    for kind in (ConditionType.READY, *_TOLD):
        now, then = after.get(kind.value), before.get(kind.value)
        if now is not None and _news(kind, then, now):
            found.setdefault(now.reason, _transition(now))
    return list(found.values())


def _news(kind: ConditionType, then: Condition | None, now: Condition) -> bool:
    if then is None:
        # Unknown is how most begin, and what is well from the start is no news.
        return now.reason not in _BEGINNINGS and now.status == ("True" if kind is ConditionType.PAUSED else "False")
    return then.status != now.status or (kind is ConditionType.READY and then.reason != now.reason)


def _transition(now: Condition) -> Transition:
    warning = now.status != "True" and now.reason in {reason.value for reason in _TROUBLES}
    return Transition(reason=now.reason, note=f"{now.type} is {now.status}: {now.message}", warning=warning)
