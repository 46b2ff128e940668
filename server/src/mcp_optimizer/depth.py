"""The shape of JSON, seen before it is parsed: whatever takes a value apart later may then recurse, and needs no multiple of its size."""

import re
from typing import Final

_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_NO_MARKS: Final = bytes(set(range(256)) - set(b'[]{}"'))
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)


def nested_deeper(body: bytes, levels: int) -> bool:
    """Whether brackets outside of strings are nested deeper than `levels`, or do not match. Costs next to nothing for few brackets."""
    if body.count(b"[") + body.count(b"{") <= levels:
        return False
    # Only brackets and quotes are left of a document, and of those few where a string without brackets needs none: three times as fast.
    marks = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(_ONE_KIND, _NO_MARKS).replace(b'""', b"")
    brackets = b"".join(marks.split(b'"')[::2])
    for _ in range(levels):
        shorter = brackets.replace(b"[]", b"")
        if not shorter:
            return False
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return True


def has_more_values(body: bytes, most: int) -> bool:
    """Whether there are more than about `most` values: `[],` are three bytes on the wire and seventy in memory."""
    # Leaving out what is within strings takes long, and is needed only where there are many signs at all.
    return len(body) > most and _values(body) > most and _values(_STRING.sub(b"", body)) > most


def _values(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")
