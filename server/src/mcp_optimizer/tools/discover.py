"""`discover`: the way from a few words to a tool, in as few tokens as will do."""

from collections import Counter
from typing import Any

from mcp_optimizer.errors import BAD_REQUEST, CallFailure
from mcp_optimizer.invoke import resolve
from mcp_optimizer.results import compact
from mcp_optimizer.snapshot import Snapshot, Tool

from .signature import signature, summary

MAX_LIMIT = 50
MAX_IDS = 50
MAX_QUERY = 2000
MAX_SERVERS = 200
NO_DESCRIPTION_NAMES = 5


def discover(snapshot: Snapshot, arguments: dict[str, Any]) -> str:
    """The answer as text: hits for `query`, schemas for `ids`, the servers for neither."""
    query, ids = arguments.get("query"), arguments.get("ids")
    detail = arguments.get("detail", "brief")
    if detail not in ("brief", "schema"):
        raise CallFailure(BAD_REQUEST, f"detail is {str(detail)[:40]!r}: use brief or schema")
    if ids:
        return _schemas(snapshot, ids)
    if query is not None and not isinstance(query, str):
        raise CallFailure(BAD_REQUEST, f"query must be text, not {type(query).__name__}")
    if query and query.strip():
        return _hits(snapshot, query[:MAX_QUERY], _limit(arguments.get("limit"), snapshot.config.search_limit), detail)
    return _servers(snapshot)


def _limit(value: Any, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MAX_LIMIT:
        raise CallFailure(BAD_REQUEST, f"limit must be a number from 1 to {MAX_LIMIT}")
    return int(value)


def _schemas(snapshot: Snapshot, ids: Any) -> str:
    if isinstance(ids, str):
        ids = [ids]
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids) or len(ids) > MAX_IDS:
        raise CallFailure(BAD_REQUEST, f"ids must be a list of at most {MAX_IDS} tool ids such as server.tool")
    return "\n".join(_schema(resolve(snapshot, item)) for item in dict.fromkeys(ids))


def _schema(tool: Tool) -> str:
    shown = {"id": tool.id, "description": tool.definition.get("description"), "inputSchema": tool.definition["inputSchema"]}
    return compact({key: value for key, value in shown.items() if value is not None})


def _hits(snapshot: Snapshot, query: str, limit: int, detail: str) -> str:
    if query.strip() in snapshot.tools:
        return _schema(snapshot.tools[query.strip()])
    tools = [hit.tool for hit in snapshot.index.search(query, limit)]
    if not tools:
        return "No tool matches. Try other words (an action and a thing), or discover without arguments to see the servers."
    return "\n".join(_schema(tool) if detail == "schema" else line(tool) for tool in tools)


def line(tool: Tool) -> str:
    """One hit."""
    purpose = summary(tool.definition)
    return signature(tool.definition, tool.id) + (f": {purpose}" if purpose else "")


def _servers(snapshot: Snapshot) -> str:
    counts = Counter(tool.server for tool in snapshot.tools.values())
    lines = []
    for upstream, offer in sorted(snapshot.servers, key=lambda pair: pair[0].name)[:MAX_SERVERS]:
        what = summary({"description": offer.title}, 120) or ", ".join(tool["name"] for tool in offer.catalogue[:NO_DESCRIPTION_NAMES])
        state = f"{counts[upstream.name]} tools" if upstream.error is None else f"not available: {upstream.error[:120]}"
        lines.append(f"{upstream.name} ({state})" + (f": {what}" if what else ""))
    if len(snapshot.servers) > MAX_SERVERS:
        lines.append(f"… {len(snapshot.servers) - MAX_SERVERS} more servers")
    return "\n".join(lines) or "No servers are federated yet."
