"""Listens to the calls of one job. A recording that grows too large is given up; the job never notices."""

import time
from typing import Any, Final

from mcp_optimizer.lane import CallOutcome, JobOutcome, OnCall
from mcp_optimizer.memory import Holding
from mcp_optimizer.results import compact

from .tape import Answered, Given, written

CALL_BYTES: Final = 200
"""What a call takes besides its texts."""


class Recorder:
    """`call` stands where the job's calls were answered; `finish` gives the recording."""

    def __init__(self, given: Given, on_call: OnCall, limit: int, holding: Holding | None) -> None:
        self._given = given
        self._on_call = on_call
        self._limit = limit
        self._holding = holding
        self._calls: list[Answered] = []
        self._size = 0
        self.given_up: str | None = None
        """Why there will be no recording."""
        self._grow(len(given.job.code) + len(compact(given.job.params)) + sum(len(file.data) * 4 // 3 for file in given.job.files))

    async def call(self, tool: str, arguments: dict[str, Any]) -> CallOutcome:
        """Have the call answered, and note both."""
        if self.given_up is not None:
            return await self._on_call(tool, arguments)
        asked = compact(arguments).encode("utf-8", "replace")
        # In the order in which the job asked: answers come in any.
        number = len(self._calls)
        self._calls.append(Answered(tool, asked, None, 0.0))
        self._grow(CALL_BYTES + len(tool) + len(asked))
        started = time.perf_counter()
        outcome = await self._on_call(tool, arguments)
        if self.given_up is None:
            answer = _text(outcome)
            self._grow(len(answer))
            if self.given_up is None:
                self._calls[number] = Answered(tool, asked, answer, round((time.perf_counter() - started) * 1000, 3))
        return outcome

    def finish(self, outcome: JobOutcome) -> bytes | None:
        """The recording; None when it was given up."""
        if self.given_up is not None:
            return None
        try:
            data = written(self._given, self._calls, outcome)
        except ValueError as error:
            self.given_up = f"it has text that cannot be kept: {error}"[:200]
            return None
        if len(data) > self._limit:
            self.given_up = f"it has {len(data)} bytes, at most {self._limit} are kept (spec.recording.maxBytes)"
            return None
        return data

    def _grow(self, count: int) -> None:
        if self.given_up is not None:
            return
        self._size += count
        if self._size > self._limit:
            self.given_up = f"it has more than the {self._limit} bytes that are kept (spec.recording.maxBytes)"
        elif self._holding is not None and not self._holding.hold_now(count):
            self.given_up = "this replica had no memory left for it: try again in a moment"
        if self.given_up is not None:
            self._calls = []


def _text(outcome: CallOutcome) -> bytes:
    answer: dict[str, Any] = {"ok": outcome.ok}
    if outcome.ok:
        answer["value"] = outcome.value
    elif outcome.error is not None:
        answer["error"] = {"code": outcome.error.code, "message": outcome.error.message}
    return compact(answer).encode("utf-8", "replace")
