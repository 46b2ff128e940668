"""What a recording holds, and its form in memory: JSON text, because parsed it takes a multiple of it. It is parsed for a replay alone."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from mcp_optimizer.lane import JobFile, JobOutcome, JobRequest
from mcp_optimizer.results import compact

PARTS: Final = ("result", "error", "stdout", "stderr", "artifacts")
"""Of an outcome, in the order in which they are compared."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a job starts from. `catalogue` tells the tools it could have found from others."""

    job: JobRequest
    catalogue: str


@dataclass(frozen=True, slots=True)
class Answered:
    """One call, as JSON texts. `answer` is `{"ok": true, "value": …}` or `{"ok": false, "error": …}`; None: the job ended first."""

    tool: str
    arguments: bytes
    answer: bytes | None
    ms: float


@dataclass(frozen=True, slots=True)
class Call:
    """One call, read back. The answer is that of `Answered`, parsed; None: the job ended first."""

    tool: str
    arguments: dict[str, Any]
    answer: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Tape:
    """A recording, read back."""

    given: Given
    calls: Sequence[Call]
    parts: dict[str, str]


def parts_of(outcome: JobOutcome) -> dict[str, str]:
    """What two runs must have in common to be called identical, as texts by PARTS. Times are left out."""
    error = outcome.error
    left_out = [[item.name, item.reason] for item in outcome.left_out]
    artifacts = [[item.name, hashlib.sha256(item.data).hexdigest()] for item in outcome.artifacts]
    return {
        "result": compact(outcome.value) if outcome.ok else "",
        "error": compact([error.kind, error.message, error.traceback]) if error is not None else "",
        "stdout": _printed(outcome.stdout, outcome.stdout_truncated),
        "stderr": _printed(outcome.stderr, outcome.stderr_truncated),
        "artifacts": compact([artifacts, left_out]) if artifacts or left_out else "",
    }


def written(given: Given, calls: Sequence[Answered], outcome: JobOutcome) -> bytes:
    """The recording as JSON. Raises `ValueError` for text that no UTF-8 can carry."""
    job = given.job
    document = {
        "code": job.code,
        "params": orjson.Fragment(compact(job.params)),
        "timeout": job.timeout_s,
        "seed": job.seed,
        "catalogue": given.catalogue,
        "files": [[file.name, hashlib.sha256(file.data).hexdigest(), base64.b64encode(file.data).decode()] for file in job.files],
        "calls": [[call.tool, orjson.Fragment(call.arguments), orjson.Fragment(call.answer or b"null"), call.ms] for call in calls],
        "parts": parts_of(outcome),
    }
    try:
        return orjson.dumps(document)
    except TypeError as error:
        raise ValueError(str(error)) from None


def read(data: bytes) -> Tape:
    """The opposite. The standard library's parser keeps integers of any size as they are."""
    document = json.loads(data)
    files = tuple(JobFile(name, base64.b64decode(content)) for name, _, content in document["files"])
    job = JobRequest(document["code"], document["params"], document["timeout"], files=files, seed=document["seed"])
    calls = [Call(tool, arguments, answer) for tool, arguments, answer, _ in document["calls"]]
    return Tape(Given(job, document["catalogue"]), calls, document["parts"])


def _printed(text: str, dropped: int) -> str:
    return f"{text}\n[{dropped} bytes dropped]" if dropped else text
