"""What a series of measurements says about growth."""

from collections.abc import Sequence

MAX_GROWTH_MB = 12.0
"""Between the first and the last quarter: more than an allocator's mood, less than a leak of a hundred bytes per request would make."""


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares: how much y grows per unit of x."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def quarter(points: Sequence[tuple[float, float]], *, last: bool) -> float:
    """The median y of the first or the last quarter."""
    size = max(len(points) // 4, 1)
    chosen = sorted(y for _, y in (points[-size:] if last else points[:size]))
    return chosen[len(chosen) // 2]


def is_flat(points: Sequence[tuple[float, float]]) -> bool:
    """Whether the last quarter lies no higher than the first, but for what any process does."""
    return quarter(points, last=True) - quarter(points, last=False) <= MAX_GROWTH_MB
