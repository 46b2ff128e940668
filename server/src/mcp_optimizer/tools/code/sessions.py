"""Sandboxes that a client keeps between calls, by a handle that only this endpoint can make. A session lives where it was opened; another
replica that is asked for one has its owner run the code, follows it, and hands on what it prints.
"""

import secrets
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from mcp_optimizer.artifacts import Artifacts
from mcp_optimizer.clients import current_client, serve
from mcp_optimizer.context import PLAIN, CallContext
from mcp_optimizer.errors import BAD_REQUEST, CONFLICT, NOT_FOUND, TOO_MANY, UNAVAILABLE, CallFailure
from mcp_optimizer.invoke import Invoker
from mcp_optimizer.keys import KeyUnreadable
from mcp_optimizer.lane import JobRequest, OnOutput, OpenSession, SandboxLane
from mcp_optimizer.memory import holding
from mcp_optimizer.results import Result, compact, text_result
from mcp_optimizer.seal import NotOurs, Sealer, SealError
from mcp_optimizer.state.address import Address
from mcp_optimizer.state.peers import GONE, MAX_QUESTION, Answer, Peers, Question
from mcp_optimizer.state.running import Running
from mcp_optimizer.state.store import ID_BYTES, Store
from mcp_optimizer.state.tasks import Tasks
from mcp_optimizer_api.config import SandboxConfig, SessionsConfig

from .files import files_of, lent
from .following import explained, followed
from .request import request_of
from .result import result_of
from .run import Aids, calls_of, run_job, sandbox_of

NEW: Final = "new"
ENDED: Final = "ended"
REMEMBERED: Final = 1000
ENDED_SECONDS: Final = 3600.0
"""How long it is remembered why a session ended."""
REPLAY_SECONDS: Final = 120.0
"""How long a question of a peer could come a second time; it starts nothing then."""
MAX_OWN: Final = MAX_QUESTION - 64 * 1024
"""Of the code and params of a run, wherever its session is. The rest is for the names and handles of files."""
_PURPOSE: Final = "session"
_BUSY: Final = "a call runs in this session already, one at a time is possible: wait for its answer"
_AGAIN: Final = 'start one with session: "new" and run there what it needs'


@dataclass(eq=False, slots=True)
class _Entry:
    session: OpenSession
    client: str
    busy: bool = False


