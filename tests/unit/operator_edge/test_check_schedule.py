"""When an endpoint is checked again."""

import pytest

from mcp_operator.check_schedule import CheckState, after_check, fingerprint, next_check
from mcp_operator.verify import Outcome, Verification
from mcp_optimizer_api.status import Reason

GOOD = Verification(outcome=Outcome.VERIFIED, reason=Reason.VERIFIED, message="m", count=3)
LOCKED = Verification(outcome=Outcome.UNKNOWN, reason=Reason.AUTH_REQUIRED, message="m")
BAD = Verification(outcome=Outcome.FAILED, reason=Reason.UNREACHABLE, message="m")


def after(*found: Verification, mark: str = "f") -> CheckState:
    state: CheckState | None = None
    for one in found:
        state = after_check(state, mark, one, 1000.0)
    assert state is not None
    return state


def test_the_first_check_is_due_at_once() -> None:
    assert next_check(None, "f", 1000.0) == 1000.0


def test_a_change_makes_a_check_due_at_once() -> None:
    assert next_check(after(GOOD), "other", 1001.0) == 1001.0


@pytest.mark.parametrize("found", [GOOD, LOCKED])
def test_a_working_endpoint_is_checked_every_5_minutes_or_a_little_sooner(found: Verification) -> None:
    assert 240 <= next_check(after(found), "f", 1001.0) - 1000.0 <= 300


def test_failures_are_retried_after_2_seconds_and_then_ever_later() -> None:
    delays = [next_check(after(*[BAD] * count), "f", 1001.0) - 1000.0 for count in range(1, 14)]
    assert 1.6 <= delays[0] <= 2
    assert all(0.8 * 2**count * 2 <= delay <= 2**count * 2 for count, delay in enumerate(delays[:7]))
    assert all(240 <= delay <= 300 for delay in delays[8:])


def test_servers_that_became_ready_together_are_not_checked_together() -> None:
    due = {round(next_check(after(GOOD, mark=f"f{number}"), f"f{number}", 1001.0)) for number in range(100)}
    assert len(due) > 30


def test_one_failed_recheck_does_not_turn_the_condition_and_a_second_does() -> None:
    assert after(GOOD, BAD).verdict == GOOD
    assert after(GOOD, BAD).failures == 1
    assert after(GOOD, BAD, BAD).verdict == BAD
    assert after(GOOD, BAD, GOOD).failures == 0


def test_a_failure_after_a_change_counts_at_once() -> None:
    assert after_check(after(GOOD), "other", BAD, 1001.0).verdict == BAD
    assert after(BAD).verdict == BAD


def test_a_fingerprint_changes_with_each_part() -> None:
    assert fingerprint("a", "b") == fingerprint("a", "b")
    assert len({fingerprint("a", "b"), fingerprint("ab", ""), fingerprint("b", "a"), fingerprint("a", ["b"])}) == 4
