"""Where tools are found in job code: `tools.SERVER.TOOL`, with Python names for both."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Generic, Protocol, TypeVar

from mcp_optimizer.search import NearestNames

from .description import Description, describe
from .identifiers import identifiers

MAX_KEPT: Final = 4096
"""Descriptions of tools, some 1 kB each."""


class Described(Protocol):
    """What is known of a tool here."""

    @property
    def id(self) -> str: ...
    @property
    def server(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def definition(self) -> dict[str, Any]: ...


T = TypeVar("T", bound=Described)


class Modules(Generic[T]):
    """Servers and tools of one snapshot by their Python names. A server's tools are named when they are first asked for."""

    def __init__(self, servers: Iterable[str], tools: Mapping[str, Sequence[T]], meant: Callable[[str], str | None]) -> None:
        self.servers = identifiers(servers, "server")
        """Names of servers by Python name, also of those whose tools are not known yet."""
        self.names = {server: name for name, server in self.servers.items()}
        self._tools = tools
        self._meant = meant
        self._named: dict[str, dict[str, T]] = {}

    def tools(self, server: str) -> Mapping[str, T]:
        """The tools of a server (its own name) by Python name; empty while its catalogue is not known."""
        if server not in self._named:
            by_name = {tool.name: tool for tool in self._tools.get(server, ())}
            self._named[server] = {name: by_name[own] for name, own in identifiers(by_name).items()}
        return self._named[server]

    def tool(self, server: str, name: str) -> T | None:
        """The tool of a server by Python name, or by a name that can only mean that one."""
        tools = self.tools(server)
        if name in tools:
            return tools[name]
        meant = self._meant(f"{server}.{name}")
        return next((tool for tool in self._tools.get(server, ()) if tool.id == meant), None) if meant is not None else None

    @cached_property
    def _nearest_server(self) -> NearestNames:
        return NearestNames(self.servers)

    def like_server(self, wrong: str) -> list[str]:
        """Servers, as `tools.github`, whose Python names look like this one."""
        return [f"tools.{name}" for name in self._nearest_server.nearest(wrong)]

    def path(self, tool: T) -> str:
        """`tools.github.create_issue`."""
        name = next(name for name, known in self.tools(tool.server).items() if known is tool)
        return f"tools.{self.names[tool.server]}.{name}"


class Descriptions:
    """Descriptions that were built, the latest used of all snapshots: each is built once per definition."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[dict[str, Any], Description]] = {}

    def of(self, tool: Described) -> Description:
        """The tool's description."""
        kept = self._kept.pop(tool.id, None)
        if kept is None or kept[0] is not tool.definition:
            kept = (tool.definition, describe(tool.definition, tool.id))
        self._kept[tool.id] = kept
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        return kept[1]
