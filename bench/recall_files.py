"""Catalogues and labelled queries in files, and the conversion of LiveMCPBench's files into the same.

Catalogue: a JSON object `{"servers": [{"name", "title", "tools": [definitions as in tools/list]}]}`. Tasks: JSON lines
`{"query", "style", "split", "gold": ["server.tool", …]}`. Style `task` is a whole task that needs every gold tool; of any other style each gold
tool answers the query by itself. `split` is free text; the set that is shipped has `dev` (looked at while tuning) and `test` (not looked at).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parent / "recall_data"
WHOLE_TASK = "task"
_NUMBER = re.compile(r"^\s*\d+[.)]\s*")


@dataclass(frozen=True)
class Server:
    """One server of a catalogue."""

    name: str
    title: str
    tools: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Query:
    """What somebody asks, and which tools are right."""

    text: str
    style: str
    split: str
    gold: frozenset[str]


class BadFile(Exception):
    """A file is not in the documented format; the message names it and what is wrong."""


def load_catalogue(path: Path) -> list[Server]:
    """The servers of a catalogue file."""
    try:
        return [_server(item["name"], str(item.get("title") or ""), item["tools"]) for item in json.loads(path.read_bytes())["servers"]]
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(f'{path}: {error!r}: write {{"servers": [{{"name", "title", "tools": [...]}}]}}') from None


def load_tasks(path: Path, catalogue: list[Server]) -> list[Query]:
    """The labelled queries of a file; every gold tool must be in the catalogue."""
    known = {f"{server.name}.{tool['name']}" for server in catalogue for tool in server.tools}
    queries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            item = json.loads(line)
            query = Query(item["query"], item.get("style", "keyword"), item.get("split", "all"), frozenset(item["gold"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BadFile(f'{path}:{number}: {error!r}: write {{"query", "style", "split", "gold": ["server.tool"]}}') from None
        if missing := query.gold - known:
            raise BadFile(f"{path}:{number}: gold names tools that the catalogue does not have: {', '.join(sorted(missing))}")
        queries.append(query)
    return queries


def convert_livemcpbench(tools: Path, annotations: Path) -> tuple[list[Server], list[Query]]:
    """Servers of `tools.json`, and from `all_annotations.json` each whole question (style task) and, where there are as many steps as
    tools, each step (style step). Tools are annotated by bare names: every tool of that name counts as right for a step, the first for a
    task. Names that no server has are left out, and questions without any that is left."""
    servers = [
        _server(re.sub(r"[^\w-]", "-", name), str(item.get("description") or ""), offer.get("tools") or [])
        for item in json.loads(tools.read_bytes())
        for name, offer in item["tools"].items()
    ]
    by_name: dict[str, list[str]] = {}
    for server in servers:
        for tool in server.tools:
            by_name.setdefault(tool["name"], []).append(f"{server.name}.{tool['name']}")
    return servers, [query for item in json.loads(annotations.read_bytes()) for query in _annotated(item, by_name)]


def _annotated(item: dict[str, Any], by_name: dict[str, list[str]]) -> Iterator[Query]:
    metadata = item.get("Annotator Metadata") or {}
    steps, names = (_numbered(metadata.get(field)) for field in ("Steps", "Tools"))
    if gold := frozenset(by_name[name][0] for name in names if name in by_name):
        yield Query(item["Question"], WHOLE_TASK, "all", gold)
    if len(steps) == len(names):
        for step, name in zip(steps, names, strict=True):
            if name in by_name:
                yield Query(step, "step", "all", frozenset(by_name[name]))


def _numbered(text: object) -> list[str]:
    return [_NUMBER.sub("", line).strip() for line in str(text or "").splitlines() if line.strip()]


def _server(name: str, title: str, tools: list[dict[str, Any]]) -> Server:
    """With an input schema for every tool, as the data plane has it."""
    return Server(name, title, tuple({**tool, "inputSchema": tool.get("inputSchema") or {"type": "object"}} for tool in tools))
