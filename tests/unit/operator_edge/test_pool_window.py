"""How many Pods may start at once, from how long each took."""

import pytest

from mcp_operator.pool_window import FIRST, MOST, REMEMBERED_WAVES, StartWindow


def waves(window: StartWindow, number: int, per_second: float = 0.0) -> set[int]:
    """The sizes after each wave on nodes that start so many Pods a second, two seconds each when alone; 0: as many as they are asked to."""
    sizes = set()
    for _ in range(number):
        size = window.size
        for beside in (*range(size), *range(size)):
            if window.size == size:
                window.started(max(2.0, size / per_second if per_second else 0.0), beside)
        sizes.add(window.size)
    return sizes


def test_a_cluster_that_starts_everything_fast_is_asked_for_everything() -> None:
    window = StartWindow()
    waves(window, 8)
    assert window.size == MOST


@pytest.mark.parametrize(("per_second", "sizes"), [(0.5, {2, 4}), (2.2, {4, 8}), (9.0, {16, 32})])
def test_on_small_nodes_pods_are_made_a_few_at_a_time(per_second: float, sizes: set[int]) -> None:
    window = StartWindow()
    waves(window, 10, per_second)
    assert waves(window, 3 * REMEMBERED_WAVES, per_second) == sizes
    assert waves(window, REMEMBERED_WAVES, per_second) == sizes


def test_more_nodes_are_noticed() -> None:
    window = StartWindow()
    waves(window, 10, 2.2)
    waves(window, 2 * REMEMBERED_WAVES)
    assert window.size >= 64


def test_pods_that_were_slow_alone_say_nothing_about_many() -> None:
    window = StartWindow()
    for _ in range(100):
        window.started(60.0, 0)
    assert window.size == FIRST


def test_lucky_pods_are_no_measure_for_the_others() -> None:
    window = StartWindow()
    for _ in range(FIRST):
        window.started(0.3, FIRST - 1)
    for _ in range(2 * FIRST):
        window.started(2.0, 2 * FIRST - 1)
    assert window.size == 4 * FIRST
