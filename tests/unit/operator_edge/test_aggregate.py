"""Numbers from counters."""

import math
from typing import Any

import pytest

from mcp_operator.aggregate import Sample, Tokens, metrics, percentile, rounded, spent
from mcp_optimizer_api.optimizer import Metrics
from mcp_optimizer_api.stats import LATENCY_BOUNDS_MS, Histogram, ServerStats, TokenStats

NOW = 10_000.0


def stats(calls: int = 0, errors: int = 0, *, started: float = 0.0, bucket: int = 6, tokens: tuple[int, int] = (0, 0)) -> ServerStats:
    """All calls fall into one bucket; number 6 is (7.5, 10] ms."""
    counts = [0] * (len(LATENCY_BOUNDS_MS) + 1)
    counts[bucket] = calls
    latency = Histogram(counts=tuple(counts))
    spent = TokenStats(baseline=tokens[0], served=tokens[1])
    return ServerStats(pod="p", started_at=started, config_hash="c", calls=calls, errors=errors, latency=latency, tokens=spent)


def at(ago: float, calls: int, **more: Any) -> Sample:
    return Sample(at=NOW - ago, stats=stats(calls, **more))


def published(*histories: list[Sample], tokens: Tokens | None = None, previous: Metrics | None = None) -> Metrics:
    return metrics(histories, tokens or Tokens(), now=NOW, previous=previous)


def test_the_rate_is_the_difference_over_the_window() -> None:
    found = published([at(60, 100), at(30, 400), at(0, 700)])
    assert found.calls_per_second == 10
    assert found.window_seconds == 60


def test_pods_add_up() -> None:
    found = published([at(60, 0), at(0, 600, errors=60)], [at(60, 1000), at(0, 1600)])
    assert found.calls_per_second == 20
    assert found.error_percent == 5


def test_what_was_before_the_window_does_not_count() -> None:
    found = published([at(200, 0), at(61, 9000, errors=9000), at(0, 9000, errors=9000)])
    assert (found.calls_per_second, found.error_percent, found.p50_ms) == (0, 0, None)


def test_a_single_sample_of_an_old_pod_says_nothing() -> None:
    assert published([at(0, 5000)]).calls_per_second == 0


def test_a_pod_born_in_the_window_counts_from_its_birth() -> None:
    found = published([at(10, 100, started=NOW - 20), at(0, 200, started=NOW - 20)])
    assert found.calls_per_second == 10


def test_a_restarted_pod_starts_again_at_zero() -> None:
    found = published([at(60, 5000), at(30, 5300), at(0, 300, started=NOW - 20)])
    assert found.calls_per_second == 10


def test_percentiles_come_from_the_merged_differences() -> None:
    slow = [at(60, 10, bucket=12), at(0, 20, bucket=12)]
    fast = [at(60, 0), at(0, 90)]
    found = published(fast, slow)
    assert found.p50_ms is not None and 7.5 < found.p50_ms < 10
    assert found.p95_ms is not None and 50 < found.p95_ms <= 75


@pytest.mark.parametrize(
    ("counts", "fraction", "expected"),
    [
        ({}, 0.5, None),
        ({10: 100}, 0.5, 5.0),
        ({10: 100}, 1.0, 10.0),
        ({10: 50, 20: 50}, 0.75, 15.0),
        ({10: 0, 20: 4}, 0.5, 15.0),
        ({10: 1, math.inf: 9}, 0.95, 10.0),
    ],
)
def test_percentiles_are_interpolated_within_their_bucket(counts: dict[float, int], fraction: float, expected: float | None) -> None:
    assert percentile(counts, fraction) == expected


def test_histograms_with_other_bounds_are_merged_by_bound() -> None:
    other = stats(10).model_copy(update={"latency": Histogram(bounds_ms=(10, 100), counts=(10, 0, 0))})
    older = other.model_copy(update={"calls": 0, "latency": Histogram(bounds_ms=(10, 100), counts=(0, 0, 0))})
    found = published([Sample(at=NOW - 60, stats=older), Sample(at=NOW, stats=other)], [at(60, 0), at(0, 10)])
    assert found.p95_ms is not None and 7.5 < found.p95_ms <= 10


def test_saved_tokens_are_a_share_of_the_baseline() -> None:
    found = published(tokens=Tokens(baseline=100_000, served=400))
    assert (found.tokens_baseline, found.tokens_served, found.tokens_saved_percent) == (100_000, 400, 99.6)
    assert published().tokens_saved_percent is None


def test_tokens_of_a_restarted_pod_are_not_subtracted() -> None:
    before, after = stats(tokens=(100, 10)), stats(tokens=(150, 15))
    assert spent(before, after) == Tokens(baseline=50, served=5)
    assert spent(before, stats(tokens=(30, 3), started=1)) == Tokens(baseline=30, served=3)
    assert spent(None, before) == Tokens(baseline=100, served=10)


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (0.1234, 0.12), (9.96, 10), (1234, 1200)])
def test_numbers_are_rounded_to_two_digits(value: float, expected: float) -> None:
    assert rounded(value) == expected


def test_a_number_that_wobbles_is_published_once() -> None:
    first = published([at(60, 0), at(0, 6000)])
    assert published([at(60, 0), at(0, 6300)], previous=first) is first
    assert published([at(60, 0), at(0, 9000)], previous=first).calls_per_second == 150


def test_the_last_word_is_exact() -> None:
    busy = published([at(60, 0), at(0, 6000)], tokens=Tokens(baseline=100_000, served=100))
    idle = published([at(70, 6000), at(0, 6000)], tokens=Tokens(baseline=100_100, served=100), previous=busy)
    assert (idle.calls_per_second, idle.tokens_baseline) == (0, 100_100)
    assert published([at(70, 6000), at(0, 6000)], tokens=Tokens(baseline=100_100, served=100), previous=idle) == idle
