"""How deep JSON is nested, seen before it is parsed: whatever takes a value apart later may then recurse."""

from typing import Final

_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def nested_deeper(body: bytes, levels: int) -> bool:
    """Whether brackets outside of strings are nested deeper than `levels`, or do not match. Costs next to nothing for few brackets."""
    if body.count(b"[") + body.count(b"{") <= levels:
        return False
    outside_strings = body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2]
    brackets = b"".join(outside_strings).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(levels):
        shorter = brackets.replace(b"[]", b"")
        if not shorter:
            return False
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return True
