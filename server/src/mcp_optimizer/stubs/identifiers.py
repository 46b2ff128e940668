"""Names of a catalogue as Python names: every name gets one, no two the same, always the same ones for the same catalogue."""

import keyword
import unicodedata
from collections.abc import Iterable

MAX_LENGTH = 128


def identifier(name: str, empty: str = "tool") -> str:
    """`name` as a Python identifier: other characters become `_`, keywords get one behind them. Never begins with two underscores."""
    # Python itself reads names in this form: anything else could not be reached by an attribute.
    text = unicodedata.normalize("NFKC", name)[:MAX_LENGTH]
    if not f"a{text}".isidentifier():
        text = "".join(char if f"a{char}".isidentifier() else "_" for char in text)
    if text.startswith("__"):
        text = "_" + text.lstrip("_")
    if not text.strip("_"):
        text = empty
    if not text.isidentifier():
        text = f"_{text}"
    return f"{text}_" if keyword.iskeyword(text) else text


def identifiers(names: Iterable[str], empty: str = "tool") -> dict[str, str]:
    """The names by their identifiers. A name that is its own identifier keeps it; of others that are alike, the first in alphabetical
    order does, and those behind it get `_2`, `_3`.
    """
    found: dict[str, str] = {}
    tried: dict[str, int] = {}
    wanted = [(identifier(name, empty), name) for name in sorted(set(names))]
    for text, name in sorted(wanted, key=lambda pair: pair[0] != pair[1]):
        # Counted on from the last one: thousands of names may be alike, by accident or to keep us busy.
        number = tried.get(text, 1)
        while (free := text if number == 1 else f"{text}_{number}") in found:
            number += 1
        found[free], tried[text] = name, number
    return dict(sorted(found.items()))
