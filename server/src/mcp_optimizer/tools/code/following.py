"""A job that runs as a task of this endpoint's own: followed to its end by the call that waits for it, or polled by its client."""

import asyncio
from typing import Any, Final

from mcp_optimizer.errors import INTERNAL, UNAVAILABLE, CallFailure
from mcp_optimizer.lane import OnOutput
from mcp_optimizer.results import Result
from mcp_optimizer.state.tasks import FOLLOW_SECONDS, Tasks

CANCEL_SECONDS: Final = 5.0
LOST: Final = "lost: the replica that ran the code does not answer any more; it may have run in part and was not run again"


class Refused(CallFailure):
    """A task's failure, as whoever ran it put it."""

    def __init__(self, envelope: dict[str, Any]) -> None:
        super().__init__(envelope["code"], envelope["message"], retry_after_s=envelope.get("retry_after_s"))
        self._envelope = envelope

    def envelope(self) -> dict[str, object]:
        """What the model reads: with the findings or the time to wait that it would have got at once."""
        return dict(self._envelope)


def explained(raised: BaseException) -> dict[str, Any]:
    """Why it failed, as `followed` reads it again."""
    if isinstance(raised, CallFailure):
        return raised.envelope()
    return {"code": INTERNAL, "message": "the endpoint failed; its log tells why"}


async def followed(tasks: Tasks, task_id: str, progress: OnOutput | None) -> Result:
    """The result of a task that runs on any replica; cancelling this cancels it. Raises `CallFailure`."""
    after = 0
    try:
        while True:
            try:
                task, printed = await tasks.follow(task_id, after, FOLLOW_SECONDS)
            except CallFailure as failure:
                raise CallFailure(UNAVAILABLE, f"{LOST} ({failure.message.partition(':')[0]})") from None
            after += len(printed)
            for stream, data in printed:
                if progress is not None:
                    await progress(stream, data)  # type: ignore[arg-type]
            if task["status"] not in ("working", "input_required"):
                return ended(task)
    except asyncio.CancelledError:
        await asyncio.shield(_cancel(tasks, task_id))
        raise


def ended(task: dict[str, Any]) -> Result:
    """The result of a task that has ended. Raises `CallFailure` for one that has none."""
    if task["status"] == "completed":
        return dict(task["result"])
    error = task.get("error") or {"code": INTERNAL, "message": "the job was cancelled"}
    # A failure of ours has a code of the meta-tools; one that the task machinery found has one of JSON-RPC.
    raise Refused({**error, "code": error["code"] if error["code"] > 0 else INTERNAL})


async def _cancel(tasks: Tasks, task_id: str) -> None:
    try:
        async with asyncio.timeout(CANCEL_SECONDS):
            await tasks.cancel(task_id)
    except (CallFailure, TimeoutError):
        pass  # its lease ends it
