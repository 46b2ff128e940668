"""When an endpoint is checked again: at once when it changed, soon after a failure, seldom while it works.

Pure: the caller keeps the state and owns the clock. The spread of the intervals comes from a hash, so that a thousand servers that
became ready together are not checked together for ever.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from .verify import Outcome, Verification

FIRST_RETRY_SECONDS: Final = 2.0
RECHECK_SECONDS: Final = 300.0
SPREAD: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class CheckState:
    """What is known of one endpoint."""

    fingerprint: str
    """What was checked: a digest of everything whose change deserves a new check (endpoint, spec, ready Pods)."""
    checked_at: float
    failures: int
    """In a row, the last check included."""
    latest: Verification
    verdict: Verification
    """What the condition should say. One failed recheck of a server that worked is not enough to change it; a second is."""


def next_check(state: CheckState | None, fingerprint: str, now: float) -> float:
    """When to check, as a time; never later than it says, and now when there is nothing to go by."""
    if state is None or state.fingerprint != fingerprint:
        return now
    delay = RECHECK_SECONDS if not state.failures else min(RECHECK_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(state.failures - 1, 16))
    return state.checked_at + delay * (1 - SPREAD * _fraction(f"{fingerprint}/{state.failures}/{int(state.checked_at)}"))


def after_check(state: CheckState | None, fingerprint: str, found: Verification, now: float) -> CheckState:
    """The state after a check that started when `fingerprint` was true."""
    same = state is not None and state.fingerprint == fingerprint
    failures = 0 if found.reachable else (state.failures if state is not None and same else 0) + 1
    spared = state is not None and same and failures == 1 and state.verdict.outcome == Outcome.VERIFIED
    verdict = state.verdict if state is not None and spared else found
    return CheckState(fingerprint=fingerprint, checked_at=now, failures=failures, latest=found, verdict=verdict)


def fingerprint(*parts: object) -> str:
    """A digest of the parts, in their order."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()[:16]


def _fraction(seed: str) -> float:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") / 2**32
