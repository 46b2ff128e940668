"""A small MCP endpoint of the older protocol era, to be verified."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Endpoint:
    """Listens on loopback while the context is open."""

    def __init__(self, *, tools: int = 1, status: int = 200, port: int = 0) -> None:
        self._tools = [{"name": f"tool{number}", "inputSchema": {"type": "object"}} for number in range(tools)]
        self._status = status
        self.requests = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests += 1
                result = outer.answer(message)
                body = b"" if result is None else json.dumps({"jsonrpc": "2.0", "id": message.get("id"), **result}).encode()
                self.send_response(outer._status if body else 202)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"

    def answer(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """The reply to one message; None for a notification."""
        match message["method"]:
            case "initialize":
                info = {"name": "test", "version": "1"}
                return {"result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}}
            case "tools/list":
                return {"result": {"tools": self._tools}}
            case method if method.startswith("notifications/"):
                return None
            case _:
                return {"error": {"code": -32601, "message": "Method not found"}}

    def __enter__(self) -> "Endpoint":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
