"""From pydantic's JSON Schema to the structural schema the API server accepts.

Pydantic emits JSON Schema 2020-12; a CRD takes a subset with its own extensions. Every keyword met here is either carried over,
translated, or refused: a keyword that silently vanished would be a rule nobody enforces.
"""

from enum import Enum
from typing import Any

from pydantic import BaseModel

from .cel import DEFAULT_IN_CODE, PATTERN_MESSAGE, VALIDATIONS, pattern_rule

Schema = dict[str, Any]

KEPT = frozenset(
    {"type", "description", "enum", "format", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"}
    | {"minProperties", "maxProperties", "required", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", VALIDATIONS}
)
TRANSLATED = frozenset(
    {"title", "default", "const", "properties", "additionalProperties", "items", "exclusiveMinimum", "exclusiveMaximum"}
    | {"x-kubernetes-int-or-string", PATTERN_MESSAGE, DEFAULT_IN_CODE}
)


class Defaults(Enum):
    """Which defaults a schema carries."""

    NONE = "none"  # Status: a program writes it, nobody fills it in.
    STORED = "stored"  # Spec: what the API server fills in.
    EFFECTIVE = "effective"  # Documentation: also what only programs apply.


class UnsupportedSchema(ValueError):
    """A model uses something a CRD cannot express."""


def structural(model: type[BaseModel], *, defaults: Defaults) -> Schema:
    """The structural schema of `model`."""
    raw = model.model_json_schema(by_alias=True)
    return _Converter(raw.get("$defs", {}), defaults).node(raw, path=model.__name__, seen=())


class _Converter:
    """One conversion: the definitions to inline, and the defaults that are wanted."""

    def __init__(self, definitions: dict[str, Schema], defaults: Defaults) -> None:
        self._definitions = definitions
        self._defaults = defaults

    def node(self, raw: Schema, *, path: str, seen: tuple[str, ...]) -> Schema:
        """Convert one schema with everything below it; `seen` are the definitions being inlined, to refuse recursion."""
        raw = {key: value for key, value in raw.items() if key != "$defs"}
        raw, seen = self._inlined(raw, path=path, seen=seen)
        unknown = raw.keys() - KEPT - TRANSLATED
        if unknown:
            raise UnsupportedSchema(f"{path}: a CRD cannot express {sorted(unknown)}; change the model")
        made: Schema = {key: raw[key] for key in raw if key in KEPT}
        self._scalar(raw, made, path=path)
        self._default(raw, made)
        if "properties" in raw:
            made["properties"] = {
                name: self.node(below, path=f"{path}.{name}", seen=seen) for name, below in sorted(raw["properties"].items())
            }
        elif isinstance(raw.get("additionalProperties"), dict):
            made["additionalProperties"] = self.node(raw["additionalProperties"], path=f"{path}.*", seen=seen)
        elif "additionalProperties" in raw:
            raise UnsupportedSchema(f"{path}: free-form objects are not allowed; name the fields or give the values a type")
        if "items" in raw:
            made["items"] = self.node(raw["items"], path=f"{path}[]", seen=seen)
        if made.get("type") == "array":
            made.setdefault("x-kubernetes-list-type", "atomic")
        _require_bounds(made, path=path)
        return made

    def _inlined(self, raw: Schema, *, path: str, seen: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """Resolve `$ref` and `X | None`; what stands beside a reference wins over what it refers to."""
        while "$ref" in raw or "anyOf" in raw:
            if "$ref" in raw:
                name = raw["$ref"].rsplit("/", 1)[-1]
                if name in seen:
                    raise UnsupportedSchema(f"{path}: {name} contains itself, which a CRD cannot express")
                seen = (*seen, name)
                target = self._definitions[name]
            else:
                options = [option for option in raw["anyOf"] if option.get("type") != "null"]
                if len(options) != 1:
                    raise UnsupportedSchema(f"{path}: a union; use sibling optional fields and a rule 'exactly one of'")
                target = options[0]
            beside = {key: value for key, value in raw.items() if key not in ("$ref", "anyOf")}
            raw = {**target, **beside}
        return raw, seen

    def _scalar(self, raw: Schema, made: Schema, *, path: str) -> None:
        if "const" in raw:
            made["enum"] = [raw["const"]]
        for keyword, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if keyword in raw:
                made[bound], made[keyword] = raw[keyword], True
        int_or_string = bool(raw.get("x-kubernetes-int-or-string"))
        if int_or_string:
            made.pop("type", None)
            made["x-kubernetes-int-or-string"] = True
        if PATTERN_MESSAGE in raw:
            if "pattern" not in made:
                raise UnsupportedSchema(f"{path}: {PATTERN_MESSAGE} without a pattern")
            stated = pattern_rule(made.pop("pattern"), raw[PATTERN_MESSAGE], int_or_string=int_or_string)
            made[VALIDATIONS] = [stated, *made.get(VALIDATIONS, [])]

    def _default(self, raw: Schema, made: Schema) -> None:
        default = _persisted(raw.get("default"))
        if self._defaults is Defaults.NONE or default is None or (default == {} and "properties" not in raw):
            return
        if self._defaults is Defaults.EFFECTIVE or not raw.get(DEFAULT_IN_CODE):
            made["default"] = default


def _persisted(default: Any) -> Any:
    """What of a model's default belongs into the stored object: scalars, and objects of them; lists and maps stay unset.

    Objects are written out, because rules are evaluated on a default before the defaults below it are filled in.
    """
    if isinstance(default, dict):
        return {key: below for key, value in default.items() if (below := _persisted(value)) not in (None, {})}
    return None if isinstance(default, list) else default


def _require_bounds(made: Schema, *, path: str) -> None:
    """Unbounded strings, lists and maps make CEL too costly and let one object fill etcd."""
    kind = made.get("type")
    if kind == "string" and not {"maxLength", "enum", "format"} & made.keys():
        raise UnsupportedSchema(f"{path}: a string without max_length")
    if kind == "array" and "maxItems" not in made:
        raise UnsupportedSchema(f"{path}: a list without max_length")
    if "additionalProperties" in made and "maxProperties" not in made:
        raise UnsupportedSchema(f"{path}: a map without max_length")
