"""Which names the files of a job may have. The same rule as `mcp_optimizer_api.filenames`; a test compares the two."""

import re

MAX_NAME_BYTES = 255
MAX_PARTS = 8
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\\\\\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def why_no_name(name: str) -> str | None:
    """None for a relative path of plain characters, such as `data/a.csv`; else what is wrong with it."""
    if _FORBIDDEN.search(name):
        return "its name has control characters, invisible ones or a backslash"
    if not 0 < len(name.encode()) <= MAX_NAME_BYTES:
        return f"its name must have 1 to {MAX_NAME_BYTES} bytes"
    parts = name.split("/")
    if len(parts) > MAX_PARTS:
        return f"it lies more than {MAX_PARTS - 1} folders deep"
    if any(part in ("", ".", "..") for part in parts):
        return "its name must be a relative path without empty parts, . and .."
    return None


def printable(name: str) -> str:
    """A name that may not be one, for a message."""
    return _FORBIDDEN.sub("?", name)[:MAX_NAME_BYTES]
