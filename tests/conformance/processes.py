"""Real processes on free loopback ports: the fixture server, and our server in front of it."""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIXTURE = Path(__file__).parent / "fixture"
DEADLINE = 60.0


@dataclass(frozen=True)
class Gateway:
    """Our server as a process."""

    pid: int
    port: int
    management_port: int
    log: Path

    def url(self, route: str = "") -> str:
        """Its endpoint, or that of one federated server."""
        return f"http://localhost:{self.port}/mcp{f'/{route}' if route else ''}"

    def get(self, path: str) -> str:
        """A page of the management port."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.management_port}{path}", timeout=10) as response:
            return str(response.read().decode())


@contextlib.contextmanager
def process(command: list[str], environ: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block."""
    with log.open("wb") as sink:
        running = subprocess.Popen(command, env={**os.environ, **environ}, stdout=sink, stderr=subprocess.STDOUT)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextlib.contextmanager
def fixture(**environ: str) -> Iterator[int]:
    """The fixture server; yields its port."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        log = Path(folder) / "fixture.log"
        settings = {"HOST": "127.0.0.1", "PORT": "0", "PYTHONPATH": str(FIXTURE), **environ}
        with process([sys.executable, "-m", "conformance_fixture"], settings, log) as running:
            yield int(said(running, log, r"^(\d+)$"))


@contextlib.contextmanager
def gateway(upstreams: dict[str, str], *, mode: str, settings: dict[str, Any] | None = None, **environ: str) -> Iterator[Gateway]:
    """Our server with these upstreams (name → URL, `settings` for each), once all of them have been read."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        config, log = Path(folder) / "config.json", Path(folder) / "server.log"
        config.write_text(json.dumps(document(upstreams, mode, **settings or {})))
        variables = {"MCP_CONFIG": f"file:{config}", "MCP_BIND": "127.0.0.1", "MCP_PORT": "0", "MCP_MANAGEMENT_PORT": "0"}
        command = [sys.executable, "-m", "mcp_optimizer"]
        with process(command, {**variables, "MCP_DRAIN_SECONDS": "0", **environ}, log) as running:
            port = int(said(running, log, r'"mcp_port": ?(\d+)'))
            management = int(said(running, log, r'"management_port": ?(\d+)'))
            found = Gateway(running.pid, port, management, log)
            until(lambda: all_ready(found, len(upstreams)), f"{len(upstreams)} upstreams to be ready", log)
            yield found


def document(upstreams: dict[str, str], mode: str, **settings: Any) -> dict[str, Any]:
    """What the operator would render."""
    servers = [{"name": name, "url": url, "timeoutSeconds": 30, **settings} for name, url in upstreams.items()]
    return {
        "namespace": "conformance",
        "name": "conformance",
        "uid": "u",
        "mode": mode,
        "upstreams": servers,
        "sandbox": {"enabled": False},
    }


def all_ready(found: Gateway, count: int) -> bool:
    states = json.loads(found.get("/stats"))["upstreams"]
    return len(states) == count and all(state["ready"] for state in states)


def said(running: subprocess.Popen[bytes], log: Path, pattern: str) -> str:
    """What the process said that matches; waits for it."""
    found: list[str] = []

    def look() -> bool:
        if running.poll() is not None:
            raise RuntimeError(f"the process ended with {running.returncode}: {log.read_text()[-2000:]}")
        match = re.search(pattern, log.read_text(), re.MULTILINE)
        found.extend(match.groups() if match else ())
        return bool(found)

    until(look, f"a line like {pattern}", log)
    return found[0]


def until(condition: Any, what: str, log: Path) -> None:
    """Poll; show the log when the deadline passes."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {DEADLINE:g} s for {what}; the log ends with: {log.read_text()[-2000:]}")
        time.sleep(0.05)
