"""Waiting longer after each failure."""

from mcp_operator.pool_hold import Hold, hold_after
from mcp_optimizer_api.status import Reason


def delays(reason: Reason, count: int) -> list[float]:
    found: list[float] = []
    hold: Hold | None = None
    now = 0.0
    for _ in range(count):
        hold = hold_after(hold, reason=reason, message="m", now=now)
        found.append(hold.until - now)
        now = hold.until
    return found


def test_refusals_are_retried_after_2_seconds_and_at_least_twice_a_minute() -> None:
    assert delays(Reason.QUOTA_EXCEEDED, 7) == [2, 4, 8, 16, 30, 30, 30]


def test_crashes_are_retried_after_2_seconds_and_at_least_every_5_minutes() -> None:
    assert delays(Reason.CRASH_LOOP, 10) == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_failures_of_one_batch_count_once() -> None:
    hold = hold_after(None, reason=Reason.QUOTA_EXCEEDED, message="m", now=0)
    assert hold_after(hold, reason=Reason.QUOTA_EXCEEDED, message="m", now=1) is hold
