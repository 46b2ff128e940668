"""How well queries were answered: hits, ranks and recall, with the uncertainty that so few queries leave."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.recall_files import WHOLE_TASK, Query

CUTS = (1, 5, 8)
Z95 = 1.959964


@dataclass(frozen=True)
class Answered:
    """A query and the tools it found, best first."""

    query: Query
    found: tuple[str, ...]

    @property
    def rank(self) -> int:
        """Position of the first right tool, from 1; 0 when there is none."""
        return next((number for number, tool in enumerate(self.found, 1) if tool in self.query.gold), 0)

    def hit(self, cut: int) -> bool:
        """Whether one of the first `cut` tools is right."""
        return 0 < self.rank <= cut

    def recall(self, cut: int) -> float:
        """Share of the gold tools among the first `cut`."""
        return len(self.query.gold & set(self.found[:cut])) / len(self.query.gold)

    def server_recall(self, cut: int) -> float:
        """Share of the gold tools' servers among those of the first `cut`."""
        wanted = {tool.partition(".")[0] for tool in self.query.gold}
        return len(wanted & {tool.partition(".")[0] for tool in self.found[:cut]}) / len(wanted)


def wilson(hits: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score, in percent; nan for nothing."""
    if not total:
        return math.nan, math.nan
    share, z = hits / total, Z95
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (100 * max(middle - spread, 0.0) / (1 + z * z / total), 100 * min((middle + spread) / (1 + z * z / total), 1.0))


def percent(answers: Sequence[Answered], cut: int) -> float:
    """Share of the queries with a right tool among the first `cut`, in percent."""
    return 100 * sum(answer.hit(cut) for answer in answers) / len(answers) if answers else math.nan


def mean_reciprocal_rank(answers: Sequence[Answered]) -> float:
    """Mean of 1/rank, 0 where nothing was right."""
    return sum(1 / answer.rank if answer.rank else 0.0 for answer in answers) / len(answers) if answers else math.nan


def row(label: str, answers: Sequence[Answered]) -> str:
    """One line of the table of hits."""
    cells = [f"{label:<24}{len(answers):>5}"]
    for cut in CUTS:
        low, high = wilson(sum(answer.hit(cut) for answer in answers), len(answers))
        cells.append(f"{percent(answers, cut):6.1f} [{low:4.1f}–{high:5.1f}]")
    return "  ".join([*cells, f"{mean_reciprocal_rank(answers):5.3f}"])


def task_row(label: str, answers: Sequence[Answered]) -> str:
    """One line of the table of whole tasks."""
    tasks = [answer for answer in answers if answer.query.style == WHOLE_TASK]
    if not tasks:
        return f"{label:<24}    0"
    cells = [f"{label:<24}{len(tasks):>5}"]
    for cut in (8, 20):
        tools = 100 * sum(answer.recall(cut) for answer in tasks) / len(tasks)
        servers = 100 * sum(answer.server_recall(cut) for answer in tasks) / len(tasks)
        whole = 100 * sum(answer.recall(cut) == 1 for answer in tasks) / len(tasks)
        cells.append(f"{tools:8.1f}{servers:9.1f}{whole:8.1f}")
    return "   ".join(cells)
