"""Real job agents as processes on loopback, for tests of either end of the job protocol."""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp_optimizer_api.job import MAX_FRAME_BYTES, Ended, pod_token, token_digest

SOURCE = Path(__file__).resolve().parent.parent / "sandbox" / "src"
POOL_KEY = b"k" * 32
PYTHON = os.environ.get("SANDBOX_PYTHON", sys.executable)
"""Another interpreter to test the agent with: images may have a newer Python than the developer."""
PATIENCE = 30.0
"""Seconds until a test gives up on something that takes milliseconds."""
LIMITS: dict[str, float] = {
    "timeoutSeconds": 20,
    "maxProcesses": 50,
    "memoryBytes": 256 * 1024 * 1024,
    "maxCalls": 100,
    "maxOutputBytes": 10_000,
    "maxResultBytes": 20_000,
}
LIFE: dict[str, float] = {"idleSeconds": 20, "maxSeconds": 60}
"""Of a session."""


def until(what: str, check: Callable[[], Any]) -> Any:
    """Poll until `check` gives something true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited {PATIENCE} s in vain for: {what}")


@dataclass
class AgentProcess:
    """One `python -m mcp_sandbox`, warm when the constructor function returns."""

    process: subprocess.Popen[bytes]
    pod: str
    port: int
    health_port: int
    log: list[dict[str, Any]] = field(default_factory=list)
    links: "list[Link]" = field(default_factory=list)
    follower: threading.Thread | None = None
    own_folder: Path | None = None
    """Made for this agent, removed with it."""

    @property
    def token(self) -> str:
        """What the server would compute for this Pod."""
        return pod_token(POOL_KEY, self.pod)

    def connect(self) -> "Link":
        """A connection to the job port."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.links.append(Link(sock))
        return self.links[-1]

    def run(self, code: str, *, answer: "Answer | None" = None, **limits: float) -> "Run":
        """Claim the Pod, run `code` to its end."""
        link = self.connect()
        link.send(self.start(code, **limits))
        return link.finish(answer)

    def start(self, code: str, *, params: Mapping[str, Any] | None = None, **limits: float) -> dict[str, Any]:
        """A valid `start` frame."""
        frame = {"type": "start", "version": 2, "token": self.token, "job": "job-1", "code": code, "params": dict(params or {})}
        return {**frame, "limits": {**LIMITS, **limits}}

    def ready(self) -> tuple[int, str]:
        """Status and text of /readyz."""
        with socket.create_connection(("127.0.0.1", self.health_port), timeout=PATIENCE) as sock:
            sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            reply = b"".join(iter(lambda: sock.recv(4096), b""))
        head, _, body = reply.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode().strip()

    def children(self) -> list[int]:
        """Process ids."""
        return [int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]

    def wait(self) -> int:
        """The exit code, once it has ended."""
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End it, whatever it does, and every connection to it."""
        for link in self.links:
            link.sock.close()
        self.process.kill()
        self.process.wait()
        if self.follower is not None:
            self.follower.join(PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()
        if self.own_folder is not None:
            shutil.rmtree(self.own_folder, ignore_errors=True)


Answer = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Run:
    """Everything the agent sent."""

    frames: list[dict[str, Any]]

    @property
    def result(self) -> dict[str, Any]:
        """The last frame."""
        return self.frames[-1]

    @property
    def kind(self) -> str:
        """Why it failed; empty when it did not."""
        return str((self.result.get("error") or {}).get("kind", ""))

    @property
    def message(self) -> str:
        """What the error says."""
        return str(self.result["error"]["message"])

    def printed(self, stream: str = "stdout") -> str:
        """What the job wrote."""
        return "".join(frame["data"] for frame in self.frames if frame["type"] == "output" and frame["stream"] == stream)


class Link:
    """A connection to an agent, frame by frame."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def send(self, frame: Mapping[str, Any]) -> None:
        """One frame."""
        body = json.dumps(frame).encode()
        self.sock.sendall(struct.pack(">I", len(body)) + body)

    def receive(self) -> dict[str, Any]:
        """One frame; EOFError when the agent closed."""
        (length,) = struct.unpack(">I", self._read(4))
        assert length <= MAX_FRAME_BYTES
        frame = json.loads(self._read(length))
        assert isinstance(frame, dict)
        return frame

    def finish(self, answer: Answer | None = None) -> Run:
        """Read to the last frame, answering calls."""
        frames: list[dict[str, Any]] = []
        while not frames or frames[-1]["type"] not in ("result", "rejected"):
            frames.append(self.receive())
            if frames[-1]["type"] == "call":
                reply = (answer or _no_tool)(frames[-1])
                self.send({"type": "callResult", "seq": frames[-1]["seq"], **reply})
        self.sock.close()
        return Run(frames)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data


