"""Jobs that go on while their client does something else, for clients that know nothing of MCP's tasks: started, asked for, cancelled."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from mcp_optimizer.errors import BAD_REQUEST, NOT_FOUND, UNAVAILABLE, CallFailure
from mcp_optimizer.invoke import Invoker
from mcp_optimizer.lane import OnOutput
from mcp_optimizer.memory import holding
from mcp_optimizer.results import Result, compact, text_result
from mcp_optimizer.state.peers import GONE
from mcp_optimizer.state.running import Running
from mcp_optimizer.state.tasks import Tasks

from .following import ended, explained

CANCEL_SECONDS: Final = 1.0
LOST: Final = "the job was lost with the replica that ran it; it may have run in part and was not run again"


def begin(tasks: Tasks, invoker: Invoker, run: Callable[[OnOutput], Awaitable[Result]]) -> Result:
    """Start it; the answer has its handle. Raises `CallFailure`."""

    async def work(running: Running) -> Result:
        with holding(invoker.memory):
            return await run(running.note)

    return text_result(compact({"job": tasks.begin(work, explained), "state": "working"}))


async def ask(tasks: Tasks, handle: Any, *, cancel: bool) -> Result:
    """Where a job stands: what it has printed so far, or its answer when it has ended. Raises `CallFailure`."""
    seconds = 0.0
    if not isinstance(handle, str):
        raise CallFailure(BAD_REQUEST, "job must be what detach answered")
    try:
        if cancel:
            await tasks.cancel(handle)
            seconds = CANCEL_SECONDS
        task, printed = await tasks.follow(handle, PRINTED_ALL if seconds else 0, seconds)
    except CallFailure as failure:
        if failure.message == GONE:
            raise CallFailure(UNAVAILABLE, f"lost: {LOST}") from None
        if failure.code == NOT_FOUND:
            raise CallFailure(
                NOT_FOUND, "the job is no longer kept (its answer is for ten minutes, newer ones may need the room)"
            ) from None
        raise
    if task["status"] == "cancelled":
        return text_result(compact({"state": "cancelled"}))
    if task["status"] in ("completed", "failed"):
        return ended(task)
    return text_result(compact({"state": "working", **_printed(printed)}))


PRINTED_ALL: Final = 1 << 30
"""Past everything there may be."""


def _printed(items: list[tuple[str, str]]) -> dict[str, str]:
    texts = {name: "".join(data for stream, data in items if stream == name) for name in ("stdout", "stderr")}
    return {name: text for name, text in texts.items() if text}
