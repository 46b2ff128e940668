"""`batch`: the same code once per element, each in a sandbox of its own. Nothing of one reaches another, and no failure stops the rest."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from mcp_optimizer.context import CallContext
from mcp_optimizer.errors import BAD_REQUEST, INTERNAL, TOO_MANY, UNAVAILABLE, CallFailure
from mcp_optimizer.lane import JobOutcome, OnOutput
from mcp_optimizer.results import Result, compact, text_result
from mcp_optimizer.visible import visible_json
from mcp_optimizer_api.config import SandboxConfig

from .request import request_of
from .result import shown_of

MOST: Final = 100
"""Elements of one batch."""
WAIT_SECONDS: Final = 120.0
"""How long after the beginning of the batch its last job may begin: a pool that is refilled meanwhile serves many more than it keeps warm."""
PAUSE_SECONDS: Final = 0.2
"""Between two attempts of a job for which there was no sandbox."""
MAX_BYTES: Final = 4 * 1024 * 1024
"""Of all answers together."""


One = Callable[[dict[str, Any], CallContext, OnOutput | None], Awaitable[tuple[JobOutcome, dict[str, Any]]]]
"""Runs a job of its own."""


async def run_batch(one: One, sandbox: SandboxConfig, arguments: dict[str, Any], context: CallContext, progress: OnOutput | None) -> Result:
    """`{"status", "results"}` in the order of the elements. Raises `CallFailure` 400. Cancelling this cancels every job."""
    batch = _Batch(one, context, progress, _jobs(arguments, sandbox))
    # Half of the places are for others.
    at_once = min(
        len(arguments["batch"]), max(1, min(sandbox.max_concurrent, sandbox.max_concurrent_per_client or sandbox.max_concurrent) // 2)
    )
    workers = [asyncio.create_task(batch.work()) for _ in range(at_once)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return batch.result()


class _Batch:
    """The jobs, and what has become of each."""

    def __init__(self, one: One, context: CallContext, progress: OnOutput | None, jobs: list[dict[str, Any]]) -> None:
        self._one, self._context, self._progress, self._jobs = one, context, progress, jobs
        self._answers: list[dict[str, Any]] = [{} for _ in jobs]
        self._next = iter(range(len(jobs)))
        self._room = MAX_BYTES
        self._ended = 0
        self._running = 0
        self._until = time.monotonic() + WAIT_SECONDS

    async def work(self) -> None:
        """One job after the other, until there is none left."""
        for index in self._next:
            try:
                answer = await self._run(self._jobs[index])
            except CallFailure as failure:
                answer = dict(failure.envelope())
            self._answers[index] = self._bounded(answer)
            self._ended += 1
            if self._progress is not None:
                await self._progress("stdout", f"{self._ended} of {len(self._jobs)} jobs have ended\n")

    def result(self) -> Result:
        """All answers."""
        failed = sum("code" in answer for answer in self._answers)
        status = "ok" if not failed else "failed" if failed == len(self._answers) else "partial"
        return text_result(visible_json(compact({"status": status, "results": self._answers})), is_error=status == "failed")

    async def _run(self, job: dict[str, Any]) -> dict[str, Any]:
        """A refusal means that nothing began: while others of the batch run, sandboxes come free, and it is tried again."""
        while True:
            self._running += 1
            try:
                return shown_of(*await self._one(job, self._context, None))
            except CallFailure as failure:
                others = self._running > 1 or self._ended > 0
                if failure.code not in (TOO_MANY, UNAVAILABLE) or not others or time.monotonic() >= self._until:
                    raise
            finally:
                self._running -= 1
            await asyncio.sleep(PAUSE_SECONDS)

    def _bounded(self, answer: dict[str, Any]) -> dict[str, Any]:
        size = len(compact(answer))
        if size > self._room:
            text = f"the answers of the batch have more than {MAX_BYTES} bytes together: return less"
            return {"code": INTERNAL, "message": f"result_too_large: {text}"}
        self._room -= size
        return answer


def _jobs(arguments: dict[str, Any], sandbox: SandboxConfig) -> list[dict[str, Any]]:
    """The arguments of each job. What is wrong with all of them is wrong with the batch."""
    elements = arguments["batch"]
    if not isinstance(elements, list) or not 0 < len(elements) <= MOST or not all(isinstance(element, dict) for element in elements):
        raise CallFailure(BAD_REQUEST, f"batch must be a list of 1 to {MOST} objects, the params of each job")
    for name in ("params", "session", "replay"):
        if arguments.get(name) is not None:
            raise CallFailure(BAD_REQUEST, f"batch runs each element in a sandbox of its own with its own params: leave out {name}")
    shared = {name: value for name, value in arguments.items() if name not in ("batch", "params")}
    request_of(shared, sandbox)
    return [{**shared, "params": element} for element in elements]
