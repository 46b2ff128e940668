"""Which path a call takes. Where a client asks for one in a way that can only mean another, it gets that one: decided here, before
anything was sent, and told to whoever counts it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from mcp_optimizer.errors import BAD_REQUEST, CallFailure
from mcp_optimizer.snapshot import Snapshot

from .definitions import offers

Kind = Literal["discover", "execute", "execute_batch", "execute_code", "direct"]
Fallback = tuple[str, str, str]
"""What was asked for, what is done instead, and why."""

NAME_TO_EXECUTE: Final = ("direct", "execute", "tool_id")
EXECUTE_TO_META: Final = ("execute", "meta_tool", "meta_tool_id")
ID_TO_TOOL: Final[Mapping[str, Fallback]] = {
    "separators": ("unknown_id", "tool", "separators"),
    "bare_name": ("unknown_id", "tool", "bare_name"),
}
FLAT_ARGUMENTS: Final = ("arguments", "object", "flat")
TEXT_ARGUMENTS: Final = ("arguments", "object", "json_text")
MAX_DEPTH: Final = 60
"""Of arguments that come as text: the gate has not seen into them."""
FALLBACKS: Final[tuple[Fallback, ...]] = (NAME_TO_EXECUTE, EXECUTE_TO_META, *ID_TO_TOOL.values(), FLAT_ARGUMENTS, TEXT_ARGUMENTS)


class UnknownTool(Exception):
    """The client called a name that tools/list does not have, and that can mean nothing else."""


@dataclass(frozen=True, slots=True)
class Route:
    """The path, the tool at its end (for `execute` and `direct`) and what that gets."""

    kind: Kind
    tool: str
    arguments: dict[str, Any]
    fallbacks: list[Fallback] = field(default_factory=list)


def route_of(snapshot: Snapshot, name: str, arguments: dict[str, Any]) -> Route:
    """Where this call goes. Raises `UnknownTool`, and `CallFailure` 400 for arguments of `execute` that are none."""
    config = snapshot.config
    if name in snapshot.pinned or (config.mode == "mcp_only" and name in snapshot.tools):
        return Route("direct", name, arguments)
    if config.mode == "mcp_only":
        raise UnknownTool(f"unknown tool {name[:200]!r}")
    if offers(config, name):
        return _execute(snapshot, arguments) if name == "execute" else Route(name, "", arguments)  # type: ignore[arg-type]
    if config.mode == "hybrid" and (meant := _meant(snapshot, name)) is not None:
        tool, why = meant
        return Route("execute", tool, arguments, [NAME_TO_EXECUTE, *why])
    raise UnknownTool(f"unknown tool {name[:200]!r}: {_hint(snapshot, name)}")


def read_call(
    snapshot: Snapshot, call: Mapping[str, Any], known: frozenset[str] = frozenset()
) -> tuple[str, dict[str, Any], list[Fallback]]:
    """Tool and arguments of an object {tool, arguments}, and the fall-backs that took. Members that are not `known` are taken for arguments
    when there are no others: models forget the inner object.
    """
    tool = call.get("tool")
    if not isinstance(tool, str):
        raise CallFailure(BAD_REQUEST, "tool must be an id such as server.tool")
    fallbacks: list[Fallback] = []
    arguments = call.get("arguments")
    if isinstance(arguments, str) and isinstance(parsed := _parsed(arguments), dict) and not _deep(parsed):
        arguments, fallbacks = parsed, [TEXT_ARGUMENTS]
    elif arguments is None and (
        rest := {key: value for key, value in call.items() if key not in known and key not in ("tool", "arguments")}
    ):
        arguments, fallbacks = rest, [FLAT_ARGUMENTS]
    if arguments is not None and not isinstance(arguments, dict):
        raise CallFailure(BAD_REQUEST, f"arguments must be an object, not {type(arguments).__name__}")
    if (meant := _meant(snapshot, tool)) is not None:
        tool, why = meant
        fallbacks += why
    return tool, arguments or {}, fallbacks


def _execute(snapshot: Snapshot, given: dict[str, Any]) -> Route:
    tool, arguments, fallbacks = read_call(snapshot, given)
    if tool != "execute" and offers(snapshot.config, tool):
        return Route(tool, "", arguments, [EXECUTE_TO_META, *fallbacks])  # type: ignore[arg-type]
    return Route("execute", tool, arguments, fallbacks)


def _meant(snapshot: Snapshot, name: str) -> tuple[str, list[Fallback]] | None:
    """The tool of exactly this name, else the only one it can mean."""
    if name in snapshot.tools:
        return name, []
    meant = snapshot.spellings.meant(name)
    return (meant[0], [ID_TO_TOOL[meant[1]]]) if meant is not None else None


def _hint(snapshot: Snapshot, name: str) -> str:
    if snapshot.config.mode == "code_execution" and name in snapshot.tools:
        return f'call("{name}", …) in execute_code'
    near = snapshot.names.nearest(name)
    return (
        f"did you mean {', '.join(near)}? Pass it to execute" if near and snapshot.config.mode == "hybrid" else "find tools with discover"
    )


def _deep(value: Any) -> bool:
    """Whether this text would have been refused had it come as JSON."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [below for item in level for below in (item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())]
        if not level:
            return False
    return True


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
