"""`execute_code`: a job in a sandbox whose tool calls come back through the same door as everybody's."""

from dataclasses import replace
from typing import Any

from mcp_optimizer.context import JOB, PLAIN, CallContext
from mcp_optimizer.errors import BAD_REQUEST, FORBIDDEN, INTERNAL, TIMEOUT, UNAVAILABLE, CallFailure
from mcp_optimizer.invoke import Invoker, object_argument
from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest, OnOutput, SandboxLane
from mcp_optimizer.memory import holding
from mcp_optimizer.results import Result, compact, error_text, job_value, text_result
from mcp_optimizer.tracing import child
from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.job import CallError

MAX_CODE = 512 * 1024
MIN_TIMEOUT = 0.1
"""Seconds. The agents take no job with less than 0.01."""
_CODES = {"timeout": TIMEOUT, "lost": UNAVAILABLE}


async def execute_code(
    lane: SandboxLane, invoker: Invoker, arguments: dict[str, Any], context: CallContext = PLAIN, *, progress: OnOutput | None = None
) -> Result:
    """Run the job and tell how it ended. Raises `CallFailure` when it was refused before it began."""
    sandbox = invoker.snapshot().config.sandbox
    if not sandbox.enabled:
        raise CallFailure(UNAVAILABLE if sandbox.disabled_reason else FORBIDDEN, sandbox.disabled_reason or "execute_code is switched off")
    job = _request(arguments, sandbox)
    nested = replace(JOB, trace=context.trace) if context.trace else JOB

    async def on_call(tool: str, call_arguments: dict[str, Any]) -> CallOutcome:
        return await call_for_job(invoker, tool, call_arguments, nested)

    span = child("sandbox job")
    ended, calls = "cancelled", 0
    try:
        outcome = await lane.run(job, on_call, progress=progress)
        ended, calls = outcome.error.kind if outcome.error is not None else "ok", outcome.calls
    except CallFailure as failure:
        ended = str(failure.code)
        raise
    finally:
        if span is not None:
            span.end(ended, **{"mcp_optimizer.job.calls": calls})
    return _result(outcome)


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


def _request(arguments: dict[str, Any], sandbox: SandboxConfig) -> JobRequest:
    code = arguments.get("code")
    if not isinstance(code, str) or not code.strip():
        raise CallFailure(BAD_REQUEST, "code must be Python source text")
    if len(code) > MAX_CODE:
        raise CallFailure(BAD_REQUEST, f"code has {len(code)} characters, at most {MAX_CODE} are run: pass data in params")
    timeout = arguments.get("timeout_s")
    if timeout is None:
        timeout = sandbox.timeout_seconds
    elif isinstance(timeout, bool) or not isinstance(timeout, int | float) or not MIN_TIMEOUT <= timeout <= sandbox.timeout_seconds:
        raise CallFailure(
            BAD_REQUEST, f"timeout_s must be at least {MIN_TIMEOUT} and at most {sandbox.timeout_seconds}, the limit of this endpoint"
        )
    return JobRequest(code=code, params=object_argument(arguments, "params"), timeout_s=float(timeout))


def _result(outcome: JobOutcome) -> Result:
    shown: dict[str, Any] = {}
    if outcome.ok:
        shown["result"] = outcome.value
    elif outcome.error is not None:
        shown["code"] = _CODES.get(outcome.error.kind, INTERNAL)
        shown["message"] = f"{outcome.error.kind}: {outcome.error.message}" if outcome.error.kind != "exception" else outcome.error.message
        if outcome.error.traceback:
            shown["traceback"] = outcome.error.traceback
    for name, text, dropped in (
        ("stdout", outcome.stdout, outcome.stdout_truncated),
        ("stderr", outcome.stderr, outcome.stderr_truncated),
    ):
        if text:
            shown[name] = text
        if dropped:
            shown[f"{name}_truncated_bytes"] = dropped
    shown["calls"] = outcome.calls
    shown["duration_ms"] = round(outcome.duration_ms, 1)
    return text_result(compact(shown), is_error=not outcome.ok)
