"""Time as an argument: pure code gets a number, tests give their own."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], float]
"""Seconds since the epoch."""

wall: Clock = time.time


def rfc3339(seconds: float) -> str:
    """A timestamp as Kubernetes writes it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_rfc3339(text: str) -> float:
    """Seconds since the epoch of a Kubernetes timestamp, with or without microseconds."""
    return datetime.fromisoformat(text).timestamp()
