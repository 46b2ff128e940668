"""One call of `execute_code`, from its arguments to its answer."""

from dataclasses import dataclass, replace
from typing import Any

from mcp_optimizer.context import JOB, PLAIN, CallContext
from mcp_optimizer.errors import FORBIDDEN, INTERNAL, UNAVAILABLE, CallFailure
from mcp_optimizer.invoke import Invoker
from mcp_optimizer.lane import CallOutcome, OnOutput, SandboxLane
from mcp_optimizer.memory import holding
from mcp_optimizer.preflight.preflight import Preflight
from mcp_optimizer.results import Result, error_text, job_value
from mcp_optimizer.tools.questions import Questions
from mcp_optimizer.tracing import child
from mcp_optimizer_api.job import QUESTION, CallError

from .result import result_of
from .take import Stores, take_of


@dataclass(frozen=True, slots=True)
class Aids:
    """What job code has beside its sandbox: a look at it before it runs, and answers about the tools."""

    preflight: Preflight
    questions: Questions


async def execute_code(
    lane: SandboxLane,
    invoker: Invoker,
    stores: Stores,
    aids: Aids,
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
        if tool.startswith(QUESTION):
            return await aids.questions.answer(tool, call_arguments)
        return await call_for_job(invoker, tool, call_arguments, nested)

    take = await take_of(arguments, snapshot, stores, on_call)
    if arguments.get("replay") is None:  # what ran once may name tools that are gone
        await aids.preflight.check(take.job.code, snapshot)
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
