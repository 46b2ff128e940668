"""One call of `execute_code`, from its arguments to its answer."""

from dataclasses import replace
from typing import Any

from mcp_optimizer.context import JOB, PLAIN, CallContext
from mcp_optimizer.errors import FORBIDDEN, INTERNAL, UNAVAILABLE, CallFailure
from mcp_optimizer.invoke import Invoker
from mcp_optimizer.lane import CallOutcome, OnOutput, SandboxLane
from mcp_optimizer.memory import holding
from mcp_optimizer.results import Result, error_text, job_value
from mcp_optimizer.tracing import child
from mcp_optimizer_api.job import CallError

from .result import result_of
from .take import Stores, take_of


async def execute_code(
    lane: SandboxLane,
    invoker: Invoker,
    stores: Stores,
    arguments: dict[str, Any],
    context: CallContext = PLAIN,
    *,
    progress: OnOutput | None = None,
) -> Result:
    """Run the job and tell how it ended. Raises `CallFailure` when it was refused before it began."""
    snapshot = invoker.snapshot()
    sandbox = snapshot.config.sandbox
    if not sandbox.enabled:
        raise CallFailure(UNAVAILABLE if sandbox.disabled_reason else FORBIDDEN, sandbox.disabled_reason or "execute_code is switched off")
    nested = replace(JOB, trace=context.trace) if context.trace else JOB

    async def on_call(tool: str, call_arguments: dict[str, Any]) -> CallOutcome:
        return await call_for_job(invoker, tool, call_arguments, nested)

    take = await take_of(arguments, snapshot, stores, on_call)
    span = child("sandbox job")
    ended, calls = "cancelled", 0
    try:
        outcome = await lane.run(take.job, take.on_call, progress=progress)
        ended, calls = outcome.error.kind if outcome.error is not None else "ok", outcome.calls
    except CallFailure as failure:
        ended = str(failure.code)
        raise
    finally:
        if span is not None:
            span.end(ended, **{"mcp_optimizer.job.calls": calls})
    return result_of(outcome, {**stores.artifacts.keep(outcome), **take.about(outcome)})


async def call_for_job(invoker: Invoker, tool: str, arguments: dict[str, Any], context: CallContext = JOB) -> CallOutcome:
    """One tool call of a job, under the policy of every call."""
    # A result weighs until it is handed to the job, not until the job ends.
    with holding(invoker.memory):
        try:
            result = await invoker.invoke(tool, arguments, context)
        except CallFailure as failure:
            return CallOutcome(ok=False, error=CallError(code=failure.code, message=failure.message))
        if result.get("isError") is True:
            return CallOutcome(ok=False, error=CallError(code=INTERNAL, message=error_text(result)))
        return CallOutcome(ok=True, value=job_value(result))
