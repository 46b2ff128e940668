"""Row 2: a job takes the memory of the node, in one process, in many, and in files that are memory."""

from tests.attack.removals import CONTAINER, field
from tests.attack.vocabulary import Control, Removal, Row, Target

LIMIT_MIB = 256
"""`resources.memory` of the stage."""
ENOUGH_MIB = LIMIT_MIB + 24
"""More is not tried: where the wall is down the attack shall show, not hurt."""
ONE = """
held = []
try:
    for _ in range(params["mib"]):
        held.append(b"x" * (1 << 20))
except MemoryError:
    pass
len(held)
"""
MANY = """
import os, time
def hold(mib):
    held = [b"x" * (1 << 20) for _ in range(mib)]
    open(f"held-{os.getpid()}", "w").close()
    time.sleep(60)
    os._exit(0)
share, parts = params["mib"] // 4, []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        try:
            hold(share)
        finally:
            os._exit(1)
    parts.append(pid)
end = time.monotonic() + 30
while time.monotonic() < end and len([name for name in os.listdir(".") if name.startswith("held-")]) < 4:
    time.sleep(0.05)
alive = [pid for pid in parts if os.waitpid(pid, os.WNOHANG) == (0, 0)]
len([pid for pid in alive if os.path.exists(f"held-{pid}")]) * share
"""
FILES = """
written = 0
for folder in ("/work", "/dev/shm", "/tmp"):
    try:
        with open(folder + "/fill", "wb") as file:
            while written < params["mib"]:
                file.write(b"x" * (1 << 20)); file.flush()
                written += 1
    except OSError:
        pass
held = []
try:
    while written + len(held) < params["mib"]:
        held.append(b"x" * (1 << 20))
except MemoryError:
    pass
written + len(held)
"""


async def one_process(target: Target) -> str | None:
    """It grows until it is told not to."""
    return await _held(target, ONE)


async def many_processes(target: Target) -> str | None:
    """Each within the limit of a process."""
    return await _held(target, MANY)


async def files_and_memory(target: Target) -> str | None:
    """What a job writes to its scratch directory is memory too."""
    return await _held(target, FILES)


async def endless(target: Target) -> str | None:
    """The job is told why it ended."""
    outcome = await target.run("x = []\nwhile True: x.append(b'x' * 10_000_000)", timeout_s=38)
    return None if outcome.kind == "memory" else f"ended as {outcome.kind or 'a success'}: {outcome.message}"


async def _held(target: Target, code: str) -> str | None:
    outcome = await target.run(code, timeout_s=38, mib=ENOUGH_MIB)
    if outcome.kind in ("memory", "killed"):
        return None
    return f"{outcome.value} MiB at once, the limit is {LIMIT_MIB}" if outcome.expect() >= LIMIT_MIB else None


NO_ADDRESS_LIMIT = Removal(
    name="no RLIMIT_AS",
    agent="import resource, mcp_sandbox.hardening as h\n_lower_as = h._limit\n"
    "h._limit = lambda kind, *a: None if kind == resource.RLIMIT_AS else _lower_as(kind, *a)",
)
NO_MEMORY_LIMIT = Removal(name="no limits.memory", pod=field(*CONTAINER, "resources", "limits", "memory"))
ROW = Row(
    number=2,
    name="memory bomb",
    attacks=(one_process, many_processes, files_and_memory, endless),
    controls=(
        Control(name="limits.memory", off=NO_MEMORY_LIMIT, attack=many_processes),
        Control(name="limits.memory", off=NO_MEMORY_LIMIT, attack=many_processes, isolation="gvisor"),
        Control(name="RLIMIT_AS", off=NO_ADDRESS_LIMIT, others=(NO_MEMORY_LIMIT,), attack=one_process),
    ),
)
