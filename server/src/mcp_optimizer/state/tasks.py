"""Calls that take longer than a client should hold a request open: they run on as tasks, asked for by their identifier through any replica.

Nothing here knows MCP's transport; `protocol/tasks.py` does.
"""

import asyncio
import json
import logging
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from mcp_optimizer.errors import BAD_GATEWAY, BAD_REQUEST, NOT_FOUND, TIMEOUT, TOO_MANY, UNAVAILABLE, CallFailure
from mcp_optimizer.keys import KeyUnreadable
from mcp_optimizer.memory import current
from mcp_optimizer.results import compact
from mcp_optimizer.seal import Expired, NotOurs, Sealer

from .address import Address
from .peers import Answer, Peers, Question
from .running import KEEP_SECONDS, LEASE_SECONDS, LONGEST_SECONDS, Fields, Printed, Round, Running
from .store import ID_BYTES, Store

log = logging.getLogger(__name__)

AFTER_SECONDS: Final = 0.5
"""A call that ends sooner is answered as ever: a task costs its client another round trip."""
MAX_RUNNING: Final = 256
MAX_ENDED: Final = 1000
MAX_BYTES: Final = 20 * 1024 * 1024
"""Of JSON text: parsed, a result could take a multiple of it."""
INPUT_SECONDS: Final = 600.0
PAUSE_SECONDS: Final = 1.0
"""Before a server that asks nothing, and only wants to be called again, is."""
MAX_ROUNDS: Final = 600
FOLLOW_SECONDS: Final = 5.0
"""How long a question for news waits for some: less than a peer waits for its answer."""
FETCH_SECONDS: Final = 3.0
"""How long a replica that ends waits for the last results to be fetched."""
_PURPOSE: Final = "task"

Work = Callable[[Round], Awaitable[Fields]]
"""One attempt at the call; its result may ask for input (`resultType: input_required`), and is then wanted once more with the answers."""
Explain = Callable[[BaseException], Fields]
"""The JSON-RPC error that an exception of `Work` stands for."""


