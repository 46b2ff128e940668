"""Row 1: a job makes processes and threads until nobody else on the node can."""

from tests.attack.vocabulary import Control, Outcome, Removal, Row, Target

LIMIT = 20
"""`maxProcesses` of the stage."""
FORKS = """
import os, time
children = []
for _ in range(params["wanted"]):
    try:
        pid = os.fork()
    except OSError:
        break
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    children.append(pid)
time.sleep(0.6)
alive = 0
for pid in children:
    try:
        alive += os.waitpid(pid, os.WNOHANG) == (0, 0)
    except OSError:
        pass
alive + 1
"""
THREADS = """
import threading, time
for _ in range(params["wanted"]):
    try:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    except RuntimeError:
        break
time.sleep(0.6)
threading.active_count()
"""
BOMB = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"


async def forks(target: Target) -> str | None:
    """A bounded bomb: it stops a little over the limit, so that it may succeed where the wall is down."""
    return _over_limit(await target.run(FORKS, timeout_s=38, wanted=LIMIT + 6), "processes")


async def threads(target: Target) -> str | None:
    """Threads take the same places."""
    return _over_limit(await target.run(THREADS, timeout_s=38, wanted=LIMIT + 6), "threads")


async def bomb(target: Target) -> str | None:
    """The real thing: it ends, and the job's Pod with it."""
    outcome = await target.run(BOMB, timeout_s=2)
    return (
        None if outcome.kind in ("timeout", "killed", "memory") else f"the bomb ended as {outcome.kind or 'a success'}: {outcome.message}"
    )


def _over_limit(outcome: Outcome, what: str) -> str | None:
    if outcome.kind == "memory" or (outcome.kind == "killed" and f"the limit is {LIMIT}" in outcome.message):
        return None
    return f"{outcome.value} {what} at once, {LIMIT} are allowed" if outcome.expect() > LIMIT + 1 else None


NO_RLIMIT = Removal(
    name="no RLIMIT_NPROC",
    agent="import resource, mcp_sandbox.hardening as h\n_lower = h._limit\nh._limit = lambda kind, *a: None if kind == resource.RLIMIT_NPROC else _lower(kind, *a)",
)
NO_CENSUS = Removal(name="no census", agent="import mcp_sandbox.census as c\nc.Census.start = lambda self: None")
ROW = Row(
    number=1,
    name="fork bomb",
    attacks=(forks, threads, bomb),
    controls=(
        Control(name="RLIMIT_NPROC", off=NO_RLIMIT, others=(NO_CENSUS,)),
        Control(name="census of processes", off=NO_CENSUS, others=(NO_RLIMIT,)),
        Control(name="RLIMIT_NPROC", off=NO_RLIMIT, others=(NO_CENSUS,), attack=threads, isolation="gvisor"),
        Control(name="census of processes", off=NO_CENSUS, others=(NO_RLIMIT,), attack=threads, isolation="gvisor"),
    ),
)
