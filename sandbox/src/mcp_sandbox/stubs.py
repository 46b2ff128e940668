"""A tool as a Python function, built from the server's description of it.

The description is data from a catalogue that strangers wrote. Nothing of it is ever compiled: names, types, defaults and text become
objects (`inspect.Signature`, `TypedDict`, `Literal`), so that no tool name or description can turn into code.
"""

import inspect
import keyword
import typing
from collections.abc import Callable
from typing import Any

Description = dict[str, Any]
_SCALARS: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "None": None,
    "dict": dict,
    "list": list,
    "Any": Any,
}


class _Left:
    """The default of what need not be given: the tool has its own."""

    def __repr__(self) -> str:
        return "..."


LEFT = _Left()


def function_of(tool: Description, name: str, module: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The tool as a function `name` of `module`. `call(identifier, **arguments)` calls tools; a coroutine function gives one."""
    keys, optional = _keys(tool), _optional(tool)
    try:
        signature = _signature(tool, module)
    except (TypeError, ValueError, KeyError, AttributeError):  # a type that this Python cannot express
        signature = inspect.Signature([inspect.Parameter("arguments", inspect.Parameter.VAR_KEYWORD)])

    def arguments(given: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        if given:
            raise TypeError(f"{name}() takes its arguments by name: {name}{signature}")
        unknown = [key for key in named if key not in keys] if not tool.get("more") else []
        missing = [key for key in tool["required"] if key not in named and keys[key] not in named]
        if unknown or missing:
            what = f"has no argument {unknown[0]!r}" if unknown else f"misses {', '.join(missing)}"
            raise TypeError(f"{name}() {what}: {name}{signature}")
        return {keys.get(key, key): value for key, value in named.items() if value is not None or key not in optional}

    def function(*given: Any, **named: Any) -> Any:
        return call(tool["id"], **arguments(given, named))

    async def coroutine_function(*given: Any, **named: Any) -> Any:
        return await call(tool["id"], **arguments(given, named))

    return _dressed(coroutine_function if inspect.iscoroutinefunction(call) else function, name, module, tool.get("doc"), signature)


def _dressed(function: Any, name: str, module: str, doc: Any, signature: inspect.Signature) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__module__ = module
    function.__doc__ = doc or None
    function.__signature__ = signature
    function.__annotations__ = {p.name: p.annotation for p in signature.parameters.values() if p.annotation is not p.empty}
    function.__annotations__["return"] = signature.return_annotation
    return function  # type: ignore[no-any-return]


def _keys(tool: Description) -> dict[str, str]:
    """The tool's own names of its arguments, by every name that the function takes."""
    keys = {item.get("key", item["name"]): item.get("key", item["name"]) for item in tool["parameters"]}
    return keys | {item["name"]: item["key"] for item in tool["parameters"] if "key" in item}


def _optional(tool: Description) -> set[str]:
    """What None leaves out: arguments that need not be given and for which null is no value."""
    left = [item for item in tool["parameters"] if item["name"] not in tool["required"] and not _takes_none(item["type"])]
    return {name for item in left for name in (item["name"], item.get("key", item["name"]))}


def _takes_none(kind: Any) -> bool:
    if isinstance(kind, list):
        return kind[0] in ("union", "literal") and any(item is None or _takes_none(item) for item in kind[1:])
    return kind in ("Any", "None")


def _signature(tool: Description, module: str) -> inspect.Signature:
    names = {item["name"] for item in tool["parameters"]}
    parameters = [_parameter(item, item["name"] in tool["required"], module) for item in tool["parameters"]]
    if tool.get("more"):
        name = next(name for name in ("more", "more_arguments", "_") if name not in names or name == "_")
        parameters.append(inspect.Parameter(name, inspect.Parameter.VAR_KEYWORD, annotation=Any))
    return inspect.Signature(parameters, return_annotation=_type(tool["returns"], module))


def _parameter(item: Description, required: bool, module: str) -> inspect.Parameter:
    default = inspect.Parameter.empty if required else item.get("default", LEFT)
    return inspect.Parameter(item["name"], inspect.Parameter.KEYWORD_ONLY, default=default, annotation=_type(item["type"], module))


def _type(kind: Any, module: str) -> Any:
    """A type as the server describes it: a name, or a list that begins with what it is."""
    if isinstance(kind, str):
        return _SCALARS[kind]
    head, *rest = kind
    if head == "list":
        return list[_type(rest[0], module)]  # type: ignore[misc]
    if head == "dict":
        return dict[str, _type(rest[0], module)]  # type: ignore[misc]
    if head == "literal":
        return typing.Literal[tuple(rest)]
    if head == "union":
        return typing.Union[tuple(_type(item, module) for item in rest)]  # noqa: UP007 -- of as many as there are
    return _typed_dict(rest[0], rest[1], rest[2], module)


def _typed_dict(name: str, fields: dict[str, Any], required: list[str], module: str) -> Any:
    types = {key: _type(kind, module) for key, kind in fields.items()}
    wrapped = {key: kind if key in required else typing.NotRequired[kind] for key, kind in types.items()}
    make: Any = typing.TypedDict
    made = make(name if name.isidentifier() and not keyword.iskeyword(name) else "Item", wrapped)
    made.__module__ = module
    return made
