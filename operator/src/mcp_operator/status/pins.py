"""The ToolsPinned condition: do the identifiers in `spec.tools.pinned` lead to tools?"""

from collections.abc import Collection, Sequence

from mcp_optimizer_api.status import Reason

from .finding import Finding

NOT_ASKED = Finding(None, Reason.PROGRESSING, "No server Pod with the present config has said yet which pinned tools it has.")
_SHOWN = 5


def tools_pinned(pinned: Sequence[str], unknown: Collection[str] | None, before: Finding | None) -> Finding | None:
    """None where nothing is pinned. `unknown` to at least one server Pod; None: no Pod has said. `before`: what was said last."""
    if not pinned:
        return None
    if unknown is None:
        return before or NOT_ASKED
    missing = [name for name in pinned if name in unknown]
    if not missing:
        return Finding(True, Reason.PINNED_TOOLS_LISTED, f"All {len(pinned)} pinned tools are listed.")
    shown = ", ".join(missing[:_SHOWN]) + (f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else "")
    return Finding(
        False,
        Reason.PINNED_TOOL_UNKNOWN,
        f"No server offers {shown} now: correct spec.tools.pinned, or look at the server's own status; the others are listed.",
    )