class Tasks:
    """This replica's tasks, and the way to those of others."""

    def __init__(self, sealer: Sealer, peers: Peers) -> None:
        self._sealer = sealer
        self._peers = peers
        self.running: dict[bytes, Running] = {}
        self.ended: Store[bytes] = Store(max_entries=MAX_ENDED, max_bytes=MAX_BYTES)
        self.totals: Counter[str] = Counter()
        """Tasks by the state they ended in."""
        self._unfetched: dict[bytes, float] = {}
        for name, operation in (
            ("task-follow", self._follow_here),
            ("task-get", self._get_here),
            ("task-update", self._update_here),
            ("task-cancel", self._cancel_here),
        ):
            peers.offer(name, operation)

    async def run(self, work: Work, explain: Explain, on_detach: Callable[[], None]) -> Fields:
        """The result of a call that ends soon, else the new task (`resultType: task`). Raises what `work` raises while it is a call."""
        running = Running()
        running.task = task = asyncio.create_task(_drive(running, work))
        name = secrets.token_bytes(ID_BYTES)
        try:
            await asyncio.wait([task], timeout=AFTER_SECONDS)
            task_id = None if task.done() else self._sealed(name)
            if task_id is None:
                # With as many tasks as there may be, the client waits as others do.
                await asyncio.wait([task])
                return task.result()
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        self._detach(name, running, task, explain)
        on_detach()
        return {"resultType": "task", "taskId": task_id, **running.fields()}

    def begin(self, work: Callable[[Running], Awaitable[Fields]], explain: Explain, *, leased: bool = False) -> str:
        """A task from the start; its identifier. `leased`: it ends when nobody follows it. Raises `CallFailure`: 429, 503."""
        name, running = secrets.token_bytes(ID_BYTES), Running()
        task_id = self._sealed(name)
        if task_id is None:
            full = len(self.running) >= MAX_RUNNING
            reason = f"{MAX_RUNNING} jobs run detached, the limit of this replica: try again later" if full else "the key cannot be read"
            raise CallFailure(TOO_MANY if full else UNAVAILABLE, reason)
        running.task = task = asyncio.create_task(_leased(running, work) if leased else _plain(running, work))
        self._detach(name, running, task, explain)
        return task_id

    def _detach(self, name: bytes, running: Running, task: "asyncio.Task[Fields]", explain: Explain) -> None:
        running.detached = True
        if (request := current()) is not None:
            # Its arguments stay in memory until the task ends, long after the request was answered.
            kept = request.move()
            task.add_done_callback(lambda _: kept.release())
        self.running[name] = running
        task.add_done_callback(lambda ended: self._end(name, running, ended, explain))

    def _sealed(self, name: bytes) -> str | None:
        """The identifier of a new task; None when there can be none."""
        if len(self.running) >= MAX_RUNNING:
            return None
        try:
            return self._sealer.seal(_PURPOSE, name + self._peers.address.pack(), LONGEST_SECONDS + KEEP_SECONDS)
        except KeyUnreadable as error:
            log.warning("a long call cannot become a task", extra={"error": str(error)[:200]})
            return None

    async def get(self, task_id: str) -> Fields:
        """The task in full. Raises `CallFailure`: 400 not ours, 404 expired or gone."""
        fields, _ = await self._ask("task-get", task_id, {})
        return {"taskId": task_id, **fields}

    async def follow(self, task_id: str, after: int, seconds: float) -> tuple[Fields, list[Printed]]:
        """The task, and what its job has printed after the first `after` items; waits for news at most `seconds`. Raises `CallFailure`."""
        fields, _ = await self._ask("task-follow", task_id, {"after": after, "seconds": seconds})
        return fields["task"], [(stream, data) for stream, data in fields["printed"]]

    async def update(self, task_id: str, responses: Mapping[str, Any]) -> None:
        """Answers to what a task asks; others are ignored. Raises `CallFailure`."""
        await self._ask("task-update", task_id, {"responses": dict(responses)})

    async def cancel(self, task_id: str) -> None:
        """End the task's call; one that has ended stays as it is. Raises `CallFailure`."""
        await self._ask("task-cancel", task_id, {})

    async def drain(self, seconds: float) -> None:
        """Let running tasks end and their results be fetched; those that are not done in time fail, and say why."""
        await self._quiet(max(seconds - FETCH_SECONDS, 0))
        for running in list(self.running.values()):
            running.ended = "the replica that ran it was shut down: run the call again"
            if running.task is not None:
                running.task.cancel()
        await self._quiet(FETCH_SECONDS)

    async def _quiet(self, seconds: float) -> None:
        """Wait until nobody may come for a result any more. Clients that stopped asking are not waited for."""
        for _ in range(int(seconds * 10)):
            recent = time.monotonic() - FETCH_SECONDS
            if not self.running and all(ended < recent for ended in self._unfetched.values()):
                return
            await asyncio.sleep(0.1)

    async def _ask(self, operation: str, task_id: str, question: Question) -> Answer:
        try:
            opened = self._sealer.unseal(_PURPOSE, task_id)
            owner = Address.unpack(opened[ID_BYTES:])
        except Expired:
            raise CallFailure(NOT_FOUND, "the task has expired") from None
        except (NotOurs, ValueError):
            raise CallFailure(BAD_REQUEST, "no such task: taskId is not one that this endpoint gave out") from None
        except KeyUnreadable as error:
            raise CallFailure(UNAVAILABLE, str(error)) from None
        return await self._peers.ask(owner, operation, {"id": opened[:ID_BYTES].hex(), **question})

    async def _follow_here(self, question: Question) -> Answer:
        running = self.running.get(bytes.fromhex(question["id"]))
        printed: list[Printed] = []
        if running is not None:
            running.asked()
            printed = await running.more(question["after"], min(question["seconds"], FOLLOW_SECONDS))
            running.asked()
        fields, _ = await self._get_here(question)
        return {"task": fields, "printed": printed}, b""

    async def _get_here(self, question: Question) -> Answer:
        name = bytes.fromhex(question["id"])
        running = self.running.get(name)
        kept = self.ended.get(name)
        if running is None and kept is None:
            raise CallFailure(NOT_FOUND, "the task is no longer kept: run the call again")
        self._unfetched.pop(name, None)
        return running.fields() if running is not None else json.loads(kept or b""), b""

    async def _update_here(self, question: Question) -> Answer:
        running = await self._known(question)
        if running is not None:
            running.answer(question["responses"])
        return {}, b""

    async def _cancel_here(self, question: Question) -> Answer:
        running = await self._known(question)
        if running is not None and running.task is not None:
            running.task.cancel()
        return {}, b""

    async def _known(self, question: Question) -> Running | None:
        """The task while it runs; None when it has ended."""
        running = self.running.get(bytes.fromhex(question["id"]))
        if running is None and self.ended.get(bytes.fromhex(question["id"])) is None:
            raise CallFailure(NOT_FOUND, "the task is no longer kept: run the call again")
        return running

    def _end(self, name: bytes, running: Running, task: "asyncio.Task[Fields]", explain: Explain) -> None:
        del self.running[name]
        if task.cancelled():
            error = {"code": -32603, "message": running.ended}
            fields = running.final("failed", statusMessage=running.ended, error=error) if running.ended else running.final("cancelled")
        elif (raised := task.exception()) is not None:
            error = explain(raised)
            fields = running.final("failed", statusMessage=error["message"], error=error)
        else:
            fields = running.final("completed", result=task.result())
        kept = compact(fields).encode()
        if len(kept) > MAX_BYTES:
            error = {"code": -32603, "message": f"the result has {len(kept)} bytes, at most {MAX_BYTES} are kept: ask for less"}
            fields = running.final("failed", statusMessage=error["message"], error=error)
            kept = compact(fields).encode()
        self.totals[fields["status"]] += 1
        self.ended.put(kept, len(kept), KEEP_SECONDS, name)
        now = time.monotonic()
        self._unfetched = {known: ended for known, ended in self._unfetched.items() if ended > now - FETCH_SECONDS}
        self._unfetched[name] = now


