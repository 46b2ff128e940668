"""`execute_code` in all its forms: one job, a run of a session, many jobs, and a job that goes on by itself."""

from typing import Any

from mcp_optimizer.context import PLAIN, CallContext
from mcp_optimizer.errors import BAD_REQUEST, CallFailure
from mcp_optimizer.invoke import Invoker
from mcp_optimizer.lane import JobOutcome, OnOutput, SandboxLane
from mcp_optimizer.memory import holding
from mcp_optimizer.results import Result
from mcp_optimizer.state.tasks import Tasks

from . import detached
from .many import run_batch
from .result import result_of
from .run import Aids, execute_code, sandbox_of
from .sessions import CodeSessions
from .take import Stores


class CodeTool:
    """Takes the arguments of a call and has the right form answer it."""

    def __init__(self, lane: SandboxLane, invoker: Invoker, stores: Stores, aids: Aids, tasks: Tasks, sessions: CodeSessions) -> None:
        self._lane, self._invoker, self._stores, self._aids, self._tasks, self._sessions = lane, invoker, stores, aids, tasks, sessions

    async def call(self, arguments: dict[str, Any], context: CallContext = PLAIN, progress: OnOutput | None = None) -> Result:
        """The answer. Raises `CallFailure` when it was refused before anything began."""
        detach, cancel = (_switch(arguments, name) for name in ("detach", "cancel"))
        if arguments.get("job") is not None:
            return await detached.ask(self._tasks, arguments["job"], cancel=cancel)
        if cancel:
            raise CallFailure(BAD_REQUEST, "cancel needs job: pass what detach answered")
        sandbox_of(self._invoker)
        if detach:
            return detached.begin(self._tasks, self._invoker, lambda heard: self._run(arguments, context, heard))
        return await self._run(arguments, context, progress)

    async def _run(self, arguments: dict[str, Any], context: CallContext, progress: OnOutput | None) -> Result:
        if arguments.get("batch") is not None:
            return await run_batch(self._element, sandbox_of(self._invoker), arguments, context, progress)
        if arguments.get("session") is not None:
            return await self._sessions.run(arguments, context, progress)
        return result_of(*await self._one(arguments, context, progress))

    async def _element(
        self, arguments: dict[str, Any], context: CallContext, progress: OnOutput | None
    ) -> tuple[JobOutcome, dict[str, Any]]:
        # What the files and the recording of one job weigh is given back as it ends, or when it is tried again, not with the batch.
        with holding(self._invoker.memory):
            return await self._one(arguments, context, progress)

    async def _one(self, arguments: dict[str, Any], context: CallContext, progress: OnOutput | None) -> tuple[JobOutcome, dict[str, Any]]:
        return await execute_code(self._lane, self._invoker, self._stores, self._aids, arguments, context, progress)


def _switch(arguments: dict[str, Any], name: str) -> bool:
    value = arguments.get(name, False)
    if not isinstance(value, bool):
        raise CallFailure(BAD_REQUEST, f"{name} must be true or false, not {type(value).__name__}")
    return value
