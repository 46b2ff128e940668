"""A quick yes for arguments that plainly fit their schema: nearly all do, and finding out must not cost more than the call.

Only a yes is worth something here: it is given only where JSON Schema says yes too (a test compares them on generated schemas and values).
Everything else, schemas with other keywords included, is decided and put into words by the full validator.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Check = Callable[[Any], bool]

MAX_MATCHED_TEXT: Final = 500
"""Longer text is not matched against patterns: matching holds up everybody else."""
MAX_VALUES: Final = 2000
"""In arguments with more, the full validator counts its steps."""
MAX_CHOICES: Final = 32
"""Of anyOf, in one schema."""
_NUMBERS: Final = (int, float)
_TYPES: Final[Mapping[str, Check]] = {
    "object": lambda value: type(value) is dict,
    "array": lambda value: type(value) is list,
    "string": lambda value: type(value) is str,
    "boolean": lambda value: type(value) is bool,
    "null": lambda value: value is None,
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in _NUMBERS,
}


class _Unsupported(Exception):
    """A keyword, or a value of one, that is left to the full validator."""


def compile_fits(schema: Any, keywords: frozenset[str]) -> Check | None:
    """A function that says yes when a value certainly fits; None where only the full validator can tell. `keywords`: all that it knows."""
    try:
        check = _schema(schema, keywords)
    except (_Unsupported, RecursionError):
        return None
    if not _few_choices(schema):
        return None

    def fits(value: Any) -> bool:
        _work.left = MAX_VALUES
        return check(value)

    return fits


class _Work:
    """Values that the check that runs now may still look at; checks never await, so one counter serves all."""

    left = 0

    def allows(self, more: int) -> bool:
        """Whether so many more are few enough."""
        self.left -= more
        return self.left >= 0


_work: Final = _Work()


def _few_choices(schema: Any) -> bool:
    """Every choice multiplies the work on what is below it."""
    choices, level = 0, [schema]
    while level:
        part = level.pop()
        if isinstance(part, dict):
            choices += len(part.get("anyOf") or ())
            level.extend(part.values())
        elif isinstance(part, list):
            level.extend(part)
    return choices <= MAX_CHOICES


def _schema(schema: Any, keywords: frozenset[str]) -> Check:
    if schema is True:
        return lambda value: True
    if not isinstance(schema, dict):
        raise _Unsupported
    unknown = (schema.keys() & keywords) - _COMPILERS.keys() - _OF_OBJECTS
    if unknown:
        raise _Unsupported
    checks = [_COMPILERS[name](value, keywords) for name, value in schema.items() if name in _COMPILERS]
    if schema.keys() & _OF_OBJECTS:
        checks.append(_object(schema, keywords))
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda value: first(value) and second(value)
    return lambda value: all(check(value) for check in checks)


_OF_OBJECTS: Final = frozenset({"properties", "required", "additionalProperties"})


def _object(schema: dict[str, Any], keywords: frozenset[str]) -> Check:
    properties, required, more = schema.get("properties", {}), schema.get("required", []), schema.get("additionalProperties", True)
    if not isinstance(properties, dict) or not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise _Unsupported
    named = {name: _schema(part, keywords) for name, part in properties.items()}
    other: Check = (lambda value: False) if more is False else _schema(more, keywords)
    needed = frozenset(required)

    def check(value: Any) -> bool:
        if type(value) is not dict:
            return not isinstance(value, dict)
        if not needed <= value.keys() or not _work.allows(len(value)):
            return False
        return all(named.get(name, other)(item) for name, item in value.items())

    return check


def _type(wanted: Any, keywords: frozenset[str]) -> Check:
    names = wanted if isinstance(wanted, list) else [wanted]
    if not names or not all(isinstance(name, str) and name in _TYPES for name in names):
        raise _Unsupported
    checks = [_TYPES[name] for name in names]
    return checks[0] if len(checks) == 1 else lambda value: any(check(value) for check in checks)


def _enum(choices: Any, keywords: frozenset[str]) -> Check:
    if not isinstance(choices, list):
        raise _Unsupported
    texts = frozenset(choice for choice in choices if isinstance(choice, str))
    scalars = [choice for choice in choices if type(choice) in (int, bool, type(None))]
    return lambda value: (
        value in texts if type(value) is str else any(type(value) is type(choice) and value == choice for choice in scalars)
    )


def _const(wanted: Any, keywords: frozenset[str]) -> Check:
    return _enum([wanted], keywords)


def _bound(compare: Callable[[Any, Any], bool]) -> Callable[[Any, frozenset[str]], Check]:
    def compiled(limit: Any, keywords: frozenset[str]) -> Check:
        if type(limit) not in _NUMBERS:
            raise _Unsupported
        return lambda value: type(value) not in _NUMBERS or compare(value, limit)

    return compiled


def _length(kind: type[str] | type[list[Any]], compare: Callable[[int, int], bool]) -> Callable[[Any, frozenset[str]], Check]:
    def compiled(limit: Any, keywords: frozenset[str]) -> Check:
        if type(limit) is not int:
            raise _Unsupported
        return lambda value: not isinstance(value, kind) or compare(len(value), limit)

    return compiled


def _pattern(pattern: Any, keywords: frozenset[str]) -> Check:
    try:
        search = re.compile(pattern).search
    except (re.error, TypeError, OverflowError):
        raise _Unsupported from None
    return lambda value: type(value) is not str or len(value) > MAX_MATCHED_TEXT or search(value) is not None


def _items(schema: Any, keywords: frozenset[str]) -> Check:
    each = _schema(schema, keywords)
    return lambda value: type(value) is not list or (_work.allows(len(value)) and all(each(item) for item in value))


def _any_of(schemas: Any, keywords: frozenset[str]) -> Check:
    if not isinstance(schemas, list) or not schemas:
        raise _Unsupported
    checks = [_schema(schema, keywords) for schema in schemas]
    return lambda value: any(check(value) for check in checks)


_COMPILERS: Final[Mapping[str, Callable[[Any, frozenset[str]], Check]]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _bound(lambda value, limit: value >= limit),
    "maximum": _bound(lambda value, limit: value <= limit),
    "exclusiveMinimum": _bound(lambda value, limit: value > limit),
    "exclusiveMaximum": _bound(lambda value, limit: value < limit),
    "minLength": _length(str, lambda length, limit: length >= limit),
    "maxLength": _length(str, lambda length, limit: length <= limit),
    "minItems": _length(list, lambda length, limit: length >= limit),
    "maxItems": _length(list, lambda length, limit: length <= limit),
    "pattern": _pattern,
    "items": _items,
    "anyOf": _any_of,
}
