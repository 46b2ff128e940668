"""Processes of the speed benchmark: each on the core it was given, its CPU time and memory read from the kernel."""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.children import ROOT, free_port, running

if TYPE_CHECKING:
    from bench.speed_load import Load, Outcome

SERVER_CORE, LOAD_CORE = "0", "1"
_TICKS = os.sysconf("SC_CLK_TCK")


def on_core(core: str, *command: str) -> list[str]:
    """The command, bound to one core."""
    taskset = shutil.which("taskset")
    if taskset is None or (os.cpu_count() or 1) < 2:
        raise SystemExit("the speed benchmark needs two cores and taskset (Debian: util-linux)")
    return [taskset, "-c", core, *command]


def cpu_seconds(pid: int) -> float:
    """CPU time of the process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_kb(pid: int) -> int:
    """Memory of the process that is in RAM."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])


@contextlib.asynccontextmanager
async def upstream(kind: str, tools: int) -> AsyncIterator[str]:
    """URL of a fixture server on the load's core."""
    port = free_port()
    command = on_core(LOAD_CORE, sys.executable, "-m", "bench.speed_upstream", str(port), kind, str(tools))
    async with running(command, {"PYTHONPATH": str(ROOT)}, port):
        yield f"http://127.0.0.1:{port}/mcp"


@contextlib.asynccontextmanager
async def yardstick(kind: str, url: str) -> AsyncIterator[tuple[int, int]]:
    """Port and pid of something to compare with, on the server's core."""
    port = free_port()
    command = [sys.executable, "-m", "bench.speed_yardsticks", str(port), url, kind]
    if kind == "fastmcp":
        command = [await fastmcp_python(), "-m", "bench.speed_fastmcp", str(port), url]
    async with running(on_core(SERVER_CORE, *command), {"PYTHONPATH": str(ROOT)}, port) as pid:
        yield port, pid


async def fastmcp_python() -> str:
    """An interpreter that has the locked fastmcp: it is measured, not used, so it stays out of the project's environment."""
    lock = ROOT / "requirements" / "yardstick.txt"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    venv = cache / "mcp-bench" / f"fastmcp-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    python = venv / "bin" / "python"
    if not (venv / ".ready").exists():
        uv = [sys.executable, "-m", "uv"]
        for command in (
            [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)],
            [*uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(lock)],
        ):
            process = await asyncio.create_subprocess_exec(*command)
            if await process.wait():
                raise SystemExit(f"{command} failed")
        (venv / ".ready").touch()
    return str(python)


async def apply(load: "Load") -> "Outcome":
    """Run the load in its own process."""
    from bench.speed_load import Outcome  # the load's module imports this one

    process = await asyncio.create_subprocess_exec(
        *on_core(LOAD_CORE, sys.executable, "-m", "bench.speed_load"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(json.dumps(load.__dict__).encode())
    if process.returncode:
        raise SystemExit(f"the load ended with {process.returncode}")
    outcome = Outcome(**json.loads(output))
    if outcome.wrong or not outcome.answers:
        raise SystemExit(f"{outcome.wrong} of {outcome.answers} answers to {load.alternatives[0][:300]!r} were wrong: {outcome.sample}")
    return outcome
