"""One call that outlived its request: where it stands, what it asks, and how it ended."""

import asyncio
import datetime
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

POLL_MS: Final = 1000
KEEP_SECONDS: Final = 600
"""How long an ended task can be asked for."""
LONGEST_SECONDS: Final = 3600
"""The longest call there is: a job's largest time limit."""

LEASE_SECONDS: Final = 15.0
"""A job that another replica runs for its client ends when that replica has not asked for this long."""

Fields = dict[str, Any]
Printed = tuple[str, str]
"""Name of the stream, and text."""


@dataclass(frozen=True, slots=True)
class Round:
    """What a server that asked for input gets with the same call once more; nothing in the first round."""

    responses: Mapping[str, Any] | None = None
    state: str | None = None


@dataclass(eq=False, slots=True)
class Running:
    """A task while it runs. `ended` is set by whoever ends it for a reason of ours, instead of its result."""

    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    detached: bool = False
    """The request was answered with the task; until then it is an ordinary call."""
    ended: str | None = None
    questions: Fields = field(default_factory=dict)
    """What the server asks and nobody has answered yet, by key."""
    answers: Fields = field(default_factory=dict)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    rounds: int = 0
    printed: list[Printed] = field(default_factory=list)
    """What a job has printed so far; bounded by the job's own limits."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Something was printed since it was last looked at."""
    lease: "asyncio.Timeout | None" = None
    """When nobody has asked for long, it ends; None: it needs nobody."""
    task: "asyncio.Task[Fields] | None" = None

    async def note(self, stream: str, data: str) -> None:
        """The job printed."""
        self.printed.append((stream, data))
        self.changed.set()

    def asked(self) -> None:
        """Somebody still wants it."""
        if self.lease is not None and not self.lease.expired():
            self.lease.reschedule(asyncio.get_running_loop().time() + LEASE_SECONDS)

    async def more(self, after: int, seconds: float) -> list[Printed]:
        """What was printed after the first `after` items; waits for some, or for the end, at most `seconds`."""
        if len(self.printed) <= after and self.task is not None and seconds > 0:
            self.changed.clear()
            waiting = asyncio.create_task(self.changed.wait())
            try:
                await asyncio.wait([waiting, self.task], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
        return self.printed[after:]

    def ask(self, questions: Mapping[str, Any]) -> None:
        """The server waits for these. A key is never used twice in the life of a task, so those of later rounds get the round's number."""
        self.rounds += 1
        prefix = f"{self.rounds}." if self.rounds > 1 else ""
        self.questions = {prefix + key: question for key, question in questions.items()}
        self.answers = {}
        self.answered.clear()
        self.updated = time.time()

    def answer(self, responses: Mapping[str, Any]) -> None:
        """Take what was asked for and ignore the rest. The call goes on when nothing is open."""
        for key in self.questions.keys() & responses.keys():
            del self.questions[key]
            self.answers[key.partition(".")[2] if self.rounds > 1 else key] = responses[key]
            self.updated = time.time()
        if not self.questions:
            self.answered.set()

    def fields(self) -> Fields:
        """The task as `tasks/get` shows it, without its identifier."""
        asked = {"inputRequests": dict(self.questions)} if self.questions else {}
        return {**self._base("input_required" if asked else "working", LONGEST_SECONDS + KEEP_SECONDS), **asked}

    def final(self, status: str, **more: Any) -> Fields:
        """The task as it is shown from now on, in one of the states `completed`, `failed` and `cancelled`."""
        self.updated = time.time()
        return {**self._base(status, int(self.updated - self.created) + KEEP_SECONDS), **more}

    def _base(self, status: str, ttl_s: int) -> Fields:
        return {
            "status": status,
            "createdAt": _iso(self.created),
            "lastUpdatedAt": _iso(self.updated),
            "ttlMs": ttl_s * 1000,
            "pollIntervalMs": POLL_MS,
        }


def _iso(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
