"""A runner that records command lines and answers from a script."""

import subprocess
from collections.abc import Mapping, Sequence


class FakeRunner:
    """Answers by the longest prefix of the command line; anything else succeeds with no output."""

    def __init__(self, answers: Mapping[str, tuple[int, str]] | None = None) -> None:
        self.calls: list[str] = []
        self._answers = answers or {}

    def __call__(self, argv: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        line = " ".join(argv)
        self.calls.append(line)
        matching = [prefix for prefix in self._answers if line.startswith(prefix)]
        code, output = self._answers[max(matching, key=len)] if matching else (0, "")
        return subprocess.CompletedProcess(list(argv), code, output if code == 0 else "", output if code else "")
