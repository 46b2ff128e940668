"""How many warm Pods the observed jobs ask for."""

from mcp_operator.pool_demand import FIRST_REFILL_SECONDS, MAX_REFILL_SECONDS, WINDOW_SECONDS, Demand, Observed

START = 1_000_000.0


def observed(claims: dict[float, int], refill: float | None = 3.0) -> Observed:
    record = Observed()
    for second, count in claims.items():
        for _ in range(count):
            record.claimed(START + second)
    if refill is not None:
        record.refilled(refill, START + max(claims, default=0))
    return record


def test_nothing_observed_asks_for_nothing() -> None:
    assert Observed().demand(START) == Demand()
    assert Demand().supply == 0
    assert Observed().over() is None


def test_the_supply_lasts_for_the_peak_rate_over_one_refill_and_the_largest_burst() -> None:
    demand = observed(dict.fromkeys(range(60), 2)).demand(START + 60)
    assert (demand.rate, demand.refill, demand.burst) == (2.0, 3.0, 6)
    assert demand.supply == 12


def test_the_rule_of_the_design_notes_is_the_rule_here() -> None:
    assert Demand(rate=10, refill=6, burst=20).supply == 80


def test_a_burst_is_remembered_for_the_window_and_no_longer() -> None:
    record = observed({0: 40, 100: 1})
    assert record.demand(START + WINDOW_SECONDS - 1).burst == 40
    assert record.demand(START + WINDOW_SECONDS).burst == 1
    over = record.over()
    assert over == START + 100 + WINDOW_SECONDS
    assert record.demand(over) == Demand()


def test_a_refill_that_was_not_timed_yet_is_assumed() -> None:
    demand = observed({0: 1, FIRST_REFILL_SECONDS - 1: 1}, refill=None).demand(START + 10)
    assert (demand.refill, demand.burst) == (None, 2)
    assert demand.supply == 3


def test_one_slow_refill_in_two_hundred_does_not_size_the_pool_and_one_in_fifty_does() -> None:
    record = observed({0: 1}, refill=None)
    for number in range(200):
        record.refilled(50.0 if number == 7 else 3.0, START)
    assert record.demand(START).refill == 3.0
    for _ in range(3):
        record.refilled(50.0, START)
    assert record.demand(START).refill == 50.0


def test_a_cluster_that_takes_minutes_to_start_a_pod_does_not_make_the_pool_endless() -> None:
    assert observed({0: 1}, refill=900.0).demand(START).refill == MAX_REFILL_SECONDS


def test_a_pool_that_runs_empty_grows_until_it_is_large_enough() -> None:
    record, supply, peak = Observed(), 2, []
    for second in range(0, 120, 3):
        # Ten jobs a second wait; only as many as there are Pods are ever seen, and each refill takes three seconds.
        for _ in range(min(30, supply)):
            record.claimed(START + second)
        record.refilled(3.0, START + second + 3)
        supply = max(supply, record.demand(START + second).supply)
        peak.append(supply)
    assert peak[-1] >= 30
    assert peak[12] >= 30, peak


def test_news_of_earlier_claims_does_not_spoil_the_order() -> None:
    record = observed({5: 1})
    record.claimed(START + 2)
    assert record.demand(START + 6).burst == 2
