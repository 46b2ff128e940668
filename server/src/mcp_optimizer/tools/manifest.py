"""What there is, for an agent that has no question yet: the servers, what loading all their definitions would cost, and what to do about it."""

from typing import Final

from mcp_optimizer.snapshot import Snapshot
from mcp_optimizer.telemetry import BYTES_PER_TOKEN
from mcp_optimizer.upstream.upstream import Offer, Upstream

from .cut import bad_cursor
from .signature import summary

PAGE_SERVERS: Final = 100
NO_DESCRIPTION_NAMES: Final = 5
STRATEGIES: Final = (
    (1000, "load_all (ids: the servers, detail: schema)"),
    (5000, "progressive (query per step, schemas by ids)"),
)
CONFIRM: Final = "confirm_required before loading all (use query)"


def manifest(snapshot: Snapshot, cursor: str | None) -> str:
    """A page of servers, and the cost of everything. The cursor is the last name shown."""
    servers = [pair for pair in sorted(snapshot.servers, key=lambda pair: pair[0].name) if _visible(snapshot, *pair)]
    if cursor is not None:
        if "." in cursor or "@" in cursor:
            raise bad_cursor()
        servers = [pair for pair in servers if pair[0].name > cursor]
    page = servers[:PAGE_SERVERS]
    lines = [_line(snapshot, *pair) for pair in page]
    if snapshot.tools and cursor is None:
        lines.append(
            f"all: {len(snapshot.tools)} tools, {tokens(snapshot.direct_bytes)} tokens of schemas: {strategy(tokens(snapshot.direct_bytes))}"
        )
    if len(servers) > len(page):
        lines.append(f"{len(servers) - len(page)} more: cursor {page[-1][0].name}")
    return "\n".join(lines) or ("No more servers." if cursor is not None else "No servers are federated yet.")


def tokens(size: int) -> int:
    """Of a JSON text of so many bytes, estimated."""
    return size // BYTES_PER_TOKEN


def strategy(cost: int) -> str:
    """What an agent should do about a catalogue of so many tokens."""
    return next((advice for limit, advice in STRATEGIES if cost < limit), CONFIRM)


def _visible(snapshot: Snapshot, upstream: Upstream, offer: Offer) -> bool:
    """Not a server whose every tool is excluded: it would lead nowhere."""
    return not offer.catalogue or upstream.name in snapshot.by_server


def _line(snapshot: Snapshot, upstream: Upstream, offer: Offer) -> str:
    tools = snapshot.by_server.get(upstream.name, ())
    what = summary({"description": offer.title}, 120) or ", ".join(tool.name for tool in tools[:NO_DESCRIPTION_NAMES])
    state = f"{len(tools)} tools, {tokens(sum(tool.direct_bytes for tool in tools))} tokens"
    if upstream.error is not None:
        state = f"not available: {upstream.error.removeprefix(f'server {upstream.name} ')[:80]}"
    return f"{upstream.name} ({state})" + (f": {what}" if what else "")