class CodeSessions:
    """This replica's sessions, and the way to those of others."""

    def __init__(
        self, lane: SandboxLane, invoker: Invoker, aids: Aids, artifacts: Artifacts, sealer: Sealer, peers: Peers, tasks: Tasks
    ) -> None:
        self._lane, self._invoker, self._aids, self._artifacts = lane, invoker, aids, artifacts
        self._sealer, self._peers, self._tasks = sealer, peers, tasks
        self._open: dict[bytes, _Entry] = {}
        self._opening: list[str] = []
        """For which clients."""
        self._ended: Store[str] = Store(max_entries=REMEMBERED, max_bytes=REMEMBERED * 1000)
        self._asked: Store[str] = Store(max_entries=REMEMBERED, max_bytes=REMEMBERED * 1000)
        peers.offer("session-run", self._run_for_peer)
        peers.offer("session-end", self._end_for_peer)

    async def run(self, arguments: dict[str, Any], context: CallContext, progress: OnOutput | None) -> Result:
        """Run code in the session that `session` names, or open or end one. Raises `CallFailure`."""
        name = arguments["session"]
        if name == NEW:
            return await self._begin(arguments, context, progress)
        owner, key = self._opened(name)
        if not _code(arguments):
            await self._peers.ask(owner, "session-end", {"id": key.hex()})
            return text_result(compact({"session": ENDED}))
        own = {part: value for part, value in arguments.items() if part not in ("session", "detach", "files")}
        question: Question = {"id": key.hex(), "call": secrets.token_hex(8), "arguments": own, "trace": dict(context.trace or {})}
        question["client"] = current_client()
        if len(compact(question)) > MAX_OWN:
            raise CallFailure(BAD_REQUEST, f"code and params have more than {MAX_OWN} bytes together: pass less, or pass it in files")
        if owner == self._peers.address:
            return await self._run_here(key, self._free(key), arguments, context, progress)
        async with lent(arguments, self._artifacts) as own["files"]:
            fields, _ = await self._asked_owner(owner, question)
            return await followed(self._tasks, fields["task"], progress)

    async def _begin(self, arguments: dict[str, Any], context: CallContext, progress: OnOutput | None) -> Result:
        sandbox = sandbox_of(self._invoker)
        job = _job_of(arguments, sandbox)
        if not sandbox.sessions.max_sessions:
            raise CallFailure(BAD_REQUEST, "this endpoint keeps no sessions (spec.sandbox.sessions.maxSessions is 0): leave out session")
        job = replace(job, files=await files_of(arguments, self._artifacts))
        await self._aids.preflight.check(job.code, self._invoker.snapshot())
        # Nothing is waited for between the count and the place: whoever came meanwhile would be counted as well.
        client = current_client()
        self._check_room(client, sandbox.sessions)
        self._opening.append(client)
        try:
            handle, key = self._handle(sandbox.sessions.max_seconds)
            outcome = await run_job(self._lane.run, job, calls_of(self._invoker, self._aids, context), progress)
        finally:
            self._opening.remove(client)
        if outcome.session is not None:
            self._open[key] = _Entry(outcome.session, client)
        name = handle if outcome.session is not None else ENDED
        return result_of(outcome, {**self._artifacts.keep(outcome), "session": name})

    def _check_room(self, client: str, bounds: SessionsConfig) -> None:
        """CallFailure 429 when the replica or the client has as many sessions as it may."""
        self._forget(key for key, entry in self._open.items() if entry.session.ended is not None)
        held = Counter([*(entry.client for entry in self._open.values()), *self._opening])
        if held.total() >= bounds.max_sessions:
            full = f"{bounds.max_sessions} sessions are open, the limit of this replica (spec.sandbox.sessions.maxSessions)"
        elif bounds.max_sessions_per_client is not None and held[client] >= bounds.max_sessions_per_client:
            full = f"{bounds.max_sessions_per_client} sessions of this client are open, spec.sandbox.sessions.maxSessionsPerClient of this endpoint"
        else:
            return
        seconds = bounds.idle_seconds
        message = f"{full}: end one with empty code, or try again when one may have ended that nobody uses, in {seconds} s"
        raise CallFailure(TOO_MANY, message, retry_after_s=seconds)

    async def _run_here(
        self, key: bytes, entry: _Entry, arguments: dict[str, Any], context: CallContext, progress: OnOutput | None
    ) -> Result:
        if entry.busy:
            raise CallFailure(CONFLICT, _BUSY)
        entry.busy = True
        try:
            job = _job_of(arguments, sandbox_of(self._invoker))
            job = replace(job, files=await files_of(arguments, self._artifacts))
            outcome = await run_job(entry.session.run, job, calls_of(self._invoker, self._aids, context), progress)
        finally:
            entry.busy = False
            if entry.session.ended is not None:
                self._forget([key])
        over = {} if outcome.session is not None else {"session": ENDED}
        return result_of(outcome, {**self._artifacts.keep(outcome), **over})

    def _handle(self, seconds: float) -> tuple[str, bytes]:
        key = secrets.token_bytes(ID_BYTES)
        try:
            return self._sealer.seal(_PURPOSE, key + self._peers.address.pack(), seconds), key
        except KeyUnreadable as error:
            raise CallFailure(UNAVAILABLE, str(error)) from None

    def _opened(self, handle: Any) -> tuple[Address, bytes]:
        try:
            opened = self._sealer.unseal(_PURPOSE, handle if isinstance(handle, str) else "")
            return Address.unpack(opened[ID_BYTES:]), opened[:ID_BYTES]
        except (NotOurs, ValueError):
            raise CallFailure(NOT_FOUND, f"session is not one that this endpoint gave out: copy it exactly, or {_AGAIN}") from None
        except SealError:
            raise CallFailure(NOT_FOUND, f"the session has ended, its time is over: {_AGAIN}") from None
        except KeyUnreadable as error:
            raise CallFailure(UNAVAILABLE, str(error)) from None

    def _free(self, key: bytes) -> _Entry:
        """The session, when nothing runs in it. Raises `CallFailure`: 404 when it is over, 409 when something does."""
        entry = self._open.get(key)
        if entry is not None and entry.session.ended is not None:
            self._forget([key])
            entry = None
        if entry is None:
            reason = self._ended.get(key)
            raise CallFailure(NOT_FOUND, f"the session has ended{f' ({reason})' if reason else ''}: {_AGAIN}")
        if entry.busy:
            raise CallFailure(CONFLICT, _BUSY)
        return entry

    def _forget(self, keys: Iterable[bytes]) -> None:
        # A session that ends under its run is forgotten by whoever sees it first, and then once more by that run.
        for key in list(keys):
            if (entry := self._open.pop(key, None)) is not None:
                reason = entry.session.ended or ""
                self._ended.put(reason, len(reason), ENDED_SECONDS, key)

    async def _asked_owner(self, owner: Address, question: Question) -> Answer:
        try:
            return await self._peers.ask(owner, "session-run", question)
        except CallFailure as failure:
            if failure.message == GONE:
                raise CallFailure(NOT_FOUND, f"the session has ended with the replica that held it: {_AGAIN}") from None
            raise

    async def _run_for_peer(self, question: Question) -> Answer:
        """Start the run and say by which task it can be followed. The same question once more starts nothing."""
        call = question["call"].encode()
        task = self._asked.get(call)
        if task is None:
            key, arguments = bytes.fromhex(question["id"]), question["arguments"]
            entry = self._free(key)
            _job_of(arguments, sandbox_of(self._invoker))
            context = replace(PLAIN, trace=question["trace"]) if question["trace"] else PLAIN

            async def work(running: Running) -> Result:
                serve(question["client"])
                with holding(self._invoker.memory):
                    return await self._run_here(key, entry, arguments, context, running.note)

            task = self._tasks.begin(work, explained, leased=True)
            self._asked.put(task, len(task), REPLAY_SECONDS, call)
        return {"task": task}, b""

    async def _end_for_peer(self, question: Question) -> Answer:
        key = bytes.fromhex(question["id"])
        self._free(key).session.close("its client ended it")
        self._forget([key])
        return {}, b""


def _job_of(arguments: dict[str, Any], sandbox: SandboxConfig) -> JobRequest:
    """A run of a session, still without its files."""
    for name in ("record", "replay"):
        if arguments.get(name):
            raise CallFailure(BAD_REQUEST, f"{name} cannot be given with session: leave it out, or run the code without a session")
    return replace(request_of(arguments, sandbox), session=True, lane="pod")


def _code(arguments: dict[str, Any]) -> bool:
    """Whether there is something to run: empty code ends a session."""
    code = arguments.get("code")
    return not (code is None or (isinstance(code, str) and not code.strip()))
