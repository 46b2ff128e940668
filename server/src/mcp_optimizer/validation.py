"""Checking arguments against a tool's schema before the tool is called, with schemas that strangers wrote.

A schema can be a trap: references to the network, exponential references, regular expressions that never end. None of them is
followed: what cannot be checked safely here is left to the server that wrote it.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import jsonschema
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from .errors import BAD_REQUEST, CallFailure
from .fits import MAX_MATCHED_TEXT, compile_fits

MAX_REFERENCES = 2000
MAX_STEPS = 50_000
"""Of one validation: what a megabyte of arguments would cost more, every other request would wait for."""
MAX_ERRORS = 100
"""The best of these is told."""
MAX_COMPARED = 300
"""Items whose uniqueness is checked: objects are compared each with each."""
MAX_REPETITIONS, MAX_CHOICES = 2, 6
MAX_MESSAGE = 400

Validate = Callable[[Mapping[str, Any]], None]
"""Raises `CallFailure` 400 when the arguments do not fit."""


class _TooManyReferences(Exception):
    """The schema refers to itself more often than any honest one does for these arguments."""


class _TooMuchWork(Exception):
    """Checking these arguments would hold up everybody else."""


class _Budget:
    """References followed and steps taken in the validation that runs now; validation never awaits, so one counter serves all."""

    def __init__(self) -> None:
        self.spent = self.steps = 0

    def step(self, *operands: Any) -> None:
        """One keyword is about to be checked; lists and objects cost their size."""
        self.steps += 1 + sum(len(operand) for operand in operands if isinstance(operand, list | dict))
        if self.steps > MAX_STEPS:
            raise _TooMuchWork


_budget: Final = _Budget()


def compile_validator(schema: Mapping[str, Any]) -> Validate:
    """A function that checks arguments against `schema`. Costs a while: keep the result."""
    safe = _disarmed(schema)
    fits = compile_fits(safe, _KNOWN)
    full: Any = None

    def validate(arguments: Mapping[str, Any]) -> None:
        nonlocal full
        if fits is not None and fits(arguments):
            return
        if full is None:
            full = _Validator(safe, registry=_OFFLINE)
        _budget.spent = _budget.steps = 0
        try:
            error = best_match(itertools.islice(full.iter_errors(arguments), MAX_ERRORS))
        except Exception:
            # Too much work, too many references, one that leads nowhere, a keyword of the wrong type: the server decides.
            return
        if error is not None:
            raise CallFailure(BAD_REQUEST, _sentence(error))

    return validate


def _sentence(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    message = error.message if len(error.message) <= MAX_MESSAGE else error.message[: MAX_MESSAGE - 1] + "…"
    return f"arguments{'.' + where if where else ''}: {message}"


def _reference(validator: Any, target: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    _budget.spent += 1
    if _budget.spent > MAX_REFERENCES:
        raise _TooManyReferences
    yield from validator._validate_reference(ref=target, instance=instance)


def _pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and len(instance) <= MAX_MATCHED_TEXT and not re.search(pattern, instance):
        yield ValidationError(f"{instance[:100]!r} does not match {pattern!r}")


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, list) and len(instance) <= MAX_COMPARED:
        yield from _KEYWORDS["uniqueItems"](validator, wanted, instance, schema)


def _counted(check: Callable[..., Any]) -> Callable[..., Iterator[ValidationError]]:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        _budget.step(value, instance)
        yield from check(validator, value, instance, schema) or ()

    return counted


def _accept_anything(uri: str) -> Resource[Any]:
    return Resource.from_contents({}, default_specification=DRAFT202012)


_OFFLINE: Registry[Any] = Registry(retrieve=_accept_anything)  # type: ignore[call-arg]
_KEYWORDS: Final[Mapping[str, Any]] = jsonschema.Draft202012Validator.VALIDATORS
_OURS: Final[Mapping[str, Any]] = {"$ref": _reference, "pattern": _pattern, "uniqueItems": _unique_items}
_Validator: Any = extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {name: _counted(check) for name, check in {**_KEYWORDS, **_OURS}.items()}
)
_KNOWN: Final = frozenset(_Validator.VALIDATORS)


def _disarmed(schema: Any) -> Any:
    """The schema without regular expressions that may not end, and without dynamic references."""
    if isinstance(schema, list):
        return [_disarmed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _disarmed_keyword(key, value) for key, value in schema.items() if key != "$dynamicRef"}
    if not _harmless(kept.get("pattern")):
        kept.pop("pattern", None)
    if "patternProperties" in kept:
        # additionalProperties means "those that match no pattern": without the patterns it would refuse too much.
        for keyword in ("patternProperties", "additionalProperties", "unevaluatedProperties"):
            kept.pop(keyword, None)
    return kept


def _disarmed_keyword(keyword: str, value: Any) -> Any:
    if keyword in ("enum", "const", "default", "examples"):
        return value
    if keyword in ("properties", "$defs", "definitions", "dependentSchemas") and isinstance(value, dict):
        return {name: _disarmed(schema) for name, schema in value.items()}
    return _disarmed(value)


_ESCAPE = re.compile(r"\\.", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?[^\]]*\]")
_REPEAT = re.compile(r"[*+]|\{\d*,\d*\}")


def _harmless(pattern: Any) -> bool:
    """Whether matching is fast on any short text: no repetition of a group, no back reference, few repetitions, options and alternatives."""
    if not isinstance(pattern, str) or len(pattern) > 200 or re.search(r"\\[1-9]", pattern):
        return False
    bare = _CLASS.sub("x", _ESCAPE.sub("x", pattern))
    if re.search(r"\)[*+{]|\(\?", bare):
        return False
    try:
        re.compile(pattern)
    except (re.error, OverflowError):
        return False
    # Options that fail one after the other are tried in every combination: (a|b)?c? are three choices, eight ways.
    return len(_REPEAT.findall(bare)) <= MAX_REPETITIONS and bare.count("?") + bare.count("|") <= MAX_CHOICES
