"""One job, or one run of a session, from its request to its outcome: what it calls goes through the same door as everybody's calls."""

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mcp_optimizer.context import JOB, CallContext
from mcp_optimizer.errors import FORBIDDEN, INTERNAL, UNAVAILABLE, CallFailure
from mcp_optimizer.invoke import Invoker
from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest, OnCall, OnOutput, SandboxLane
from mcp_optimizer.preflight.preflight import Preflight
from mcp_optimizer.results import error_text, job_value
from mcp_optimizer.tools.questions import Questions
from mcp_optimizer.tracing import child
from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.job import QUESTION, CallError

from .take import Stores, take_of


@dataclass(frozen=True, slots=True)
class Aids:
    """What job code has beside its sandbox: a look at it before it runs, and answers about the tools."""

    preflight: Preflight
    questions: Questions


class Runner(Protocol):
    """`SandboxLane.run`, or `OpenSession.run`."""

    def __call__(self, job: JobRequest, on_call: OnCall, *, progress: OnOutput | None = None) -> Awaitable[JobOutcome]: ...


def sandbox_of(invoker: Invoker) -> SandboxConfig:
    """The settings in force. Raises `CallFailure` where no code runs."""
    sandbox = invoker.snapshot().config.sandbox
    if not sandbox.enabled:
        raise CallFailure(UNAVAILABLE if sandbox.disabled_reason else FORBIDDEN, sandbox.disabled_reason or "execute_code is switched off")
    return sandbox


async def execute_code(
    lane: SandboxLane,
    invoker: Invoker,
    stores: Stores,
    aids: Aids,
    arguments: dict[str, Any],
    context: CallContext,
    progress: OnOutput | None,
) -> tuple[JobOutcome, dict[str, Any]]:
    """Run a job of its own: how it ended, and what was kept of it. Raises `CallFailure` when it was refused before it began."""
    sandbox_of(invoker)
    snapshot = invoker.snapshot()
    take = await take_of(arguments, snapshot, stores, calls_of(invoker, aids, context))
    if arguments.get("replay") is None:  # what ran once may name tools that are gone
        await aids.preflight.check(take.job.code, snapshot)
    outcome = await run_job(lane.run, take.job, take.on_call, progress)
    return outcome, {**stores.artifacts.keep(outcome), **take.about(outcome)}


def calls_of(invoker: Invoker, aids: Aids, context: CallContext) -> OnCall:
    """Where the calls of a job go."""
    nested = replace(JOB, trace=context.trace) if context.trace else JOB

    async def on_call(tool: str, call_arguments: dict[str, Any]) -> CallOutcome:
        if tool.startswith(QUESTION):
            return await aids.questions.answer(tool, call_arguments)
        return await call_for_job(invoker, tool, call_arguments, nested)

    return on_call


async def run_job(run: Runner, job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
    """The outcome, traced. Raises `CallFailure` when it was refused before it began."""
    span = child("sandbox job")
    ended, calls = "cancelled", 0
    try:
        outcome = await run(job, on_call, progress=progress)
        ended, calls = outcome.error.kind if outcome.error is not None else "ok", outcome.calls
    except CallFailure as failure:
        ended = str(failure.code)
        raise
    finally:
        if span is not None:
            span.end(ended, **{"mcp_optimizer.job.calls": calls})
    return outcome


async def call_for_job(invoker: Invoker, tool: str, arguments: dict[str, Any], context: CallContext = JOB) -> CallOutcome:
    """One tool call of a job, under the policy of every call."""
    try:
        result = await invoker.invoke(tool, arguments, context)
    except CallFailure as failure:
        return CallOutcome(ok=False, error=CallError(code=failure.code, message=failure.message))
    if result.get("isError") is True:
        return CallOutcome(ok=False, error=CallError(code=INTERNAL, message=error_text(result)))
    return CallOutcome(ok=True, value=job_value(result))
