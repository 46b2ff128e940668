"""A client that times single jobs: for each line of JSON arguments on stdin one line of JSON on stdout. Standard library only, no state.

It runs next to the endpoint, inside the cluster, so that what is timed is the product and not a port-forward: `python -c SOURCE URL`.
"""

import http.client
import json
import sys
import time
import urllib.parse
from typing import Any

VERSION = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}}
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": VERSION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": "execute_code",
}


def one_job(connection: http.client.HTTPConnection, path: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run a job: milliseconds from the first byte sent to the last received, and what came back."""
    call = {"name": "execute_code", "arguments": arguments, "_meta": META}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).encode()
    started = time.perf_counter()
    connection.request("POST", path, body, HEADERS)
    response = connection.getresponse()
    text = response.read().decode()
    milliseconds = (time.perf_counter() - started) * 1000
    return {"ms": milliseconds, **outcome(text)}


def outcome(reply: str) -> dict[str, Any]:
    """Whether the job succeeded, from a JSON reply or the last message of an event stream."""
    messages = [line[5:] for line in reply.splitlines() if line.startswith("data:")]
    message = json.loads(messages[-1] if messages else reply)
    result = message.get("result")
    if result is None:
        return {"ok": False, "text": json.dumps(message.get("error"))}
    return {"ok": not result.get("isError"), "text": "".join(block.get("text", "") for block in result["content"])}


def main() -> None:
    """Serve stdin."""
    url = urllib.parse.urlsplit(sys.argv[1])
    connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=120)
    for line in sys.stdin:
        try:
            answer = one_job(connection, url.path, json.loads(line))
        except (OSError, ValueError, http.client.HTTPException) as error:
            answer = {"ms": 0.0, "ok": False, "text": f"{type(error).__name__}: {error}"}
            connection.close()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
