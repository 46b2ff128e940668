"""The management port of a server Pod, played on a loopback address of its own."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mcp_optimizer_api.names import MANAGEMENT_PORT
from mcp_optimizer_api.stats import LATENCY_BOUNDS_MS, Histogram, ServerStats, TokenStats, UpstreamStats


@dataclass
class ServerPod:
    """What it reports, and whom it tells."""

    address: str
    calls: int = 0
    started_at: float = 1.0
    upstreams: list[UpstreamStats] = field(default_factory=list)
    listeners: list["queue.Queue[bytes]"] = field(default_factory=list)

    def tell(self, kind: str, pod: dict[str, Any]) -> None:
        """Announce something of a sandbox Pod."""
        event = {"type": kind, "pod": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        for listener in self.listeners:
            listener.put(json.dumps(event).encode() + b"\n")

    def stats(self) -> bytes:
        """The document of GET /stats: every call took between 7.5 and 10 ms."""
        counts = [0] * (len(LATENCY_BOUNDS_MS) + 1)
        counts[6] = self.calls
        report = ServerStats(
            pod=self.address,
            started_at=self.started_at,
            config_hash="c",
            calls=self.calls,
            latency=Histogram(counts=tuple(counts)),
            tokens=TokenStats(baseline=100 * self.calls, served=self.calls),
            upstreams=self.upstreams,
        )
        return report.to_json().encode()


@contextmanager
def serving(address: str) -> Iterator[ServerPod]:
    """Listen on the management port of `address`."""
    pod = ServerPod(address)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            if self.path == "/stats":
                self.wfile.write(pod.stats())
                return
            lines: queue.Queue[bytes] = queue.Queue()
            pod.listeners.append(lines)
            try:
                while True:
                    try:
                        line = lines.get(timeout=2)
                    except queue.Empty:
                        line = b'{"type":"ping"}\n'
                    self.wfile.write(line)
                    self.wfile.flush()
            except OSError:
                pod.listeners.remove(lines)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer((address, MANAGEMENT_PORT), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield pod
    finally:
        server.shutdown()
        server.server_close()
