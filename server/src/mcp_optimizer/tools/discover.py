"""`discover`: the way from a few words to a tool, in as few tokens as will do."""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

from mcp_optimizer.discovery import Find
from mcp_optimizer.errors import BAD_REQUEST, CallFailure
from mcp_optimizer.invoke import resolve
from mcp_optimizer.naming import split_id
from mcp_optimizer.results import compact
from mcp_optimizer.snapshot import Snapshot, Tool

from .cut import bad_cursor
from .manifest import manifest
from .schema import slim
from .signature import MAX_SIGNATURE, TERSE_SIGNATURE, signature, summary

MAX_LIMIT: Final = 50
MAX_IDS: Final = 50
MAX_QUERY: Final = 2000
MAX_HITS: Final = 200
"""That one query leads to, page after page: whoever has read so many asks the wrong question."""
FULL_HITS: Final = 3
"""Hits with all their parameters unless `detail` says otherwise: the tool that is called is one of them most of the time."""
MAX_UNKNOWN: Final = 4
"""Wrong ids that spoil the whole answer; fewer are told among the others."""
LISTED: Final = 50
"""Tools of a server on one page."""
DETAILS: Final = ("names", "brief", "schema")
_CURSOR: Final = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,2}))?\.([0-9a-f]{4})([0-9a-f]{4})")
_NOTHING: Final = "No tool matches. Try other words (an action and a thing), or discover without arguments to see the servers."


def discover(snapshot: Snapshot, arguments: dict[str, Any], find: Find) -> str:
    """The answer as text: hits for `query`, schemas or a server's tools for `ids`, the servers for neither. Raises `CallFailure` 400 and 404."""
    query, ids = arguments.get("query"), arguments.get("ids")
    detail, cursor = arguments.get("detail"), arguments.get("cursor")
    if detail is not None and detail not in DETAILS:
        raise CallFailure(BAD_REQUEST, f"detail is {str(detail)[:40]!r}: use {', '.join(DETAILS)}")
    if cursor is not None and not isinstance(cursor, str):
        raise bad_cursor()
    if ids:
        return _named(snapshot, ids, detail, cursor, _limit(arguments.get("limit"), LISTED))
    if query is not None and not isinstance(query, str):
        raise CallFailure(BAD_REQUEST, f"query must be text, not {type(query).__name__}")
    if query and query.strip():
        limit = _limit(arguments.get("limit"), snapshot.config.search_limit)
        return _hits(snapshot, find, query[:MAX_QUERY].strip(), limit, detail, cursor)
    return manifest(snapshot, cursor)


def _limit(value: Any, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MAX_LIMIT:
        raise CallFailure(BAD_REQUEST, f"limit must be a number from 1 to {MAX_LIMIT}")
    return int(value)


def _named(snapshot: Snapshot, ids: Any, detail: str | None, cursor: str | None, limit: int) -> str:
    if isinstance(ids, str):
        ids = [ids]
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids) or len(ids) > MAX_IDS:
        raise CallFailure(BAD_REQUEST, f"ids must be a list of at most {MAX_IDS} tool ids such as server.tool, or names of servers")
    if cursor is not None and not any(cursor.startswith(f"{item}.") for item in ids):
        raise bad_cursor()
    shown: list[str] = []
    unknown, wanted = 0, list(dict.fromkeys(ids))
    for item in wanted:
        if item in snapshot.by_server:
            shown += _listing(snapshot.by_server[item], item, detail, cursor, limit)
            continue
        try:
            shown.append(_shown(resolve(snapshot, item), detail or "schema"))
        except CallFailure as failure:
            unknown += 1
            if unknown in (len(wanted), MAX_UNKNOWN):
                raise
            shown.append(compact(failure.envelope()))
    return "\n".join(shown)


def _listing(tools: Sequence[Tool], server: str, detail: str | None, cursor: str | None, limit: int) -> list[str]:
    """A page of one server's tools. The cursor is the last identifier shown: right even when the catalogue changed in between."""
    if cursor is not None and cursor.startswith(f"{server}."):
        tools = [tool for tool in tools if split_id(tool.id) > split_id(cursor)]
    lines = [_shown(tool, detail or "brief") for tool in tools[:limit]]
    if len(tools) > limit:
        lines.append(f'{len(tools) - limit} more: ids ["{server}"], cursor {tools[limit - 1].id}')
    return lines or ["No more tools."]


def _hits(snapshot: Snapshot, find: Find, query: str, limit: int, detail: str | None, cursor: str | None) -> str:
    if query in snapshot.tools and cursor is None:
        return _shown(snapshot.tools[query], detail or "schema")
    first, start = limit, 0
    if cursor is None:
        ranked = found = find(query, limit)
    else:
        first, start, ranked = _after(find, query, cursor)
        found = ranked[start : start + limit]
    if not found:
        return "No more tools match." if cursor is not None else _NOTHING
    find.shown(found, start)
    lines = [_shown(tool, detail or ("brief" if rank < FULL_HITS else "terse")) for rank, tool in enumerate(found, start)]
    end = start + len(found)
    if len(found) == limit and end < (len(ranked) if cursor is not None else MAX_HITS):
        position = str(end) if end == first else f"{end}-{first}"
        lines.append(f"more: cursor {position}.{_mark(query)}{_mark(found[-1].id)}")
    return "\n".join(lines)


def _after(find: Find, query: str, cursor: str) -> tuple[int, int, list[Tool]]:
    """Size of the first page, where to go on, and all hits: the first page as it was chosen, then the others by rank.

    Ranks may have moved since: the cursor names the last hit besides its position.
    """
    parts = _CURSOR.fullmatch(cursor)
    if parts is None or parts[3] != _mark(query):
        raise bad_cursor()
    position, first = int(parts[1]), min(int(parts[2] or parts[1]), MAX_LIMIT)
    ranked = list(find(query, first))
    chosen = {tool.id for tool in ranked}
    ranked += [tool for tool in find(query, MAX_HITS) if tool.id not in chosen]
    last = next((number for number, tool in enumerate(ranked) if _mark(tool.id) == parts[4]), position - 1)
    return first, last + 1, ranked


def _mark(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=2).hexdigest()


def _shown(tool: Tool, detail: str) -> str:
    """One tool, in one line."""
    if detail == "names":
        return tool.id
    if detail in ("brief", "terse"):
        line = tool.lines.get(detail)
        if line is None:
            purpose = summary(tool.definition)
            line = signature(tool.definition, tool.id, MAX_SIGNATURE if detail == "brief" else TERSE_SIGNATURE)
            line = tool.lines[detail] = f"{line}: {purpose}" if purpose else line
        return line
    shown = {"id": tool.id, "description": tool.definition.get("description"), "inputSchema": slim(tool.definition["inputSchema"])}
    return compact({key: value for key, value in shown.items() if value is not None})
