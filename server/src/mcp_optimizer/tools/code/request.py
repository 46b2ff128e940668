"""The arguments of `execute_code`, checked before a sandbox is taken."""

from typing import Any

from mcp_optimizer.errors import BAD_REQUEST, CallFailure
from mcp_optimizer.invoke import object_argument
from mcp_optimizer.lane import JobRequest
from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.job import ArtifactLimits

MAX_CODE = 512 * 1024
MIN_TIMEOUT = 0.1
"""Seconds. The agents take no job with less than 0.01."""


def request_of(arguments: dict[str, Any], sandbox: SandboxConfig) -> JobRequest:
    """The job. Raises `CallFailure` 400."""
    code = code_of(arguments)
    artifacts = ArtifactLimits(max_count=sandbox.max_artifacts, max_bytes=sandbox.max_artifact_bytes) if sandbox.max_artifacts else None
    lane = arguments.get("lane", "auto")
    if lane not in ("auto", "pod"):
        raise CallFailure(BAD_REQUEST, 'lane must be "auto" or "pod"')
    return JobRequest(
        code=code,
        params=object_argument(arguments, "params"),
        timeout_s=_timeout(arguments, sandbox),
        timeout_chosen=arguments.get("timeout_s") is not None,
        lane=lane,
        artifacts=artifacts,
    )


def _timeout(arguments: dict[str, Any], sandbox: SandboxConfig) -> float:
    timeout = arguments.get("timeout_s")
    if timeout is None:
        return float(sandbox.timeout_seconds)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not MIN_TIMEOUT <= timeout <= sandbox.timeout_seconds:
        raise CallFailure(
            BAD_REQUEST, f"timeout_s must be at least {MIN_TIMEOUT} and at most {sandbox.timeout_seconds}, the limit of this endpoint"
        )
    return float(timeout)


def code_of(arguments: dict[str, Any]) -> str:
    """The code. Raises `CallFailure` 400."""
    code = arguments.get("code")
    if not isinstance(code, str) or not code.strip():
        raise CallFailure(BAD_REQUEST, "code must be Python source text")
    if len(code) > MAX_CODE:
        raise CallFailure(BAD_REQUEST, f"code has {len(code)} characters, at most {MAX_CODE} are run: pass data in params or files")
    return code
