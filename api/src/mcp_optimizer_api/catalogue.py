"""One hash for a list of tools, computed alike by the operator (from its check) and the data plane (from its catalogue)."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

DEFINITION_FIELDS = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")


def catalogue_hash(tools: Iterable[dict[str, Any]]) -> str:
    """SHA-256 (first 16 hexadecimal digits) over the definitions, whatever order the server lists them in."""
    definitions = sorted(
        json.dumps({field: tool[field] for field in DEFINITION_FIELDS if field in tool}, sort_keys=True, separators=(",", ":"))
        for tool in tools
    )
    return hashlib.sha256("\n".join(definitions).encode()).hexdigest()[:16]
