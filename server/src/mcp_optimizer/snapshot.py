"""Everything a call needs to know, compiled once and never changed: a call that began keeps what it found here, whatever comes later."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
from mcp.shared.inbound import x_mcp_header_map

from mcp_optimizer_api.config import ServerConfig

from .origins import origin_set
from .search import Index, NearestNames, term_weights
from .selection import hidden_by, unknown_pins
from .spelling import Spellings, letters
from .stubs.modules import Modules
from .synonyms import words
from .upstream.upstream import Offer, Upstream
from .validation import Validate, compile_validator


class Tool:
    """One tool of one server. Lives as long as its definition is unchanged, across snapshots, so that its parts are built once."""

    def __init__(self, upstream: Upstream, definition: dict[str, Any], title: str = "") -> None:
        self.upstream = upstream
        self.definition = definition
        self.server = upstream.name
        self.name = str(definition["name"])
        self.id = f"{self.server}.{self.name}"
        self.lines: dict[str, str] = {}
        """How it is shown in one line, by detail: filled when first shown."""
        self.weights: Mapping[str, float] = term_weights(upstream.name, title, definition)
        self.spelt = letters(self.id), letters(definition["name"])
        self.direct_bytes = len(orjson.dumps(self.listed, default=str))

    @property
    def listed(self) -> dict[str, Any]:
        """The definition as a client sees it when every tool is listed."""
        return {**self.definition, "name": self.id}

    @cached_property
    def validate(self) -> Validate:
        """Checks arguments; built at the first call."""
        return compile_validator(self.definition["inputSchema"])

    @cached_property
    def repeatable(self) -> bool:
        """Whether it says that calling it twice is as good as once."""
        hints = self.definition.get("annotations")
        return isinstance(hints, dict) and (hints.get("readOnlyHint") is True or hints.get("idempotentHint") is True)

    @cached_property
    def header_map(self) -> dict[tuple[str, ...], str]:
        """Arguments that a modern server wants mirrored in HTTP headers."""
        return x_mcp_header_map(self.definition["inputSchema"])


@dataclass(frozen=True)
class Snapshot:
    """The configuration in force and the tools behind it."""

    config: ServerConfig
    config_hash: str
    servers: Sequence[tuple[Upstream, Offer]]
    tools: Mapping[str, Tool]
    """By identifier, in deterministic order."""
    index: Index[Tool]
    direct_bytes: int
    """Size of the list of all definitions, which is what clients would get without the meta-tools."""
    pinned: Mapping[str, Tool]
    """Tools that are listed beside the meta-tools, by identifier, in the order of the configuration."""
    unknown_pins: tuple[str, ...]
    """Pinned identifiers that lead to no tool."""

    @cached_property
    def allowed_origins(self) -> frozenset[bytes]:
        """Web pages of other sites that may speak to the endpoint."""
        return origin_set(self.config.allowed_origins)

    @cached_property
    def catalogue_hash(self) -> str:
        """Equal for equal tools. Built when a job is first recorded under this snapshot."""
        digest = hashlib.sha256()
        for tool in self.tools.values():
            digest.update(orjson.dumps(tool.listed, default=str))
        return digest.hexdigest()

    @cached_property
    def offers(self) -> Mapping[str, tuple[Upstream, Offer]]:
        """Servers by name."""
        return {upstream.name: (upstream, offer) for upstream, offer in self.servers}

    @cached_property
    def names(self) -> NearestNames:
        """Look-alikes of a wrong identifier."""
        return NearestNames(self.tools)

    @cached_property
    def spellings(self) -> Spellings:
        """Tools by names that are almost right."""
        return Spellings(self.tools.values())

    @cached_property
    def modules(self) -> Modules[Tool]:
        """Tools as job code finds them."""
        return Modules((upstream.name for upstream, _ in self.servers), self.by_server, self._meant)

    def _meant(self, wrong: str) -> str | None:
        meant = self.spellings.meant(wrong)
        return meant[0] if meant is not None else None

    @cached_property
    def by_server(self) -> Mapping[str, Sequence[Tool]]:
        """Tools of each server that has any, in order."""
        found: dict[str, list[Tool]] = {}
        for tool in self.tools.values():
            found.setdefault(tool.server, []).append(tool)
        return found


class ToolCache:
    """Tools of earlier snapshots, so that an unchanged server costs nothing when another one changes."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Upstream, Offer, list[Tool]]] = {}

    def tools(self, upstream: Upstream, offer: Offer) -> list[Tool]:
        """The server's tools, built anew only when its offer changed."""
        kept = self._kept.get(upstream.name)
        if kept is None or kept[0] is not upstream or kept[1] is not offer:
            kept = (upstream, offer, [Tool(upstream, definition, offer.title) for definition in offer.catalogue])
            self._kept[upstream.name] = kept
        return kept[2]

    def keep_only(self, names: Collection[str]) -> None:
        """Drop servers that are gone."""
        self._kept = {name: kept for name, kept in self._kept.items() if name in names}


def compile_snapshot(config: ServerConfig, config_hash: str, offers: Sequence[tuple[Upstream, Offer]], cache: ToolCache) -> Snapshot:
    """Build the snapshot of these servers' offers. Pure but for the cache; takes a tenth of a second for 5,000 tools."""
    cache.keep_only({upstream.name for upstream, _ in offers})
    hidden = hidden_by(config.tools.exclude)
    offered = (tool for upstream, offer in sorted(offers, key=lambda pair: pair[0].name) for tool in cache.tools(upstream, offer))
    # What is hidden is not in the snapshot, so that nobody has to remember to look.
    tools = [tool for tool in offered if not hidden(tool.id)]
    by_id = {tool.id: tool for tool in tools}
    snapshot = Snapshot(
        config=config,
        config_hash=config_hash,
        servers=tuple((upstream, offer) for upstream, offer in offers),
        tools=by_id,
        index=Index(tools, words(config.search_synonyms)),
        direct_bytes=sum(tool.direct_bytes + 1 for tool in tools) + len('{"tools":[]}'),
        pinned={name: by_id[name] for name in config.tools.pinned if name in by_id},
        unknown_pins=unknown_pins(config.tools.pinned, by_id.__contains__),
    )
    # Here and not when a client first misspells a name: for 10,000 tools that would hold up everybody for a third of a second.
    for part in ("names", "spellings", "by_server"):
        getattr(snapshot, part)
    return snapshot
