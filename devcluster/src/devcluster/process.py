"""Starts and ends the processes of a cluster. A pid alone proves nothing after a reboot or a wrap-around of pids: a process is
ours only when its environment carries the marker of this cluster's state folder, so a stranger's process is never signalled."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from devcluster.errors import ClusterError
from devcluster.layout import Layout

MARKER = "MCP_DEVCLUSTER_STATE"


@dataclass(frozen=True)
class Command:
    """One component: its name names the pid record and the log."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    netns: str | None = None


def environment(layout: Layout, command: Command, path: str) -> dict[str, str]:
    """A small environment: nothing of the user's shell (proxies, tokens) reaches a component."""
    return {"PATH": path, "HOME": str(layout.state), "LANG": "C.UTF-8", MARKER: str(layout.state), **command.env}


def spawn(layout: Layout, command: Command, *, path: str) -> int:
    """Start the component in a session of its own; its record holds the pid and all that a restart needs."""
    argv = list(command.argv)
    if command.netns is not None:
        argv = ["nsenter", f"--net=/run/netns/{command.netns}", "--", *argv]
    with (layout.logs / f"{command.name}.log").open("ab") as log:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=layout.state,
            env=environment(layout, command, path),
        )
    _CHILDREN[process.pid] = (layout, process)
    record = {"pid": process.pid, "path": path, "command": asdict(command)}
    (layout.pids / command.name).write_text(json.dumps(record))
    return process.pid


# Children of this very process must be waited for, or they stay as zombies and look alive.
_CHILDREN: dict[int, tuple[Layout, "subprocess.Popen[bytes]"]] = {}


def is_ours(layout: Layout, pid: int) -> bool:
    """Is this a living process that carries our marker?"""
    child = _CHILDREN.get(pid)
    if child is not None:
        return child[1].poll() is None and child[0] == layout  # its environment reads as empty for a moment while it starts
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"{MARKER}={layout.state}".encode() in environ.split(b"\0")


def recorded(layout: Layout, name: str) -> int | None:
    """The living process recorded under this name, or None."""
    try:
        pid = int(json.loads((layout.pids / name).read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return None
    return pid if is_ours(layout, pid) else None


def restart(layout: Layout, name: str, *, signum: int = signal.SIGTERM) -> int:
    """End one component and start it with the same command line: for tests of what happens when it comes back."""
    try:
        record = json.loads((layout.pids / name).read_text())
    except OSError as error:
        names = ", ".join(recorded_names(layout)) or "none: the cluster is not up"
        raise ClusterError(f"component {name!r} is not part of cluster {layout.name!r} (components: {names})") from error
    stop(layout, [name], signum=signum, seconds=30)
    parts = record["command"]
    command = Command(parts["name"], tuple(parts["argv"]), parts["env"], parts["netns"])
    return spawn(layout, command, path=record["path"])


def recorded_names(layout: Layout) -> list[str]:
    """Names with a pid record, alive or not."""
    return sorted(entry.name for entry in layout.pids.iterdir()) if layout.pids.is_dir() else []


def marked(layout: Layout) -> list[int]:
    """Every process with our marker: catches children that outlive their parent (shims) and processes whose record was lost."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if pid != os.getpid() and is_ours(layout, pid)]


def send(layout: Layout, pids: Iterable[int], signum: int) -> None:
    """Signal those of the pids that are (still) ours."""
    for pid in pids:
        if is_ours(layout, pid):
            try:
                os.kill(pid, signum)
            except ProcessLookupError:
                continue


def start_time(pid: int) -> str | None:
    """The kernel's start time of a process that still holds anything (memory, files, sockets); None when it is gone.

    A killed process loses its environment first and its sockets last, and its main thread may be a zombie while others still end."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ended = fields[0] in "ZX" and len(os.listdir(f"/proc/{pid}/task")) <= 1
    except OSError:
        return None
    return None if ended else fields[19]


def wait_gone(started: Mapping[int, str | None], *, seconds: float) -> dict[int, str | None]:
    """Wait for the end of these processes (pid -> start time); returns those still there."""
    deadline = time.monotonic() + seconds
    left = dict(started)
    while left:
        for child in [child for pid in left if (child := _CHILDREN.get(pid)) is not None]:
            child[1].poll()
        left = {pid: since for pid, since in left.items() if since is not None and start_time(pid) == since}
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left


def end(layout: Layout, pids: Iterable[int], *, signum: int, seconds: float) -> None:
    """Signal, wait, signal harder, wait; an error when a process does not end even then."""
    started = {pid: start_time(pid) for pid in pids}
    send(layout, started, signum)
    stubborn = wait_gone(started, seconds=seconds)
    send(layout, stubborn, signal.SIGKILL)
    left = wait_gone(stubborn, seconds=10)
    if left:
        raise ClusterError(f"processes {sorted(left)} do not end even after SIGKILL: look at /proc/PID/stack")


def stop(layout: Layout, names: Iterable[str], *, signum: int = signal.SIGTERM, seconds: float = 10) -> None:
    """End the named components, hard if they do not listen, and forget their records."""
    names = list(names)
    pids = [pid for name in names if (pid := recorded(layout, name)) is not None]
    end(layout, pids, signum=signum, seconds=seconds)
    for name in names:
        (layout.pids / name).unlink(missing_ok=True)


def log_tail(layout: Layout, name: str, *, lines: int = 8) -> str:
    """The end of a component's log, for an error message."""
    try:
        text = (layout.logs / f"{name}.log").read_text(errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(line[:300] for line in text.splitlines()[-lines:])


def sweep(layout: Layout) -> None:
    """End whatever still carries our marker, recorded or not, and forget all records."""
    end(layout, marked(layout), signum=signal.SIGKILL, seconds=10)
    for name in recorded_names(layout):
        (layout.pids / name).unlink(missing_ok=True)
