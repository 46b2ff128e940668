"""Percentiles and the one line a benchmark ends with."""

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed (nearest rank); nan for none."""
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


def line(name: str, **figures: float) -> str:
    """`name key=value …`, rounded to what a reader can use."""
    return " ".join([name, *(f"{key}={value:g}" if isinstance(value, int) else f"{key}={value:.2f}" for key, value in figures.items())])
