"""How a server wants to be spoken to, and how it says that it no longer does."""

import re
from dataclasses import dataclass, field
from typing import Any

from .catalogue import clean_text
from .extras import Capabilities
from .faults import error_code, error_text
from .wire import Reply

METHOD_NOT_FOUND = -32601
UNSUPPORTED_VERSION = -32022
MODERN_REFUSALS = frozenset({METHOD_NOT_FOUND, -32602, -32020, -32021})
"""Codes with which a modern server refuses a request by HTTP 400 or 404. Any other code is not a modern server's."""
MODERN_ONLY_REFUSALS = frozenset({UNSUPPORTED_VERSION, -32020, -32021})
"""Codes that only a modern server has: it reads nothing of a legacy request but its headers."""
_FORGOTTEN = re.compile(
    r"(bad request: *)?(no valid session id|(missing|invalid|unknown|expired|invalid or expired) session|"
    r"session (id )?(not found|required|expired|is required|has expired)|mcp-session-id header is required)\b[^.]{0,80}\.?\s*$",
    re.IGNORECASE,
)
"""How the common server libraries refuse a request with an unknown session."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the first exchange found out."""

    modern: bool
    version: str
    session: str | None = None
    title: str = ""
    """One line on the server, in its own words."""
    capabilities: Capabilities = field(default_factory=dict)

    def same_as(self, other: "Dialect") -> bool:
        """Whether a request would be sent in the same way."""
        return (self.modern, self.version, self.session) == (other.modern, other.version, other.session)


def legacy_headers(dialect: Dialect) -> dict[str, str]:
    """What a legacy server wants on every request."""
    headers = {"MCP-Protocol-Version": dialect.version}
    if dialect.session:
        headers["Mcp-Session-Id"] = dialect.session
    return headers


def stale(dialect: Dialect, reply: Reply) -> bool:
    """Whether the answer proves that the server no longer knows this dialect or session, so that nothing was executed."""
    code = error_code(reply.message)
    if dialect.modern:
        return code == UNSUPPORTED_VERSION or (code not in MODERN_REFUSALS and reply.status in (400, 404, 405, 406))
    if reply.status == 400 and code in MODERN_ONLY_REFUSALS:
        return True
    if dialect.session and reply.status == 404:
        return True
    # Some servers answer 400 instead of 404 to a session they have forgotten; in these words only, before anything ran.
    text = reply.text if reply.message is None else error_text(reply.message)
    return bool(dialect.session) and reply.status == 400 and _FORGOTTEN.match(text) is not None


def doubtful(dialect: Dialect, reply: Reply) -> bool:
    """Whether the session may be gone, though that proves nothing about this request: the next one opens another."""
    text = reply.text if reply.message is None else error_text(reply.message)
    return bool(dialect.session) and reply.status == 400 and "session" in text.lower()


def speaks(listing: Any, key: str, version: str) -> bool:
    """Whether the list at `key` names `version`. A server may have sent anything."""
    named = listing.get(key) if isinstance(listing, dict) else None
    return isinstance(named, list) and version in named


def offers(reply: Reply, version: str) -> bool:
    """Whether a modern server refused the request and named `version` as one that it would take."""
    error = (reply.message or {}).get("error")
    return error_code(reply.message) == UNSUPPORTED_VERSION and isinstance(error, dict) and speaks(error.get("data"), "supported", version)


def one_line(info: Any, instructions: Any) -> str:
    """One line on the server, in its own words."""
    candidates = [info.get("description"), info.get("title"), instructions] if isinstance(info, dict) else [instructions]
    text = next((item for item in candidates if isinstance(item, str) and item.strip()), "")
    return " ".join(clean_text(text[:2000]).split())[:160]
