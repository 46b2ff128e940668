"""Counts how often a warm Pod could not be reached, so that its operator hears of it when that was no accident."""

from collections import OrderedDict
from typing import Final

FAILURES: Final = 3
"""In a row, and a Pod rests between two tries: a network that comes back within ten seconds costs no Pod."""
REMEMBERED: Final = 1000


class Failures:
    """By uid. A Pod that is reached once is used, and gone with its job: nothing has to be forgiven."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()

    def note(self, uid: str) -> bool:
        """One more; True when it should be announced: from the third on each time, because an announcement can be lost."""
        count = self._counts.pop(uid, 0) + 1
        self._counts[uid] = count
        while len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)
        return count >= FAILURES
