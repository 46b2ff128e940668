"""What a program uses against what there is: findings a caller can act on. Pure."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mcp_optimizer.errors import NOT_FOUND, CallFailure
from mcp_optimizer.invoke import resolve
from mcp_optimizer.naming import split_id
from mcp_optimizer.snapshot import Snapshot, Tool
from mcp_optimizer.stubs.modules import Descriptions
from mcp_optimizer.tools.signature import signature
from mcp_optimizer.validation import compile_validator
from mcp_optimizer_api.job import QUESTION

from .uses import Use

MAX_FINDINGS: Final = 10
SECONDS: Final = 0.05
"""Of processor time for one program, while which nobody else is served: what is left then passes."""
_CALLS: Final = ("call", "acall")


class Checks:
    """Of one program against one snapshot."""

    def __init__(self, snapshot: Snapshot, descriptions: Descriptions) -> None:
        self._snapshot = snapshot
        self._descriptions = descriptions
        self._all_known = all(upstream.name in snapshot.by_server for upstream, _ in snapshot.servers)

    def findings(self, uses: list[Use]) -> list[str]:
        """At most MAX_FINDINGS sentences, `line 3: …`, in the order of the program."""
        found: dict[str, None] = {}
        started = time.thread_time()
        for use in uses:
            for message in self._of(use):
                found.setdefault(f"line {use['line']}: {message}")
            if len(found) >= MAX_FINDINGS or time.thread_time() - started > SECONDS:
                break
        return list(found)[:MAX_FINDINGS]

    def _of(self, use: Use) -> Iterator[str]:
        path = use["path"]
        by_name = path[0] in _CALLS
        try:
            tool = self._named(path[1], use["maybe"]) if by_name else self._attribute(path, use["maybe"])
        except CallFailure as failure:
            yield failure.message
            return
        if tool is not None and "call" in use:
            faults = list(self._faults(tool, use["call"], by_name))
            if faults:
                yield "; ".join([*faults, signature(tool.definition, tool.id)])

    # Who asks first whether a tool is there may name one that is not: `maybe` makes an unknown one uncertain.

    def _named(self, tool_id: str, maybe: bool) -> Tool | None:
        """The tool of `call(tool_id)`. None: not certain. Raises `CallFailure` 404."""
        snapshot = self._snapshot
        if tool_id not in snapshot.tools and snapshot.spellings.meant(tool_id) is None:
            certain = not tool_id.startswith(QUESTION) and (self._all_known or split_id(tool_id)[0] in snapshot.by_server)
            if maybe or not certain:
                return None
        return resolve(snapshot, tool_id)

    def _attribute(self, path: list[str], maybe: bool) -> Tool | None:
        """The tool of `tools.server.tool`. None: not certain, or no tool is named. Raises `CallFailure` 404."""
        snapshot = self._snapshot
        server = snapshot.modules.servers.get(path[1])
        if server is None and maybe:
            return None
        if server is None:
            near = snapshot.modules.like_server(path[1])
            raise CallFailure(NOT_FOUND, f"{path[0]} has no server {path[1][:200]!r}{_near(path[0], near)}")
        if len(path) < 3 or server not in snapshot.by_server:
            return None
        tool = snapshot.modules.tool(server, path[2])
        if tool is None and not maybe:
            near = [snapshot.modules.path(snapshot.tools[tool_id]) for tool_id in snapshot.names.nearest(f"{server}.{path[2]}")]
            raise CallFailure(NOT_FOUND, f"{path[0]}.{path[1]} has no tool {path[2][:200]!r}{_near(path[0], near)}")
        return tool

    def _faults(self, tool: Tool, call: Mapping[str, Any], by_name: bool) -> Iterator[str]:
        if call["positional"]:
            yield "arguments are passed by name" + (", after the tool" if by_name else "")
            return
        given = dict(call["given"])
        if not by_name:
            description = self._descriptions.of(tool)
            keys = {item["name"]: item.get("key", item["name"]) for item in description["parameters"]}
            unknown = [name for name in given if name not in keys and name not in keys.values() and not description.get("more")]
            if unknown:
                yield f"there is no argument {unknown[0][:200]!r}"
            optional = set(keys) - set(description["required"])
            # The function leaves out what is None and need not be given, unless the tool takes null.
            given = {keys.get(name, name): value for name, value in given.items() if not (value == [None] and name in optional)}
            given = {name: value for name, value in given.items() if name not in unknown}
        yield from _misfits(tool, given, call["all"])


def _near(package: str, paths: list[str]) -> str:
    return f": did you mean {', '.join(package + path.removeprefix('tools') for path in paths)}?" if paths else ""


def _misfits(tool: Tool, given: Mapping[str, list[Any] | None], complete: bool) -> Iterator[str]:
    schema = tool.definition["inputSchema"]
    known = {name: value[0] for name, value in given.items() if value is not None}
    if complete and len(known) == len(given):
        yield from _told(tool.validate, known)
        return
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    if complete and isinstance(required := schema.get("required"), list):
        yield from (f"arguments: {name!r} is a required property" for name in required if isinstance(name, str) and name not in given)
    if schema.get("additionalProperties") is False and "patternProperties" not in schema:
        yield from (f"arguments: there is no {name[:200]!r}" for name in given if name not in properties)
    # The other arguments are not known before the code runs: only those that are can be wrong.
    part = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    part |= {"type": "object", "properties": {name: properties[name] for name in known if name in properties}}
    yield from _told(compile_validator(part), known)


def _told(validate: Any, arguments: dict[str, Any]) -> Iterator[str]:
    try:
        validate(arguments)
    except CallFailure as failure:
        yield failure.message
