"""Which answers a malformed request may get, and what the process may look like afterwards."""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.requests import Attempt
from tests.fuzz.wire import Answer

ALLOWED = frozenset({100, 200, 202, 400, 403, 404, 405, 406, 411, 413, 415, 421, 429, 431})
"""No 5xx: nothing that a client sends is the server's own failure."""
INTERNAL = re.compile(rb'"code": ?-32603')
SHOWN = 600


@dataclass
class Report:
    """What a run found."""

    requests: int = 0
    valid: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)

    def note(self, attempt: Attempt, answer: Answer) -> None:
        """Judge one answer."""
        self.requests += 1
        self.statuses.update(answer.statuses or (0,))
        why = problem(attempt, answer)
        if why:
            self.unexpected.append(f"{why}\n  sent {attempt.kind}: {attempt.data[:SHOWN]!r}\n  got {answer.data[:SHOWN]!r}")


def problem(attempt: Attempt, answer: Answer) -> str | None:
    """What is wrong with the answer; None when nothing is."""
    if answer.hung:
        return "no answer and no end"
    if not answer.statuses and not attempt.silent:
        return "closed without a word"
    wrong = [status for status in answer.statuses if status not in ALLOWED]
    if wrong:
        return f"status {wrong}"
    if INTERNAL.search(answer.data):
        return "an internal error"
    return "a stack trace" if b"Traceback" in answer.data else None


@dataclass(frozen=True)
class Vitals:
    """A process from outside."""

    rss_mb: float
    fds: int

    @classmethod
    def of(cls, pid: int) -> "Vitals":
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return cls(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir(f"/proc/{pid}/fd")))


def complaints(log: str) -> list[str]:
    """Lines of the server's log that tell of something no rule foresaw."""
    return [
        line[:1500] for line in log.splitlines() if re.search(r'Traceback|"level": ?"(ERROR|CRITICAL)"|never (retrieved|awaited)', line)
    ]
