"""A finding: what one check says. Conditions are made of findings; the first check with something to say wins."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mcp_operator.clock import rfc3339
from mcp_optimizer_api.status import Condition, ConditionType, Reason

T = TypeVar("T")
MESSAGE_LIMIT = 1024
_REASONS = frozenset(reason.value for reason in Reason)


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether something holds (None: unknown), why, and what to do about it."""

    holds: bool | None
    reason: Reason
    message: str

    @property
    def status(self) -> str:
        """As conditions spell it."""
        return "Unknown" if self.holds is None else str(self.holds)


def first(checks: Iterable[Callable[[T], Finding | None]], subject: T, otherwise: Finding) -> Finding:
    """What the first check with an opinion says."""
    for check in checks:
        finding = check(subject)
        if finding is not None:
            return finding
    return otherwise


def conditions(findings: dict[ConditionType, Finding], old: Sequence[Condition], *, generation: int, now: float) -> list[Condition]:
    """Conditions in the order of `findings`. lastTransitionTime moves only when a status flips: else every look would be a change."""
    before = {condition.type: condition for condition in old}
    return [_condition(kind, finding, before.get(kind.value), generation, now) for kind, finding in findings.items()]


def _condition(kind: ConditionType, finding: Finding, old: Condition | None, generation: int, now: float) -> Condition:
    kept = old is not None and old.status == finding.status
    return Condition.model_validate(
        {
            "type": kind.value,
            "status": finding.status,
            "reason": finding.reason.value,
            "message": finding.message[:MESSAGE_LIMIT],
            "lastTransitionTime": old.last_transition_time if kept and old is not None else rfc3339(now),
            "observedGeneration": generation,
        }
    )


def said(conditions: Sequence[Condition], kind: ConditionType) -> Finding | None:
    """What a condition says already; None when it is absent, or gives a reason this version does not know."""
    for condition in conditions:
        if condition.type == kind.value and condition.reason in _REASONS:
            return Finding({"True": True, "False": False}.get(condition.status), Reason(condition.reason), condition.message)
    return None
