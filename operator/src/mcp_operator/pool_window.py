"""How many Pods of one pool may be starting at once: as many as make more Pods a second than half as many did. Pure.

Pods that start together on one node share its processors, and are ready together, late: of 30 on two cores none within ten seconds, while jobs
wait. How many a cluster starts well nobody tells an operator that sees no nodes, but the time that each took does.
"""

import math
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final

FIRST: Final = 8
LEAST: Final = 2
MOST: Final = 256
WORTH: Final = 1.3
"""Times as many Pods a second that twice as many at once have to bring; with processors to spare it is two."""
REMEMBERED_WAVES: Final = 20
"""Then a larger window is tried again: there may be more nodes."""
LEAST_SECONDS, MOST_SECONDS = 2.0, 60.0
"""What a Pod takes: the kubelet looks once a second, and a luckier one is no measure for the others; one that takes longer had other troubles."""
COUNTS_SECONDS: Final = 10.0
"""A Pod that is starting for longer waits for something else than processors, an image or a node, and holds up no other."""


@dataclass
class StartWindow:
    """Of one pool. What it has learned may be lost: it begins at a few."""

    size: int = FIRST
    _wave: list[float] = field(default_factory=list)
    """Seconds that Pods took which started with about as many others as may be."""
    _waves: int = 0
    _rates: dict[int, tuple[float, int]] = field(default_factory=dict)
    """Size to the Pods per second that it brought, and in which wave."""

    def started(self, seconds: float, beside: int) -> None:
        """A Pod became Ready so long after it was asked for, with so many others starting when it was."""
        if beside + 1 < self.size / 2:
            return
        self._wave.append(min(max(seconds, LEAST_SECONDS), MOST_SECONDS))
        if len(self._wave) < self.size:
            return
        self._waves += 1
        self._rates[self.size] = self.size / fmean(self._wave), self._waves
        self._wave.clear()
        if self._brings_little(self.size):
            self.size //= 2
        elif 2 * self.size <= MOST and not self._brings_little(2 * self.size):
            self.size *= 2
        elif self.size // 2 >= LEAST and self.size // 2 not in self._rates:
            self.size //= 2

    def _brings_little(self, size: int) -> bool:
        """Whether it was tried lately, and made hardly more Pods a second than half of it."""
        rate, wave = self._rates.get(size, (math.inf, 0))
        half, _ = self._rates.get(size // 2, (0.0, 0))
        return rate < WORTH * half and self._waves - wave < REMEMBERED_WAVES
