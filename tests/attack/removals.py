"""Walls that more than one row is about."""

from collections.abc import Callable

from .vocabulary import Manifest, Removal


def field(*path: str | int, value: object = None) -> Callable[[Manifest], None]:
    """Sets the field at `path`; None deletes it."""

    def change(pod: Manifest) -> None:
        place = pod
        for step in path[:-1]:
            place = place[step]  # type: ignore[index]
        if value is None:
            del place[path[-1]]  # type: ignore[arg-type]
        else:
            place[path[-1]] = value  # type: ignore[index]

    return change


CONTAINER = ("spec", "containers", 0)
NO_POLICY = Removal(name="no NetworkPolicy", policy=True)
NO_PROBE = Removal(
    name="no proof of isolation before Ready",
    agent="import mcp_sandbox.isolation as i\nasync def _none(*a): return 0\ni.until_isolated = _none",
)
NO_VERDICT = Removal(
    name="a proof of isolation that lets every Pod through",
    agent="""
import mcp_sandbox.isolation as i
proof = i.until_isolated
async def _in_the_end(address, patience):
    try:
        return await proof(address, 10)
    except i.NetworkOpenError:
        return 0
i.until_isolated = _in_the_end""",
)
"""For proofs of the NetworkPolicy: a Pod that does not wait for its policy at all takes a job before that is in force, and tells nothing of it."""
IMPATIENT = Removal(
    name="a proof of isolation that gives up after 2 s",
    pod=lambda pod: pod["spec"]["containers"][0]["env"].append({"name": "MCP_SANDBOX_EGRESS_SECONDS", "value": "2"}),
)
"""No wall: it keeps a proof short."""
NO_FILTER = Removal(name="no system call filter of the agent", agent="import mcp_sandbox.seccomp as s\ns.confine = lambda agent: True")
NO_DEADLINE = Removal(
    name="no deadline in the agent", agent="import mcp_sandbox.supervision as s\ns.RunningJob._time_is_up = lambda *a: None"
)


def may_be_root(pod: Manifest) -> None:
    """Takes away the agent's own look at the kubelet's file, which root may write to: it would not start."""
    container = pod["spec"]["containers"][0]
    container["env"] = [each for each in container["env"] if each["name"] != "MCP_SANDBOX_TERMINATION_LOG"]


NO_CPU_LIMIT = Removal(name="no limits.cpu", pod=field(*CONTAINER, "resources", "limits", "cpu"))
