"""Delays that may be missing."""


def soonest(*delays: float | None) -> float | None:
    """The shortest of the delays there are."""
    return min((delay for delay in delays if delay is not None), default=None)
