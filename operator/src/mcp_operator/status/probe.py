"""The IsolationVerified condition: what a probe job found when it looked around in a sandbox."""

from collections.abc import Sequence

from mcp_optimizer_api.stats import IsolationReport
from mcp_optimizer_api.status import Reason

from .finding import Finding

NOT_PROBED = Finding(None, Reason.PROGRESSING, "No probe job has looked around in a sandbox yet; jobs run meanwhile.")
_OURS = (Reason.ISOLATION_VERIFIED, Reason.ISOLATION_FAILED)


def isolation_verified(off: str | None, reports: Sequence[IsolationReport], before: Finding | None) -> Finding:
    """`off`: why no code runs. `reports` of the templates that have Pods; with none, what was said `before` holds: nothing new was seen."""
    if off is not None:
        return Finding(None, Reason.SANDBOX_DISABLED, f"No code runs: {off}.")
    if not reports:
        return before if before is not None and before.reason in _OURS else NOT_PROBED
    failed = next((report for report in reports if not report.verified), None)
    if failed is not None:
        message = f"Jobs are refused: a sandbox was probed, and {failed.problem}. Then `kubectl rollout restart` the server Pods: they probe again."
        return Finding(False, Reason.ISOLATION_FAILED, message)
    runtimes = ", ".join(sorted({report.runtime for report in reports}))
    message = f"A probe job found a sandbox confined as it should be. Its kernel: {runtimes}."
    return Finding(True, Reason.ISOLATION_VERIFIED, message)
