"""The ConfigInForce condition: do the server Pods run what was rendered for them?"""

import hashlib
from collections.abc import Sequence

from mcp_operator.kinds import Manifest
from mcp_optimizer_api.names import CONFIG_KEY
from mcp_optimizer_api.status import Reason

from .finding import Finding

NOT_ASKED = Finding(None, Reason.PROGRESSING, "No server Pod has said yet which config it runs.")
IN_FORCE = Finding(True, Reason.CONFIG_IN_FORCE, "Every server Pod runs the present config.")


def config_hash(config_map: Manifest) -> str:
    """SHA-256 of the document as the server Pods read it, hexadecimal."""
    return hashlib.sha256(str((config_map.get("data") or {}).get(CONFIG_KEY, "")).encode()).hexdigest()


def config_in_force(wanted: str, reported: Sequence[str], *, patience: float, before: Finding | None) -> Finding:
    """`reported` by each server Pod that answers; `before`: what was said last, and holds while a change may still be on its way."""
    behind = sum(found != wanted for found in reported)
    if not reported:
        return NOT_ASKED
    if not behind:
        return IN_FORCE
    if patience > 0:
        return before or NOT_ASKED
    return Finding(
        False,
        Reason.CONFIG_OUTDATED,
        f"{behind} of {len(reported)} server Pods still run an earlier config: they refuse the present one, or do not reach the API"
        " server. Their log says which; until then they serve as before.",
    )
