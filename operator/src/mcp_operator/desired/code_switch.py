"""Whether execute_code is off by the spec alone, and why: asked by the servers' config, by the pool and by the status, answered once."""

from mcp_optimizer_api.optimizer import MCPOptimizerSpec


def why_code_is_off(spec: MCPOptimizerSpec) -> str | None:
    """The cause, in words that fit behind "execute_code is off: "; None when jobs may run."""
    if spec.mode == "mcp_only":
        return "spec.mode is mcp_only, which offers the tools themselves"
    if spec.sandbox.pool.max == 0:
        return "spec.sandbox.pool.max is 0"
    if spec.sandbox.pool.min == 0:
        # Jobs take warm Pods only: one that waited for a Pod to be made on demand would wait longer than it may.
        return "spec.sandbox.pool.min is 0, so no Pod is kept warm: set it to 1 or more"
    return None
