"""What `execute_code` answers when a job has ended."""

from collections.abc import Mapping
from typing import Any

from mcp_optimizer.errors import INTERNAL, TIMEOUT, UNAVAILABLE
from mcp_optimizer.lane import JobOutcome
from mcp_optimizer.results import Result, compact, text_result
from mcp_optimizer.visible import visible_json

_CODES = {"timeout": TIMEOUT, "lost": UNAVAILABLE}


def result_of(outcome: JobOutcome, about: Mapping[str, Any]) -> Result:
    """The outcome as a model reads it: what is empty is left out. `about` tells what was kept of the job."""
    return text_result(visible_json(compact(shown_of(outcome, about))), is_error=not outcome.ok)


def shown_of(outcome: JobOutcome, about: Mapping[str, Any]) -> dict[str, Any]:
    """The members of the answer."""
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
    if outcome.lane:
        shown["lane"] = outcome.lane
    shown.update(about)
    shown["calls"] = outcome.calls
    shown["duration_ms"] = round(outcome.duration_ms, 1)
    return shown
