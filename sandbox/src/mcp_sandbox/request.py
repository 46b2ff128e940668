"""The `start` frame, checked by hand: the first thing a stranger may send, so nothing in it is taken on trust."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from .frames import MAX_FRAME_BYTES, FrameError, decode

MIB = 1024 * 1024


class Refusal(Exception):
    """Why a `start` does not win the Pod: 400, 401 or 409."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Limits:
    """Bounds of one job, all checked."""

    timeout_seconds: float
    max_processes: int
    memory_bytes: int
    max_calls: int
    max_output_bytes: int
    max_result_bytes: int


@dataclass(frozen=True)
class JobRequest:
    """A job that may run."""

    job: str
    code: str
    params: dict[str, Any]
    limits: Limits


BOUNDS: dict[str, tuple[float, float]] = {
    "timeoutSeconds": (0.01, 86400),
    "maxProcesses": (1, 100_000),
    "memoryBytes": (16 * MIB, 1 << 50),
    "maxCalls": (0, 10_000_000),
    "maxOutputBytes": (0, 64 * MIB),
    "maxResultBytes": (1, MAX_FRAME_BYTES - 64 * 1024),
}


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
    if frame.get("version") != 1:
        raise Refusal(400, f"malformed start: version must be 1, not {str(frame.get('version'))[:40]}")
    return _job_of(frame)


def _job_of(frame: dict[str, Any]) -> JobRequest:
    job, code, params, limits = frame.get("job"), frame.get("code"), frame.get("params", {}), frame.get("limits")
    if not isinstance(job, str) or not 0 < len(job) <= 256:
        raise Refusal(400, "malformed start: job must be a string of 1 to 256 characters")
    if not isinstance(code, str):
        raise Refusal(400, "malformed start: code must be a string")
    if not isinstance(params, dict):
        raise Refusal(400, "malformed start: params must be an object")
    if not isinstance(limits, dict):
        raise Refusal(400, "malformed start: limits must be an object")
    checked = {name: _limit_of(limits, name, low, high) for name, (low, high) in BOUNDS.items()}
    return JobRequest(
        job=job,
        code=code,
        params=params,
        limits=Limits(
            timeout_seconds=checked["timeoutSeconds"],
            max_processes=int(checked["maxProcesses"]),
            memory_bytes=int(checked["memoryBytes"]),
            max_calls=int(checked["maxCalls"]),
            max_output_bytes=int(checked["maxOutputBytes"]),
            max_result_bytes=int(checked["maxResultBytes"]),
        ),
    )


def _limit_of(limits: dict[str, Any], name: str, low: float, high: float) -> float:
    value = limits.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Refusal(400, f"malformed start: limits.{name} must be a number between {low:g} and {high:g}, not {str(value)[:40]}")
    return value
