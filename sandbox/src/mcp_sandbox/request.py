"""The `start` and `run` frames, checked by hand: the first is what a stranger may send, so nothing in it is taken on trust."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from .filenames import why_no_name
from .frames import MAX_FRAME_BYTES, FrameError, decode
from .inbox import Notice
from .outbox import OutboxLimits

MIB = 1024 * 1024
MAX_FILES = 1000
MAX_FILE_BYTES = 64 * MIB
VERSION = 2


class Refusal(Exception):
    """Why a `start` does not win the Pod: 400, 401 or 409. `state`, with 409: whose the Pod is."""

    def __init__(self, code: int, message: str, state: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.state = state


@dataclass(frozen=True)
class RunLimits:
    """Bounds of one run, all checked."""

    timeout_seconds: float
    max_calls: int
    max_output_bytes: int
    max_result_bytes: int


@dataclass(frozen=True)
class ProcessLimits:
    """Bounds of the job's processes, for as long as they live."""

    max_processes: int
    memory_bytes: int


@dataclass(frozen=True)
class Session:
    """How long a session is kept without a run, and in all, in seconds."""

    idle_seconds: float
    max_seconds: float


@dataclass(frozen=True)
class RunRequest:
    """Code that may run. Runs of a Pod are numbered from 1."""

    number: int
    code: str
    params: dict[str, Any]
    limits: RunLimits
    seed: int | None = None
    """Of `random`; None: another one in each Pod."""
    files: tuple[Notice, ...] = ()
    """Sent behind the frame, and written before the code runs."""
    outbox: OutboxLimits | None = None
    """None: no files are taken when the run has ended."""


@dataclass(frozen=True)
class JobRequest:
    """A job that may have the Pod: its first run, and whether more may follow."""

    job: str
    first: RunRequest
    processes: ProcessLimits
    session: Session | None = None


Bounds = dict[str, tuple[float, float]]
RUN_BOUNDS: Bounds = {
    "timeoutSeconds": (0.01, 86400),
    "maxCalls": (0, 10_000_000),
    "maxOutputBytes": (0, 64 * MIB),
    "maxResultBytes": (1, MAX_FRAME_BYTES - 64 * 1024),
}
PROCESS_BOUNDS: Bounds = {"maxProcesses": (1, 100_000), "memoryBytes": (16 * MIB, 1 << 50)}
OUTBOX_BOUNDS: Bounds = {"maxCount": (0, 1000), "maxBytes": (0, 64 * MIB)}
SESSION_BOUNDS: Bounds = {"idleSeconds": (0.01, 86400), "maxSeconds": (0.01, 86400)}


def parse_start(body: bytes, token_sha256: str) -> JobRequest:
    """The job of a valid `start` frame with the right token; Refusal otherwise. The token is checked before the rest is looked at."""
    try:
        frame = decode(body)
    except FrameError as error:
        raise Refusal(400, f"malformed start: {error}") from None
    if frame.get("type") != "start":
        raise Refusal(400, f"malformed start: type must be 'start', not {str(frame.get('type'))[:40]!r}")
    token = frame.get("token")
    if not isinstance(token, str):
        raise Refusal(400, "malformed start: token must be a string")
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
    if not hmac.compare_digest(digest, token_sha256):
        raise Refusal(401, "wrong token for this Pod")
    if frame.get("version") != VERSION:
        raise Refusal(400, f"malformed start: version must be {VERSION}, not {str(frame.get('version'))[:40]}")
    return _job_of(frame)


def parse_run(frame: dict[str, Any], number: int) -> RunRequest:
    """The run of a `run` frame, which must be the one with this number; Refusal otherwise."""
    if frame.get("run") != number:
        raise Refusal(400, f"malformed run: run must be {number}, not {str(frame.get('run'))[:40]}")
    return _run_of(frame, number)


def _job_of(frame: dict[str, Any]) -> JobRequest:
    job, session = frame.get("job"), frame.get("session")
    if not isinstance(job, str) or not 0 < len(job) <= 256:
        raise Refusal(400, "malformed start: job must be a string of 1 to 256 characters")
    first = _run_of(frame, 1)
    processes = _numbers(frame, "limits", PROCESS_BOUNDS)
    terms = _numbers(frame, "session", SESSION_BOUNDS) if session is not None else None
    return JobRequest(
        job=job,
        first=first,
        processes=ProcessLimits(max_processes=int(processes["maxProcesses"]), memory_bytes=int(processes["memoryBytes"])),
        session=None if terms is None else Session(idle_seconds=terms["idleSeconds"], max_seconds=terms["maxSeconds"]),
    )


def _files_of(frame: dict[str, Any]) -> tuple[Notice, ...]:
    kind, files = frame["type"], frame.get("files", [])
    if not isinstance(files, list) or len(files) > MAX_FILES:
        raise Refusal(400, f"malformed {kind}: files must be a list of at most {MAX_FILES}")
    notices = []
    for file in files:
        name, size = (file.get("name"), file.get("size")) if isinstance(file, dict) else (None, None)
        if not isinstance(name, str) or why_no_name(name) is not None:
            raise Refusal(400, f"malformed {kind}: files must have names that lead below their folder")
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MAX_FILE_BYTES:
            raise Refusal(400, f"malformed {kind}: files must have sizes between 0 and {MAX_FILE_BYTES}")
        notices.append(Notice(name, size))
    return tuple(notices)


def _run_of(frame: dict[str, Any], number: int) -> RunRequest:
    kind, code, params = frame["type"], frame.get("code"), frame.get("params", {})
    if not isinstance(code, str):
        raise Refusal(400, f"malformed {kind}: code must be a string")
    if not isinstance(params, dict):
        raise Refusal(400, f"malformed {kind}: params must be an object")
    seed = frame.get("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 53):
        raise Refusal(400, f"malformed {kind}: seed must be a whole number below 2**53")
    checked = _numbers(frame, "limits", RUN_BOUNDS)
    limits = RunLimits(
        timeout_seconds=checked["timeoutSeconds"],
        max_calls=int(checked["maxCalls"]),
        max_output_bytes=int(checked["maxOutputBytes"]),
        max_result_bytes=int(checked["maxResultBytes"]),
    )
    outbox = _numbers(frame, "artifacts", OUTBOX_BOUNDS) if frame.get("artifacts") is not None else None
    return RunRequest(
        number=number,
        code=code,
        params=params,
        limits=limits,
        seed=seed,
        files=_files_of(frame),
        outbox=None if outbox is None else OutboxLimits(max_count=int(outbox["maxCount"]), max_bytes=int(outbox["maxBytes"])),
    )


def _numbers(frame: dict[str, Any], part: str, bounds: Bounds) -> dict[str, float]:
    """The numbers of one part of a frame, each within its bounds."""
    values = frame.get(part)
    if not isinstance(values, dict):
        raise Refusal(400, f"malformed {frame['type']}: {part} must be an object")
    for name, (low, high) in bounds.items():
        value = values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise Refusal(
                400,
                f"malformed {frame['type']}: {part}.{name} must be a number between {low:g} and {high:g}, not {str(value)[:40]}",
            )
    return {name: values[name] for name in bounds}
