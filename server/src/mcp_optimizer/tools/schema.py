"""A tool's JSON Schema without what a generator put there for other programs: it means the same and costs a model less."""

from collections.abc import Mapping
from typing import Any, Final

_NOISE: Final = ("$schema", "title")
"""`title` only repeats the name in generated schemas; a property that is called so stays."""
_BY_NAME: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords that map names of their own to schemas."""
_VALUES: Final = frozenset({"const", "default", "enum", "examples", "example", "required", "dependentRequired"})
"""Keywords that hold data, not schemas."""


def slim(schema: Any) -> Any:
    """The schema without titles, dialects, and defaults of null."""
    if isinstance(schema, list):
        return [slim(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _keyword(key, value) for key, value in schema.items() if not _is_noise(key, value)}


def _is_noise(key: str, value: Any) -> bool:
    return (key in _NOISE and isinstance(value, str)) or (key == "default" and value is None)


def _keyword(key: str, value: Any) -> Any:
    if key in _VALUES:
        return value
    if key in _BY_NAME and isinstance(value, Mapping):
        return {name: slim(below) for name, below in value.items()}
    return slim(value)
