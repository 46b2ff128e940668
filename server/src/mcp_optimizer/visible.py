"""Text of a sandbox on its way to a model, a terminal or a log: nothing in it may act, or be there unseen."""

import re
from typing import Final

_UNSEEN: Final = "\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff"
"""Delete and C1 (a terminal obeys them), marks that turn the direction of writing, characters without a shape, tags that spell hidden
letters. The joiners of emoji and of Indic and Persian words are not among them."""
_IN_JSON: Final = re.compile(f"[{_UNSEEN}]")
_IN_TEXT: Final = re.compile(f"[\x00-\x08\x0b-\x1f{_UNSEEN}]")


def visible_json(document: str) -> str:
    r"""The same JSON value, with such characters escaped (`\u202e`): whoever parses it gets every character as it was."""
    return _IN_JSON.sub(_escaped, document) if not document.isascii() or "\x7f" in document else document


def visible_text(text: str) -> str:
    r"""Plain text for people, such as a progress message: the same, and C0 controls but tab and newline, as `\u001b`."""
    return _IN_TEXT.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    """UTF-16 units, as JSON has them."""
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
