"""Tools by names that are almost right: other separators, other case, or without the server. Only what leads to exactly one tool counts."""

import re
from collections.abc import Iterable
from typing import Literal, Protocol

Reason = Literal["separators", "bare_name"]
_APART = re.compile(r"[\W_]+")
_PREFIX = "mcp"
"""Some clients write mcp__server__tool."""
MAX_NAME = 256


class Named(Protocol):
    """What is looked up."""

    @property
    def id(self) -> str: ...
    @property
    def spelt(self) -> tuple[str, str]: ...


class Spellings:
    """Identifiers by their letters and digits alone, as `letters` gives them: `spelt` is that of the identifier and of the bare name."""

    def __init__(self, tools: Iterable[Named]) -> None:
        self._whole: dict[str, str | None] = {}
        self._bare: dict[str, str | None] = {}
        for tool in tools:
            for known, key in zip((self._whole, self._bare), tool.spelt, strict=True):
                # None: two tools are spelt alike, so neither is meant for certain.
                known[key] = None if key in known else tool.id

    def meant(self, wrong: str) -> tuple[str, Reason] | None:
        """The one tool that this must mean, and what was wrong with the name; None when there is none or more than one."""
        key = letters(wrong) if len(wrong) <= MAX_NAME else ""
        whole = self._whole.get(key) or self._whole.get(key.removeprefix(_PREFIX))
        if whole is not None:
            return whole, "separators"
        bare = self._bare.get(key)
        return (bare, "bare_name") if bare is not None and key else None


def letters(text: str) -> str:
    """Letters and digits alone, in one case."""
    return _APART.sub("", text).casefold()
