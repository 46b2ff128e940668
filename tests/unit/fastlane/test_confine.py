"""What code that broke out of the interpreter would find: real processes under the same rules, trying."""

import contextlib
import json
import os
import platform
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_optimizer.fastlane.child import _reason
from mcp_optimizer.fastlane.confine import MACHINES
from mcp_optimizer.fastlane.syscalls import HOST_DENIED, WORKER_ALLOWED

from .conftest import Bench, children_of, eventually

ATTEMPTS = """
import ctypes, json, os, resource, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
import mcp_optimizer.fastlane.confine as confine
from mcp_optimizer.fastlane import host, worker
from pathlib import Path

def attempt(what):
    try:
        return what() or "done"
    except BaseException as error:
        return type(error).__name__

def call(number, *arguments):
    return "refused" if libc.syscall(number, *arguments) < 0 and ctypes.get_errno() == 1 else "done"

numbers = confine.machine().numbers
parent, secret = os.getppid(), sys.argv[2]
os.chdir("/")
confine.gain_nothing()
{confinement}
found = {
    "socket": attempt(lambda: socket.socket() and None),
    "socket by number": call(numbers["socket"], 2, 1, 0),
    "connect": call(numbers["connect"], 0, 0, 0),
    "ptrace": call(numbers["ptrace"], 16, 0, 0, 0),
    "memory of the server": call(numbers["process_vm_readv"], parent, 0, 0, 0, 0, 0),
    "io_uring": call(numbers["io_uring_setup"], 1, 0),
    "new user namespace": call(numbers["unshare"], 0),
    "environment of the server": attempt(lambda: open(f"/proc/{parent}/environ").read() and None),
    "a mounted secret": attempt(lambda: open(secret).read() and None),
    "writing": attempt(lambda: open("/tmp/fast-lane-attempt", "w").close()),
    "another program": attempt(lambda: os.execv("/bin/sh", ["sh", "-c", "exit 9"])) if len(sys.argv) > 3 else "",
    "a process": attempt(lambda: os.fork() or os._exit(0)) if len(sys.argv) > 3 else "",
    "signal": attempt(lambda: os.kill(parent, signal.SIGUSR1)) if len(sys.argv) > 3 else "",
    "limits of the server": call(numbers["prlimit64"], parent, 7, b"\\0" * 16, 0) if len(sys.argv) > 3 else "",
}
os.write(int(sys.argv[1]), json.dumps(found).encode())
"""
HOST = "confine.confine_host(host._readable())"
WORKER = "confine.confine_worker(worker.FOLDERS, worker.interpreter())"
REFUSED = {
    "socket": "PermissionError",
    "socket by number": "refused",
    "connect": "refused",
    "ptrace": "refused",
    "memory of the server": "refused",
    "io_uring": "refused",
    "new user namespace": "refused",
    "environment of the server": "PermissionError",
    "a mounted secret": "PermissionError",
    "writing": "PermissionError",
}


def attempts(confinement: str, secret: Path, *more: str) -> dict[str, str]:
    """What a process under these rules managed to do."""
    read, write = os.pipe()
    program = ATTEMPTS.replace("{confinement}", confinement)
    process = subprocess.Popen([sys.executable, "-c", program, str(write), str(secret), *more], pass_fds=[write])
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    assert process.wait(60) == 0
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that belongs to the server."""
    path = tmp_path / "key"
    path.write_text("secret")
    return path


def test_without_rules_the_attempts_succeed_so_that_the_others_mean_something(secret: Path) -> None:
    found = attempts("", secret)
    names = ("socket", "socket by number", "environment of the server", "a mounted secret", "writing")
    assert {name: found[name] for name in names} == dict.fromkeys(names, "done")


def test_the_child_has_no_network_no_files_and_no_hold_on_the_server(secret: Path) -> None:
    found = attempts(HOST, secret)
    assert {name: found[name] for name in REFUSED} == REFUSED


def test_a_worker_can_start_nothing_and_signal_nobody_either(secret: Path) -> None:
    found = attempts(WORKER, secret, "worker")
    more = {"another program": "PermissionError", "a process": "PermissionError", "signal": "PermissionError"}
    expected = {**REFUSED, **more, "limits of the server": "refused"}
    assert found == expected


@pytest.mark.asyncio(loop_scope="module")
async def test_what_runs_is_under_these_rules_without_privileges_environment_or_descriptors(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_SECRET", "x")
    with socket.socket() as ours:
        os.set_inheritable(ours.fileno(), True)
        await bench.run("1")
        child = bench.lane._child
        assert child is not None and child.pid is not None
        assert os.readlink(f"/proc/self/fd/{ours.fileno()}") not in _held(child.pid)
    assert not [name for name in _held(child.pid) if name.startswith("/") and name != "/dev/null"]
    assert b"MCP_SECRET" not in _environment(child.pid)
    assert _confined(child.pid) == ("1", "2", "1")
    # The worker of the job is on its way out; the next one is warm already.
    found = await eventually(lambda: [_environment(pid) for pid in children_of(child.pid) if _confined(pid) == ("1", "2", "2")])
    assert not any(found)


def _held(pid: int) -> set[str]:
    """What its descriptors are of. It lives on meanwhile: one may be closed before it is read."""
    held = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            held.add(os.readlink(path))
    return held


def _environment(pid: int) -> bytes:
    """Nothing, too, of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _confined(pid: int) -> tuple[str, ...]:
    """Mode of seccomp, no_new_privs, and the number of filters."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ()
    return tuple(re.findall(r"^(?:Seccomp|NoNewPrivs|Seccomp_filters):\s*(\S+)", status, re.MULTILINE))


def test_both_machines_know_every_call_that_a_filter_names() -> None:
    only_x86 = {"access", "arch_prctl", "poll", "readlink"}
    for name, machine in MACHINES.items():
        unknown = {call for call in (*HOST_DENIED, *WORKER_ALLOWED, "clone", "clone3", "prlimit64") if machine.number(call) is None}
        assert unknown == (only_x86 if name == "aarch64" else set())
    assert platform.machine() in MACHINES


@pytest.mark.parametrize("status", [b"", b"\xff", b"[]", b'{"error":', b"1", b'{"error":{"a":[1]}}', b'{"error":"' + b"x" * 900 + b'"}'])
def test_what_a_child_says_about_itself_is_text_of_a_bounded_size(status: bytes) -> None:
    assert len(_reason(status)) < 600
