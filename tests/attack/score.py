"""Counts what held. A row that was not tried, or only in part, is missing: nothing passes in silence."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .vocabulary import Isolation

ROWS = 22


@dataclass
class Score:
    """Verdicts so far. A verdict is a reason, or None for "held" and "proven"."""

    isolations: tuple[Isolation, ...]
    rows: dict[tuple[int, Isolation], list[str | None]] = field(default_factory=dict)
    controls: dict[str, str | None] = field(default_factory=dict)

    def attack(self, number: int, isolation: Isolation, reason: str | None) -> None:
        """One attack of a row ended. A row holds when each of its attacks did."""
        self.rows.setdefault((number, isolation), []).append(reason)

    def control(self, name: str, reason: str | None) -> None:
        """One proof ended."""
        self.controls[name] = reason

    def held(self, isolation: Isolation) -> int:
        """Rows all of whose attacks were made, without effect."""
        return sum(self._holds(number, isolation) for number in range(1, ROWS + 1))

    def proven(self) -> int:
        """Controls whose absence shows."""
        return sum(reason is None for reason in self.controls.values())

    def complete(self, isolations: Iterable[Isolation]) -> bool:
        """Whether every row held on every isolation and every proof succeeded."""
        return all(self.held(isolation) == ROWS for isolation in isolations) and self.proven() == len(self.controls)

    def missing(self) -> list[str]:
        """A line for everything that does not count."""
        lines = []
        for isolation in self.isolations:
            for number in range(1, ROWS + 1):
                verdicts = self.rows.get((number, isolation))
                if verdicts is None:
                    lines.append(f"row {number} {isolation}: not tried")
                lines += [f"row {number} {isolation}: {reason}" for reason in verdicts or () if reason is not None]
        lines += [f"control {name}: {reason}" for name, reason in self.controls.items() if reason is not None]
        return lines

    def line(self) -> str:
        """The last line of `make attack`."""
        return " ".join(
            ["attack", *(f"{isolation}={self.held(isolation)}/{ROWS}" for isolation in self.isolations), f"controls_proven={self.proven()}"]
        )

    def _holds(self, number: int, isolation: Isolation) -> bool:
        verdicts = self.rows.get((number, isolation))
        return bool(verdicts) and all(reason is None for reason in verdicts)
