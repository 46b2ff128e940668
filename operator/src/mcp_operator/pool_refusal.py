"""What it means that the API server refuses a sandbox Pod, in words that stay the same from one refused Pod to the next."""

import re
from typing import Final

from mcp_optimizer_api.status import Reason

from .errors import TerminalError
from .pool_pod import Problem

_CAUSES: Final[tuple[tuple[re.Pattern[str], Reason, str], ...]] = (
    (
        re.compile(r"exceeded quota|failed quota"),
        Reason.QUOTA_EXCEEDED,
        "Raise the ResourceQuota of the namespace, or lower spec.sandbox.pool or spec.sandbox.resources.",
    ),
    (
        re.compile(r"(maximum|minimum) \S+ usage per|limit to request ratio"),
        Reason.QUOTA_EXCEEDED,
        "Adapt the LimitRange of the namespace, or spec.sandbox.resources.",
    ),
    (
        re.compile(r'RuntimeClass "[^"]*" not found'),
        Reason.RUNTIME_CLASS_NOT_FOUND,
        "Install the runtime class, or correct spec.sandbox.runtimeClassName. Jobs never run with a weaker isolation instead.",
    ),
    (
        re.compile(r"no PriorityClass with name"),
        Reason.INVALID_SPEC,
        "Create the PriorityClass, or correct spec.sandbox.priorityClassName.",
    ),
    (re.compile(r": (400|422) "), Reason.INVALID_SPEC, "Correct spec.sandbox."),
)
_OTHERWISE: Final = (Reason.FORBIDDEN, "Admission or RBAC has to allow sandbox Pods.")
_LIMIT: Final = 400
_QUOTA: Final = re.compile(r"exceeded quota: (?P<name>[^,\s]+), requested: (?P<requested>\S+), used: (?P<used>\S+), limited: (?P<hard>\S+)")


def refusal(error: TerminalError, pod_name: str) -> Problem:
    """The problem behind a refused creation."""
    text = str(error)
    reason, advice = next(((reason, advice) for pattern, reason, advice in _CAUSES if pattern.search(text)), _OTHERWISE)
    # Names of Pods are random: left in, every try would change the status.
    said = _quota(text) or text.replace(pod_name, "sandbox").partition(": ")[2] or text
    return Problem(reason=reason, message=f"The API server refuses sandbox Pods: {said[:_LIMIT].rstrip('.')}. {advice}")


def _quota(text: str) -> str | None:
    """Which ResourceQuota has no room, and of what: only what is exceeded is named by the API server, in the same order in each list."""
    found = _QUOTA.search(text)
    if found is None:
        return None
    requested, used, hard = (dict(part.partition("=")[::2] for part in found[group].split(",")) for group in ("requested", "used", "hard"))
    full = ", ".join(f"{what}: {used.get(what, '?')} of {hard.get(what, '?')} used, {more} more needed" for what, more in requested.items())
    return f"ResourceQuota {found['name']} has no room ({full})"
