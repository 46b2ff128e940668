"""A job that never was, taken through the agent while the Pod warms up: everything is slow the first time.

Most of that are pages that agent and worker have shared since the fork: the first write to each makes a copy, and a claim met 130 of them.
"""

from hashlib import sha256

from .frames import HEADER, encode
from .journal import log
from .owner import Owner
from .request import VERSION, JobRequest, parse_start
from .run import Outcome
from .stream import FrameStream
from .supervision import RunningJob
from .worker import Worker

TOKEN = "rehearsal"
LIMITS = {"timeoutSeconds": 1, "maxCalls": 1, "maxOutputBytes": 1000, "maxResultBytes": 1000, "maxProcesses": 10, "memoryBytes": 1 << 28}
START = {"type": "start", "version": VERSION, "token": TOKEN, "job": TOKEN, "code": "1+1", "params": {}, "limits": LIMITS}
RESULT = {"type": "result", "run": 1, "ok": True, "value": 2}


def rehearse(worker: Worker) -> None:
    """From the claim to the result, with nobody at either end. The worker hears nothing of it."""
    job = _Rehearsal(_request(), Owner(FrameStream(_Nobody())), FrameStream(_Nobody()), worker, lambda exit_code: None)
    job.begin()
    job.from_worker(encode(RESULT)[HEADER.size :])


def _request() -> JobRequest:
    frame = {**START, "artifacts": {"maxCount": 1, "maxBytes": 1}}
    return parse_start(encode(frame)[HEADER.size :], sha256(TOKEN.encode()).hexdigest())


class _Rehearsal(RunningJob):
    """Its streams are connected to nothing, and it touches no process."""

    def _end(self, outcome: Outcome, *, reported: bool = False) -> None:
        self._stop()
        if not outcome["ok"]:
            log("rehearsal failed", reason=outcome["error"]["message"])
        self._outbox(outcome)
        if self._run is not None:
            self._run.finish(outcome, session_open=False)


class _Nobody:
    def on_frame(self, stream: FrameStream, body: bytes) -> None:
        pass

    def on_garbage(self, stream: FrameStream, reason: str) -> None:
        pass

    def on_lost(self, stream: FrameStream) -> None:
        pass

    def on_pressure(self, stream: FrameStream, full: bool) -> None:
        pass
