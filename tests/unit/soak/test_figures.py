"""The soak tells a leak from a process that has warmed up."""

from tests.soak.figures import is_flat, quarter, slope


def test_memory_that_rises_once_and_stays_is_flat() -> None:
    points = [(float(second), 80.0 if second < 20 else 90.0) for second in range(400)]
    assert is_flat(points)
    assert quarter(points, last=False) == 90.0


def test_memory_that_rises_a_little_all_the_time_is_not() -> None:
    points = [(float(second), 80 + second * 0.02) for second in range(1200)]
    assert not is_flat(points)
    assert round(slope(points) * 3600) == 72


def test_one_peak_is_no_leak() -> None:
    points = [(float(second), 300.0 if second == 900 else 80.0) for second in range(1000)]
    assert is_flat(points)
