"""What may fail, and why: `expected.yaml` compared with what did.

Three ways to be wrong: a failure nobody expected, an expected failure that passed (its entry is stale), an entry that names something
that no longer exists.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.conformance.suite import Outcome

FILE = Path(__file__).parent / "expected.yaml"


@dataclass(frozen=True)
class Expected:
    """One entry: in these legs, this scenario fails in exactly these checks (all of them when none is named)."""

    legs: frozenset[str]
    revision: str
    scenario: str
    checks: frozenset[str]
    reason: str


@dataclass(frozen=True)
class Verdict:
    """One leg on one revision: scored scenarios that passed, of how many, and what is wrong."""

    passed: int
    required: int
    lines: tuple[str, ...]
    wrong: tuple[str, ...]


def read(path: Path = FILE) -> list[Expected]:
    """The entries of the file; raises for one without a reason."""
    entries = []
    for item in yaml.safe_load(path.read_text()) or []:
        scenarios = item["scenarios"] if "scenarios" in item else [item["scenario"]]
        if len(str(item.get("reason", ""))) < 20:
            raise ValueError(f"{path.name}: {scenarios[0]} needs a reason")
        checks = frozenset(item.get("checks", ()))
        entries += [Expected(frozenset(item["legs"]), str(item["revision"]), str(name), checks, item["reason"]) for name in scenarios]
    return entries


def judge(outcomes: Iterable[Outcome], expected: list[Expected], leg: str, revision: str) -> Verdict:
    """Compare. Scenarios that the suite runs without scoring them are judged too: what passes has to go on passing."""
    entries = {entry.scenario: entry for entry in expected if leg in entry.legs and entry.revision == revision}
    lines, wrong = [], []
    passed = required = 0
    for found in outcomes:
        entry = entries.pop(found.scenario, None)
        required += found.scored
        passed += found.scored and not found.failed
        lines.append(line(found, entry))
        wrong += problems(found, entry)
    wrong += [f"{name}: expected to fail, but no such scenario ran: remove the entry" for name in entries]
    return Verdict(passed, required, tuple(lines), tuple(f"{leg} {revision} {text}" for text in wrong))


def problems(found: Outcome, entry: Expected | None) -> list[str]:
    """What the file and the run disagree about."""
    if entry is None:
        return [f"{found.scenario} {check}: {found.said[check]}" for check in sorted(found.failed)]
    if not found.failed:
        return [f"{found.scenario}: passes, remove its entry from {FILE.name}"]
    if not entry.checks:
        return []
    more = [f"{found.scenario} {check}: {found.said[check]}" for check in sorted(found.failed - entry.checks)]
    return more + [f"{found.scenario} {check}: passes, remove it from {FILE.name}" for check in sorted(entry.checks - found.failed)]


def line(found: Outcome, entry: Expected | None) -> str:
    """One line for people."""
    mark = "ok  " if not found.failed else "xfail" if entry else "FAIL"
    notes = f"{found.passed} passed" + (f", failed {', '.join(sorted(found.failed))}" if found.failed else "")
    notes += f", warned {', '.join(sorted(found.warned))}" if found.warned else ""
    return f"{mark:<5} {found.scenario}{'' if found.scored else ' (not scored)'}: {notes}"
