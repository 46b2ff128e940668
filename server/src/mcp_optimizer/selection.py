"""Which tools exist for clients and which are shown beside the meta-tools: what `spec.tools` says, applied to a catalogue."""

from collections.abc import Callable, Iterable, Sequence

MAX_UNKNOWN = 50


def hidden_by(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether an identifier is excluded. `*` stands for any text, also an empty one; everything else for itself."""
    plain = frozenset(pattern for pattern in patterns if "*" not in pattern)
    globs = [tuple(pattern.split("*")) for pattern in patterns if "*" in pattern]

    def hidden(tool_id: str) -> bool:
        return tool_id in plain or any(_matches(parts, tool_id) for parts in globs)

    return hidden


def _matches(parts: Sequence[str], text: str) -> bool:
    """Greedy and therefore linear: a regular expression of many stars would not be."""
    first, *middle, last = parts
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def unknown_pins(pinned: Sequence[str], known: Callable[[str], bool]) -> tuple[str, ...]:
    """Pinned identifiers that lead to no tool, the first MAX_UNKNOWN of them."""
    return tuple(name for name in dict.fromkeys(pinned) if not known(name))[:MAX_UNKNOWN]
