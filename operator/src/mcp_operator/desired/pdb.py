"""The PodDisruptionBudget: a node drain takes the server Pods one after the other."""

from mcp_operator.kinds import PDB, Manifest

from .child import Owner, child


def pdb(owner: Owner) -> Manifest:
    """At most one Pod is evicted at a time. Never a minimum: with one replica that would block every drain for ever."""
    return child(
        PDB,
        owner,
        spec={"maxUnavailable": 1, "selector": {"matchLabels": owner.selector}, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
    )