async def _plain(running: Running, work: Callable[[Running], Awaitable[Fields]]) -> Fields:
    return await work(running)


async def _leased(running: Running, work: Callable[[Running], Awaitable[Fields]]) -> Fields:
    try:
        async with asyncio.timeout(LEASE_SECONDS) as running.lease:
            return await work(running)
    except TimeoutError:
        raise CallFailure(TIMEOUT, "the replica that the client had asked is gone, and so the job was ended") from None
    finally:
        running.lease = None


async def _drive(running: Running, work: Work) -> Fields:
    """The call to its end. What it asks before it is a task goes to the client that waits for it."""
    result = await work(Round())
    while running.detached and result.get("resultType") == "input_required":
        running.ask(result.get("inputRequests") or {})
        if running.rounds > MAX_ROUNDS:
            raise CallFailure(BAD_GATEWAY, f"the server wanted to be called again {running.rounds} times, at most {MAX_ROUNDS} are made")
        result = await work(await _next_round(running, result.get("requestState")))
    return result


async def _next_round(running: Running, state: str | None) -> Round:
    """What the server gets next: a server may ask for nothing but its own state, which is there already."""
    if not running.questions:
        if state is None:
            raise CallFailure(BAD_GATEWAY, "the server asks for another round without saying for what")
        await asyncio.sleep(PAUSE_SECONDS)
        return Round(None, state)
    try:
        async with asyncio.timeout(INPUT_SECONDS):
            await running.answered.wait()
    except TimeoutError:
        raise CallFailure(TIMEOUT, f"the input that the server asked for did not come within {INPUT_SECONDS:g} s") from None
    return Round(running.answers, state)