class Session:
    """A connection that stays open for more runs."""

    def __init__(self, agent: AgentProcess, code: str, *, terms: dict[str, float] | None = None, **limits: float) -> None:
        self.link: Link = agent.connect()
        self.number = 1
        self.link.send({**agent.start(code, **limits), "session": {**LIFE, **(terms or {})}})
        self.first = self.finish()

    def run(self, code: str, *, answer: Any = None, **limits: float) -> Run:
        """The next one."""
        self.begin(code, **limits)
        return self.finish(answer)

    def begin(self, code: str, *, extra: Mapping[str, Any] | None = None, **limits: float) -> None:
        """Send it only."""
        self.number += 1
        frame = {"type": "run", "run": self.number, "code": code, "params": {"n": self.number}, "limits": {**LIMITS, **limits}}
        self.link.send({**frame, **(extra or {})})

    def finish(self, answer: Any = None) -> Run:
        """Everything up to the result."""
        frames: list[dict[str, Any]] = []
        while not frames or frames[-1]["type"] not in ("result", "rejected", "ended"):
            frames.append(self.link.receive())
            if frames[-1]["type"] == "call":
                reply = (answer or (lambda call: {"ok": True, "value": call["arguments"]}))(frames[-1])
                if reply is not None:
                    self.link.send({"type": "callResult", "run": self.number, "seq": frames[-1]["seq"], **reply})
        return Run(frames)

    def ended(self) -> str:
        """Why there will be no more runs."""
        return Ended.model_validate(self.link.receive()).message


def worker_of(agent: AgentProcess) -> int:
    """The one process that a warm agent has."""
    return agent.children()[0]


def state_of(pid: int) -> str:
    """`T` while it stands still, `Z` when it is dead; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _no_tool(frame: dict[str, Any]) -> dict[str, Any]:
    return {"ok": False, "error": {"code": 404, "message": f"no tool {frame['tool']}"}}


def start_agent(
    workdir: Path,
    pod: str = "x-sandbox-1",
    *,
    warm: bool = True,
    python: str = PYTHON,
    prefix: tuple[str, ...] = (),
    user: int | None = None,
    program: str = "",
    **environment: str,
) -> AgentProcess:
    """Start an agent on free ports. `prefix` wraps the command, `environment` adds or overrides variables, `program` runs in place of
    the agent's `main`, for example with a control taken out. With `warm` off it need not listen, and may have ended.
    """
    env = {**environment_of(workdir, pod), **environment}
    command = [*prefix, python, *(["-c", program] if program else ["-m", "mcp_sandbox"])]
    own_folder = None if user is None else _folder_of(user)
    if own_folder is not None:
        env["MCP_SANDBOX_WORKDIR"] = str(own_folder)
    process = subprocess.Popen(command, env=env, user=user, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stderr is not None
    log: list[dict[str, Any]] = []
    lines = iter(process.stderr.readline, b"")
    for line in lines:
        log.append(json.loads(line))
        if log[-1]["event"] in ("listening", "waiting"):
            break
    agent = AgentProcess(process, pod, int(log[-1].get("port", 0)), int(log[-1].get("healthPort", 0)), log, own_folder=own_folder)
    agent.follower = threading.Thread(target=_follow, args=(lines, log), daemon=True)
    agent.follower.start()
    if warm:
        until("the agent to be warm", lambda: agent.ready()[0] == 200)
    return agent


def environment_of(workdir: Path, pod: str) -> dict[str, str]:
    """What an agent is told: everything on free ports of loopback."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE),
        "PYTHONHASHSEED": "0",
        "MCP_SANDBOX_POD": pod,
        "MCP_SANDBOX_TOKEN_SHA256": token_digest(pod_token(POOL_KEY, pod)),
        "MCP_SANDBOX_WORKDIR": str(workdir),
        "MCP_SANDBOX_PORT": "0",
        "MCP_SANDBOX_HEALTH_PORT": "0",
        "MCP_SANDBOX_BIND": "127.0.0.1",
        "MCP_SANDBOX_EGRESS": "unchecked",
    }


def _folder_of(user: int) -> Path:
    """A work directory below world-searchable folders, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="mcp-sandbox-test-"))
    os.chown(folder, user, -1)
    return folder


def _follow(lines: Iterator[bytes], log: list[dict[str, Any]]) -> None:
    for line in lines:
        log.append(json.loads(line))
