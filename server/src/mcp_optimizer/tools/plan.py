"""What an `execute_batch` asks for, checked as far as it can be before anything is sent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_optimizer.errors import BAD_REQUEST, CallFailure
from mcp_optimizer.invoke import Invoker

from .references import referenced
from .route import Fallback, read_call

MODES: Final = ("sequential", "parallel")
ON_ERROR: Final = ("stop", "continue", "compensate")
_ID: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_FIELDS: Final = frozenset({"tool", "arguments", "id", "compensate"})


@dataclass(frozen=True, slots=True)
class Call:
    """A tool and its arguments, references not replaced yet."""

    tool: str
    arguments: dict[str, Any]
    refers: bool


@dataclass(frozen=True, slots=True)
class Item:
    """One call of the batch. `needs` are the positions of the earlier items that it refers to."""

    position: int
    name: str
    named: bool
    call: Call
    compensate: Call | None
    needs: tuple[int, ...]

    def shown(self) -> str:
        """For messages."""
        return f"calls[{self.position}]" + (f" ({self.name})" if self.named else "")


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole batch. `refused` are failures of single items that were found before anything ran."""

    items: list[Item]
    parallel: bool
    on_error: str
    refused: dict[int, CallFailure] = field(default_factory=dict)
    fallbacks: list[Fallback] = field(default_factory=list)


def plan(invoker: Invoker, arguments: Mapping[str, Any]) -> Plan:
    """Read and check. Raises `CallFailure` that names the item; with on_error `continue`, one that only one item has is kept in `refused`."""
    snapshot = invoker.snapshot()
    calls, most = arguments.get("calls"), snapshot.config.batch.max_items
    if not isinstance(calls, list) or not calls:
        raise CallFailure(BAD_REQUEST, "calls must be a list of objects {tool, arguments}")
    if len(calls) > most:
        raise CallFailure(
            BAD_REQUEST,
            f"calls has {len(calls)} items, at most {most} run in one batch (spec.batch.maxItems): split it, or loop in execute_code",
        )
    # Whoever says how to take a call back wants that to happen.
    compensates = any(isinstance(call, dict) and call.get("compensate") is not None for call in calls)
    on_error = _choice(arguments, "on_error", ON_ERROR, "compensate" if compensates else "stop")
    made = Plan([], _choice(arguments, "mode", MODES, "sequential") == "parallel", on_error)
    names: dict[str, int] = {}
    for position, call in enumerate(calls):
        item = _Reader(invoker, made, names, position).read(call)
        made.items.append(item)
        names[item.name] = position
    return made


def _choice(arguments: Mapping[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
    value = arguments.get(name) or default
    if value not in choices:
        raise CallFailure(BAD_REQUEST, f"{name} is {str(value)[:40]!r}: use {', '.join(choices)}")
    return str(value)


class _Reader:
    """Reads one item."""

    def __init__(self, invoker: Invoker, made: Plan, names: Mapping[str, int], position: int) -> None:
        self._invoker = invoker
        self._plan = made
        self._names = names
        self._position = position

    def read(self, given: Any) -> Item:
        """The item."""
        if not isinstance(given, dict):
            raise self._wrong("must be an object {tool, arguments}")
        name, named = self._name(given.get("id"))
        call, needs = self._call(given, self._names)
        compensate = None
        if given.get("compensate") is not None:
            if not isinstance(given["compensate"], dict):
                raise self._wrong("compensate must be an object {tool, arguments}")
            compensate, _ = self._call(given["compensate"], {**self._names, name: self._position}, ".compensate")
        return Item(self._position, name, named, call, compensate, needs)

    def _name(self, given: Any) -> tuple[str, bool]:
        if given is None:
            return str(self._position), False
        if not isinstance(given, str) or not _ID.fullmatch(given):
            raise self._wrong("id must be a letter and then at most 63 letters, digits, _ or -")
        if given in self._names:
            raise self._wrong(f"id {given!r} is taken by calls[{self._names[given]}]: ids must differ")
        return given, True

    def _call(self, given: Mapping[str, Any], known: Mapping[str, int], where: str = "") -> tuple[Call, tuple[int, ...]]:
        try:
            tool, arguments, fallbacks = read_call(self._invoker.snapshot(), given, _FIELDS)
            self._plan.fallbacks.extend(fallbacks)
        except CallFailure as failure:
            raise self._wrong(failure.message, where) from None
        needs = dict.fromkeys(referenced(arguments))
        for name in needs:
            if name not in known:
                raise self._wrong(
                    f"${{{name[:40]}}} names no earlier call ({', '.join(known) or 'there is none'}); write $${{ for plain text", where
                )
        try:
            self._invoker.check(tool, None if needs else arguments)
        except CallFailure as failure:
            self._refuse(CallFailure(failure.code, f"calls[{self._position}]{where}: {failure.message}"))
        return Call(tool, arguments, bool(needs)), tuple(known[name] for name in needs)

    def _refuse(self, failure: CallFailure) -> None:
        if self._plan.on_error != "continue":
            raise CallFailure(failure.code, f"{failure.message}; nothing was called")
        self._plan.refused[self._position] = failure

    def _wrong(self, message: str, where: str = "") -> CallFailure:
        return CallFailure(BAD_REQUEST, f"calls[{self._position}]{where}: {message}; nothing was called")
