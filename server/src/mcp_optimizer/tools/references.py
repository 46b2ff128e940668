"""`${id.path.0}` in the arguments of a batch: which earlier results it names, and what takes its place."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mcp_optimizer.errors import BAD_REQUEST, CallFailure
from mcp_optimizer.results import compact

MAX_INSERTED: Final = 4 * 1024 * 1024
"""Bytes that references put into the arguments of one call: a short text may name a large result a thousand times."""
MAX_SHOWN: Final = 80
_REFERENCE: Final = re.compile(r"\$(\$?)\{([^{}]{0,300})\}")
"""A second dollar makes it plain text."""
_INDEX: Final = re.compile(r"-?[0-9]{1,9}")


def referenced(value: Any) -> Iterator[str]:
    """The first part of every reference in this JSON value."""
    if isinstance(value, str):
        for escape, path in _REFERENCE.findall(value):
            if not escape:
                yield path.strip().partition(".")[0]
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from referenced(item)


class Inserter:
    """Puts results into the arguments of one call."""

    def __init__(self, results: Mapping[str, Any]) -> None:
        self._results = results
        self._room = MAX_INSERTED
        self._found: dict[str, tuple[Any, str]] = {}

    def insert(self, value: Any) -> Any:
        """The value with every reference replaced: by the result itself where it is the whole text, else by its text. Raises `CallFailure`."""
        if isinstance(value, str):
            return self._text(value) if "${" in value else value
        if isinstance(value, dict):
            return {key: self.insert(item) for key, item in value.items()}
        return [self.insert(item) for item in value] if isinstance(value, list) else value

    def _text(self, text: str) -> Any:
        whole = _REFERENCE.fullmatch(text)
        if whole is not None and not whole[1]:
            return self._take(whole[2])[0]
        return _REFERENCE.sub(lambda match: match[0][1:] if match[1] else self._take(match[2])[1], text)

    def _take(self, path: str) -> tuple[Any, str]:
        found = self._found.get(path)
        if found is None:
            value = _walk(self._results, path.strip())
            try:
                found = value, value if isinstance(value, str) else compact(value)
            except (TypeError, ValueError, RecursionError):
                raise CallFailure(BAD_REQUEST, f"${{{path[:MAX_SHOWN]}}} is nested too deeply to be inserted") from None
            self._found[path] = found
        self._room -= len(found[1])
        if self._room < 0:
            raise CallFailure(BAD_REQUEST, f"references insert more than {MAX_INSERTED} bytes: use execute_code for data of this size")
        return found


def _walk(results: Mapping[str, Any], path: str) -> Any:
    value: Any = results
    seen = ""
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and _INDEX.fullmatch(part) and -len(value) <= int(part) < len(value):
            value = value[int(part)]
        else:
            raise CallFailure(BAD_REQUEST, f"${{{path[:MAX_SHOWN]}}}: {_missing(seen, value, part)}")
        seen = f"{seen}.{part}" if seen else part
    return value


def _missing(seen: str, value: Any, part: str) -> str:
    where = f"{seen[:MAX_SHOWN]} has" if seen else "there is"
    if isinstance(value, Mapping):
        names = ", ".join(str(name)[:40] for name in list(value)[:8]) + (", …" if len(value) > 8 else "")
        return f"{where} no {part[:40]!r}, only {names or 'nothing'}"
    if isinstance(value, list):
        return f"{where} {len(value)} items, no {part[:40]!r}"
    return f"{seen[:MAX_SHOWN]} is {type(value).__name__}, not an object or a list"
