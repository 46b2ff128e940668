"""Waiting before the pool tries to create Pods again: after a refusal, and after Pods that ended before they were ready.

Without it a namespace without quota, or an image whose agent crashes, would cost one creation and one deletion per second for ever.
"""

from dataclasses import dataclass
from typing import Final

from mcp_optimizer_api.status import Reason

FIRST_SECONDS: Final = 2.0
REFUSED_CAP_SECONDS: Final = 30.0
"""Quota comes back when somebody else's Pod ends; asking twice a minute finds it soon enough and costs nothing."""
CRASHED_CAP_SECONDS: Final = 300.0


FAILED_STARTS: Final = frozenset({Reason.CRASH_LOOP, Reason.POOL_FILLING, Reason.EGRESS_OPEN})
"""The API server took the Pod, and the Pod did not get ready: the hold ends when one does, not when one is created."""


@dataclass(frozen=True, kw_only=True)
class Hold:
    """No creation before `until`; then one at a time, until a success ends the hold."""

    since: float
    """When the last failure was counted."""
    until: float
    failures: int
    reason: Reason
    message: str


def hold_after(previous: Hold | None, *, reason: Reason, message: str, now: float) -> Hold:
    """The hold after one more failure; each is twice as long as the one before. Failures during a hold do not lengthen it."""
    if previous is not None and now < previous.until:
        return previous
    failures = previous.failures + 1 if previous is not None else 1
    cap = CRASHED_CAP_SECONDS if reason in FAILED_STARTS else REFUSED_CAP_SECONDS
    delay = min(cap, FIRST_SECONDS * 2.0 ** min(failures - 1, 16))
    return Hold(since=now, until=now + delay, failures=failures, reason=reason, message=message)
