"""One run of a job and who answers its calls: the servers, the servers and a recorder that listens, or a recording."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from mcp_optimizer.artifacts import Artifacts
from mcp_optimizer.errors import BAD_REQUEST, FORBIDDEN, TOO_MANY, CallFailure
from mcp_optimizer.lane import JobOutcome, JobRequest, OnCall
from mcp_optimizer.memory import MemoryFull, current, hold_here
from mcp_optimizer.recording import Given, Player, Recorder, Recordings, Tape, read
from mcp_optimizer.snapshot import Snapshot

from .files import files_of
from .request import request_of

SEED_BITS: Final = 53
_OFF: Final = "recording is switched off at this endpoint: set spec.recording.enabled"


@dataclass(frozen=True, slots=True)
class Stores:
    """What jobs leave behind."""

    artifacts: Artifacts
    recordings: Recordings


@dataclass(frozen=True, slots=True)
class Take:
    """What is run, and `about`: what the answer says about it besides the outcome."""

    job: JobRequest
    on_call: OnCall
    about: Callable[[JobOutcome], dict[str, Any]]


async def take_of(arguments: dict[str, Any], snapshot: Snapshot, stores: Stores, on_call: OnCall) -> Take:
    """What the arguments ask for. Raises `CallFailure`: 400, 403 recording is off, 404 for handles that lead nowhere."""
    record, handle = arguments.get("record"), arguments.get("replay")
    if record is not None and not isinstance(record, bool):
        raise CallFailure(BAD_REQUEST, "record must be true or false")
    if not stores.recordings.enabled and (record or handle is not None):
        raise CallFailure(FORBIDDEN, _OFF)
    if handle is not None:
        return await _replayed(handle, arguments, snapshot, stores, on_call)
    job = replace(request_of(arguments, snapshot.config.sandbox), files=await files_of(arguments, stores.artifacts))
    if record is False or not stores.recordings.enabled:
        return Take(job, on_call, lambda _: {})
    return _recorded(job, snapshot, stores.recordings, on_call)


def _recorded(job: JobRequest, snapshot: Snapshot, recordings: Recordings, on_call: OnCall) -> Take:
    job = replace(job, seed=secrets.randbits(SEED_BITS))
    recorder = Recorder(Given(job, snapshot.catalogue_hash), on_call, recordings.limit, current())

    def about(outcome: JobOutcome) -> dict[str, Any]:
        handle = recordings.keep(recorder.finish(outcome), recorder)
        return {"recording": handle} if handle is not None else {"not_recorded": recorder.given_up}

    return Take(job, recorder.call, about)


async def _replayed(handle: Any, arguments: dict[str, Any], snapshot: Snapshot, stores: Stores, on_call: OnCall) -> Take:
    if not isinstance(handle, str):
        raise CallFailure(BAD_REQUEST, "replay must be the recording that an earlier answer named")
    for name in ("params", "files", "record"):
        if arguments.get(name) is not None:
            raise CallFailure(BAD_REQUEST, f"{name} cannot be given with replay, which takes that of the recording: leave it out")
    data = await stores.recordings.get(handle)
    try:
        await hold_here(len(data))
    except MemoryFull:
        raise CallFailure(TOO_MANY, f"no memory for a recording of {len(data)} bytes at this moment: try again") from None
    tape: Tape = await asyncio.to_thread(read, data)
    # Bounds are those of today, and of this call.
    today = request_of({**arguments, "code": arguments.get("code") or tape.given.job.code}, snapshot.config.sandbox)
    timeout = today.timeout_s if arguments.get("timeout_s") is not None else tape.given.job.timeout_s
    job = replace(tape.given.job, code=today.code, timeout_s=timeout, artifacts=today.artifacts)
    player = Player(tape, on_call)

    def about(outcome: JobOutcome) -> dict[str, Any]:
        report = player.report(outcome)
        stores.recordings.replays["identical" if report["identical"] else "different"] += 1
        if tape.given.catalogue != snapshot.catalogue_hash:
            report["catalogue_changed"] = True
        return {"replay": report}

    return Take(job, player.call, about)
