"""All servers of a catalogue in one process, each at `/NAME/mcp`: run as `python -m bench.tokens_upstream PORT TOOLS|CATALOGUE.json`.

They speak 2026-07-28 and say every result twice, as text and as structured content, which is what most servers do. `POST /results/ROWS` sets how many
records a call returns; none is a mere acknowledgement.
"""

import json
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from bench.recall_files import Server, load_catalogue
from bench.tokens_catalogue import catalogue

MODERN = "2026-07-28"
ROW = {"owner": "Mira Holt", "state": "open", "created": "2026-03-12T09:41:00Z", "amount": 1840, "note": "Checked by the team in spring."}


class Servers:
    """What is asked of them."""

    def __init__(self, servers: list[Server]) -> None:
        self._tools = {server.name: server.tools for server in servers}
        self._rows = 0

    async def set_rows(self, request: web.Request) -> web.Response:
        """How large results are from now on."""
        self._rows = int(request.match_info["rows"])
        return web.Response()

    async def answer(self, request: web.Request) -> web.Response:
        """One JSON-RPC request."""
        message = await request.json()
        if "id" not in message:
            return web.Response(status=202)
        result = self._result(message["method"], request.match_info["server"])
        if result is None:
            error = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "unknown method"}}
            return web.json_response(error, status=404)
        complete = {"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public", **result}
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": complete}, dumps=compact)

    def _result(self, method: str, server: str) -> dict[str, Any] | None:
        if method == "server/discover":
            return {"supportedVersions": [MODERN], "capabilities": {"tools": {}}}
        if method == "tools/list":
            return {"tools": list(self._tools[server])}
        if method == "tools/call":
            value = {"records": [{"id": f"R-{number:04}", **ROW} for number in range(self._rows)]} if self._rows else {"ok": True}
            return {"content": [{"type": "text", "text": compact(value)}], "structuredContent": value}
        return None


def compact(value: Any) -> str:
    """JSON without insignificant white space."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def main() -> None:
    """Serve until killed."""
    port, what = sys.argv[1:]
    servers = Servers(catalogue(int(what)) if what.isdigit() else load_catalogue(Path(what)))
    application = web.Application(client_max_size=16 * 1024 * 1024)
    application.router.add_post("/results/{rows}", servers.set_rows)
    application.router.add_post("/{server}/mcp", servers.answer)
    web.run_app(application, host="127.0.0.1", port=int(port), print=None)


if __name__ == "__main__":
    main()
