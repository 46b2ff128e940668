"""`tools` and `atools` as the job sees them, with `search` and `describe`: asked for over the way of the calls when first used, never before.

`tools.github.create_issue(title="x")`, `from tools.github import create_issue`, and the same in `atools` for asyncio.
"""

import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from .stubs import function_of
from .toolcalls import CallChannel, ToolError

SYNC, ASYNC = "tools", "atools"
NOT_FOUND = 404


class Toolbox:
    """What the endpoint said about its tools, for both packages of one job."""

    def __init__(self, channel: CallChannel) -> None:
        self._channel = channel
        self._servers: list[str] | None = None
        self._modules: dict[str, dict[str, Any]] = {}

    def servers(self) -> list[str]:
        """The names of all servers, as attributes."""
        if self._servers is None:
            self._servers = list(self._channel.call("$servers"))
        return self._servers

    def module(self, server: str) -> dict[str, Any]:
        """The tools of a server by function name; None for what is described only when it is used. Raises ToolError 404."""
        if server not in self._modules:
            self._modules[server] = self._channel.call("$stubs", server=server)
        return self._modules[server]

    def tool(self, server: str, name: str) -> dict[str, Any]:
        """The description of one tool. Raises ToolError 404, which names those that look like it."""
        known = self.module(server)
        if known.get(name) is None:
            known.update(self._channel.call("$stubs", server=server, tool=name))
        found: dict[str, Any] = known[name]
        return found

    def search(self, query: str, limit: int = 8) -> Any:
        """The tools that do what `query` says, best first: a list of {"id", "signature", "purpose"}."""
        return self._channel.call("$search", query=query, limit=limit)

    async def asearch(self, query: str, limit: int = 8) -> Any:
        """`search` for asyncio code."""
        return await self._channel.acall("$search", query=query, limit=limit)

    def describe(self, tool: str) -> Any:
        """One tool, "server.tool", in full: a dict with id, signature, purpose, description, inputSchema and perhaps outputSchema."""
        return self._channel.call("$describe", tool=tool)

    async def adescribe(self, tool: str) -> Any:
        """`describe` for asyncio code."""
        return await self._channel.acall("$describe", tool=tool)


class ServerModule(ModuleType):
    """`tools.github`."""

    def __init__(self, package: "Package", server: str) -> None:
        super().__init__(f"{package.__name__}.{server}", f"The tools of the server {server}.")
        # Names of tools never begin with two underscores, so that none of them can hide what a module has of its own.
        self.__package__ = package.__name__
        self.__server__ = server
        self.__box__ = package.__box__
        self.__caller__ = package.__caller__
        self.__all__ = sorted(self.__box__.module(server))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        try:
            tool = self.__box__.tool(self.__server__, name)
        except ToolError as error:
            if error.code != NOT_FOUND:
                raise
            raise AttributeError(error.message) from None
        made = function_of(tool, name, self.__name__, self.__caller__)
        setattr(self, name, made)
        return made

    def __dir__(self) -> list[str]:
        return list(self.__all__)


class Package(ModuleType):
    """`tools`."""

    def __init__(self, name: str, box: Toolbox, call: Callable[..., Any]) -> None:
        super().__init__(name, "The tools behind this endpoint: one module for each server, one function for each tool.")
        self.__path__: list[str] = []
        self.__box__ = box
        self.__caller__ = call

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        try:
            return self.load(name)
        except ToolError as error:
            if error.code != NOT_FOUND:
                raise
            raise AttributeError(error.message) from None

    def __dir__(self) -> list[str]:
        return list(self.__box__.servers())

    def load(self, server: str) -> ModuleType:
        """The module of a server. Raises ToolError."""
        module = ServerModule(self, server)
        setattr(self, server, module)
        sys.modules[module.__name__] = module
        return module


class Finder:
    """Makes `import tools.github` and `from tools.github import ...` work."""

    def __init__(self, packages: dict[str, Package]) -> None:
        self._packages = packages

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Of a server in one of the packages."""
        package, _, server = name.partition(".")
        if package not in self._packages or not server or sys.modules.get(package) is not self._packages[package]:
            return None
        return importlib.machinery.ModuleSpec(name, self)  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """The module, as its package has it."""
        package, _, server = spec.name.partition(".")
        try:
            return self._packages[package].load(server)
        except ToolError as error:
            raise ModuleNotFoundError(error.message, name=spec.name) from None

    def exec_module(self, module: ModuleType) -> None:
        """It is ready."""


def install(channel: CallChannel) -> dict[str, Any]:
    """Make the packages importable. Returns what the job's namespace gets; asks nothing."""
    box = Toolbox(channel)
    packages = {SYNC: Package(SYNC, box, channel.call), ASYNC: Package(ASYNC, box, channel.acall)}
    sys.modules.update(packages)
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Finder)]
    sys.meta_path.append(Finder(packages))
    return {**packages, "search": box.search, "asearch": box.asearch, "describe": box.describe, "adescribe": box.adescribe}
