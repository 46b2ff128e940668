"""How good discovery is in real use: at which position of the hits stood the tool that was then called?

There are no sessions, so a call is put down to the last discovery of this process that showed the tool. Several clients of one replica blur the
figure, and a discovery that another replica answered makes the call count as `not_found`: read it as a trend, not as recall.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

REMEMBERED: Final = 4096
"""Tools whose last position is known."""
_COUNTED: Final = 0
POSITIONS: Final = ("1", "2", "3", "4-5", "6-8", "9+", "not_found")
_LABELS: Final = ("", "1", "2", "3", "4-5", "4-5", "6-8", "6-8", "6-8")


class Quality:
    """Positions of tools that discoveries showed and nobody has called since."""

    def __init__(self, count: Callable[[str], None]) -> None:
        self._count = count
        self._recent: OrderedDict[str, int] = OrderedDict()

    def shown(self, tools: Sequence[str], start: int = 0) -> None:
        """A client sees these hits, in this order, after `start` others."""
        for position, tool in enumerate(tools, start + 1):
            self._remember(tool, position)

    def called(self, tool: str) -> None:
        """A tool is called. Counts once per discovery: a loop that calls it a hundred times used one hit."""
        position = self._recent.get(tool)
        if position == _COUNTED:
            return
        self._remember(tool, _COUNTED)
        if position is None:
            self._count("not_found")
        else:
            self._count(_LABELS[position] if position < len(_LABELS) else "9+")

    def _remember(self, tool: str, position: int) -> None:
        self._recent[tool] = position
        self._recent.move_to_end(tool)
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
