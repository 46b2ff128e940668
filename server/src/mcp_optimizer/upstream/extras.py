"""What a server offers besides tools, made safe to keep and show: resources, templates of resources, prompts, and what it is able to do."""

import contextlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_types.methods import serialize_server_result
from pydantic import ValidationError

from mcp_optimizer.errors import CallFailure

from .catalogue import MAX_DESCRIPTION, STRICTEST_VERSION, Definition, bounded, clean_text
from .pages import Ask, pages

log = logging.getLogger(__name__)

MAX_ENTRIES: Final = 5000
MAX_KEY: Final = 2048
FEATURES: Final = ("tools", "resources", "prompts", "completions", "logging")
"""Capabilities that matter to us; only whether they are there, and these two flags."""
FLAGS: Final = ("listChanged", "subscribe")
Capabilities = Mapping[str, Mapping[str, bool]]


@dataclass(frozen=True, slots=True)
class Extras:
    """Each list sorted by its key, without duplicates."""

    resources: tuple[Definition, ...] = ()
    templates: tuple[Definition, ...] = ()
    prompts: tuple[Definition, ...] = ()


@dataclass(frozen=True, slots=True)
class _Kind:
    method: str
    listed: str
    key: str
    optional: tuple[str, ...]


RESOURCES: Final = _Kind("resources/list", "resources", "uri", ("name", "title", "description", "mimeType", "size", "annotations", "icons"))
TEMPLATES: Final = _Kind(
    "resources/templates/list", "resourceTemplates", "uriTemplate", ("name", "title", "description", "mimeType", "annotations", "icons")
)
PROMPTS: Final = _Kind("prompts/list", "prompts", "name", ("title", "description", "arguments", "icons"))


def known_capabilities(declared: Any) -> dict[str, dict[str, bool]]:
    """The part of a server's capabilities that is used here."""
    if not isinstance(declared, dict):
        return {}
    return {
        name: {flag: True for flag in FLAGS if declared[name].get(flag) is True}
        for name in FEATURES
        if isinstance(declared.get(name), dict)
    }


async def read_extras(server: str, capabilities: Capabilities, ask: Ask, before: Extras) -> Extras:
    """Ask for the lists that the server says it has. One that cannot be had stays as it was `before`: tools matter more."""
    with_resources = "resources" in capabilities
    return Extras(
        resources=await _read(server, RESOURCES, ask, before.resources) if with_resources else (),
        templates=await _read(server, TEMPLATES, ask, before.templates) if with_resources else (),
        prompts=await _read(server, PROMPTS, ask, before.prompts) if "prompts" in capabilities else (),
    )


async def _read(server: str, kind: _Kind, ask: Ask, before: tuple[Definition, ...]) -> tuple[Definition, ...]:
    found: list[Any] = []
    too_much = f"server {server} lists more than 16 MiB of {kind.listed}: split it"
    try:
        async with contextlib.aclosing(pages(ask, kind.method, kind.listed, too_much)) as read:
            async for page in read:
                if not isinstance(page, list):
                    break
                found.extend(page[: MAX_ENTRIES + 1 - len(found)])
                if len(found) > MAX_ENTRIES:
                    break
    except CallFailure as failure:
        log.warning("list not read", extra={"server": server, "method": kind.method, "error": failure.message})
        return before
    return sanitise_entries(server, kind, found)


def sanitise_entries(server: str, kind: _Kind, entries: Iterable[Any]) -> tuple[Definition, ...]:
    """The entries worth keeping, sorted. What is dropped is logged by number, never by content."""
    kept: dict[str, Definition] = {}
    dropped = 0
    for entry in entries:
        definition = _definition(kind, entry)
        if definition is None or definition[kind.key] in kept or len(kept) >= MAX_ENTRIES:
            dropped += 1
            continue
        kept[definition[kind.key]] = definition
    if dropped:
        log.warning("unusable entries dropped", extra={"server": server, "method": kind.method, "dropped": dropped})
    return tuple(kept[key] for key in sorted(kept))


def _definition(kind: _Kind, entry: Any) -> Definition | None:
    if not isinstance(entry, dict) or not _usable(entry.get(kind.key)):
        return None
    definition = {kind.key: entry[kind.key], **{field: entry[field] for field in kind.optional if entry.get(field) is not None}}
    for field in ("title", "description"):
        if isinstance(definition.get(field), str):
            definition[field] = clean_text(definition[field][: 2 * MAX_DESCRIPTION])[:MAX_DESCRIPTION]
    required = {kind.key: entry[kind.key], "name": str(entry.get("name") or entry[kind.key])[:MAX_KEY]}
    if not bounded(definition):
        definition = required
    for candidate in ({**required, **definition}, required):
        try:
            serialize_server_result(kind.method, STRICTEST_VERSION, {kind.listed: [candidate]})
        except ValidationError:
            continue
        return candidate
    return None


def _usable(key: Any) -> bool:
    return isinstance(key, str) and 0 < len(key) <= MAX_KEY and key.isprintable()
