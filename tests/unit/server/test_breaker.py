"""A breaker opens for failures of the server, lets one probe through, and is not fooled by answers that come late."""

from hypothesis import given
from hypothesis import strategies as st

from mcp_optimizer.upstream.breaker import MIN_CALLS, WINDOW_SECONDS, Breaker
from mcp_optimizer_api.config import BreakerConfig


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(clock: Clock, **policy: int | bool) -> Breaker:
    return Breaker(BreakerConfig.model_validate({"failure_percent": 100, **policy}), clock=clock, jitter=lambda: 0.5)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        ticket = breaker.admit()
        assert ticket is not None
        breaker.failed(ticket, "it did not answer")


def succeed(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        ticket = breaker.admit()
        assert ticket is not None
        breaker.succeeded(ticket)


def test_failures_in_a_row_open_it_and_a_success_between_them_starts_anew() -> None:
    breaker = made(Clock(), consecutive_failures=3)
    fail(breaker, 2)
    succeed(breaker)
    fail(breaker, 2)
    assert breaker.state == "closed"
    fail(breaker)
    assert (breaker.state, breaker.admit(), breaker.cause) == ("open", None, "it did not answer")


def test_a_share_of_failures_opens_it_once_there_are_enough_calls_to_tell() -> None:
    breaker = made(Clock(), consecutive_failures=1000, failure_percent=50)
    for _ in range(MIN_CALLS // 2 - 1):
        succeed(breaker)
        fail(breaker)
    assert breaker.state == "closed"
    succeed(breaker)
    fail(breaker)
    assert breaker.state == "open"


def test_failures_are_forgotten_with_their_window() -> None:
    clock = Clock()
    breaker = made(clock, consecutive_failures=1000, failure_percent=30)
    fail(breaker, MIN_CALLS - 1)
    clock.now += WINDOW_SECONDS + 5
    succeed(breaker, MIN_CALLS)
    assert breaker.state == "closed"


def test_one_probe_passes_and_heals_it() -> None:
    clock = Clock()
    breaker = made(clock, consecutive_failures=1, open_seconds=10)
    fail(breaker)
    clock.now += 9.9
    assert breaker.admit() is None
    clock.now += 0.2
    assert breaker.state == "half-open"
    probe = breaker.admit()
    assert probe is not None and breaker.admit() is None
    breaker.succeeded(probe)
    assert breaker.state == "closed"


def test_every_failed_probe_doubles_the_wait_up_to_eight_times_and_a_success_forgets_it() -> None:
    clock = Clock()
    breaker = made(clock, consecutive_failures=1, open_seconds=10)
    fail(breaker)
    waits = []
    for _ in range(5):
        waits.append(round(breaker.retry_after()))
        clock.now += breaker.retry_after()
        fail(breaker)
    assert waits == [10, 20, 40, 80, 80]
    clock.now += breaker.retry_after()
    succeed(breaker)
    fail(breaker)
    assert round(breaker.retry_after()) == 10


def test_a_probe_whose_caller_leaves_makes_room_for_the_next() -> None:
    clock = Clock()
    breaker = made(clock, consecutive_failures=1)
    fail(breaker)
    clock.now += 60
    probe = breaker.admit()
    assert probe is not None
    breaker.abandoned(probe)
    assert breaker.admit() is not None


def test_an_outcome_of_a_call_from_before_decides_nothing() -> None:
    clock = Clock()
    breaker = made(clock, consecutive_failures=2)
    late = breaker.admit()
    assert late is not None
    fail(breaker, 2)
    breaker.succeeded(late)
    assert breaker.state == "open"
    clock.now += 60
    succeed(breaker)
    breaker.failed(late, "late")
    fail(breaker)
    assert breaker.state == "closed"


def test_one_that_is_switched_off_lets_everything_through() -> None:
    breaker = made(Clock(), enabled=False, consecutive_failures=1)
    fail(breaker, 50)
    assert (breaker.state, breaker.admit() is not None) == ("closed", True)


def test_a_server_that_is_seen_again_is_probed_at_once() -> None:
    breaker = made(Clock(), consecutive_failures=1)
    fail(breaker)
    breaker.hint()
    assert breaker.state == "half-open"


@given(st.lists(st.tuples(st.sampled_from(["ok", "fail", "leave"]), st.floats(0, 30)), max_size=200))
def test_whatever_happens_at_most_one_probe_is_under_way_and_a_call_passes_in_the_end(events: list[tuple[str, float]]) -> None:
    clock = Clock()
    breaker = made(clock, consecutive_failures=2, open_seconds=5, failure_percent=50)
    for outcome, seconds in events:
        clock.now += seconds
        ticket = breaker.admit()
        if ticket is None:
            assert breaker.retry_after() > 0
            continue
        if breaker.state != "closed":
            assert breaker.admit() is None
        {"ok": breaker.succeeded, "fail": lambda t: breaker.failed(t, "x"), "leave": breaker.abandoned}[outcome](ticket)
    clock.now += 100
    assert breaker.admit() is not None
