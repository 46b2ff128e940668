"""Row 3: a job takes the processors, and never stops."""

import asyncio

from tests.attack.removals import NO_CPU_LIMIT, NO_DEADLINE
from tests.attack.vocabulary import Control, Removal, Row, Target

LIMIT_CORES = 0.5
"""`resources.cpu` of the stage."""
SPIN = """
import os, time
until = time.monotonic() + params["seconds"]

def spin():
    best, pieces = 1.0, 0
    while (begun := time.monotonic()) < until:
        for _ in range(20_000): pass
        best, pieces = min(best, time.monotonic() - begun), pieces + 1
    return best * pieces

ours, theirs = os.pipe()
for _ in range(params["processes"]):
    if os.fork() == 0:
        os.write(theirs, b"%.6f\\n" % spin())
        os._exit(0)
os.close(theirs)
# Time of a processor, by the work that was done at the speed of the fastest piece: gVisor counts time in which a quota holds its processes as theirs.
sum(float(line) for line in open(ours)) / params["seconds"]
"""
QUOTA = """
cores = None
for quota, period in (("cpu.max", None), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
    try:
        words = open("/sys/fs/cgroup/" + quota).read().split()
        words += open("/sys/fs/cgroup/" + period).read().split() if period else []
        cores = int(words[0]) / int(words[1]) if words[0] not in ("max", "-1") else 0
    except OSError:
        pass
cores
"""
BURN = "import time\nwhile time.process_time() < 1.7: pass\n'burnt'"
ENDLESS = "while True: pass"
DEAF = "import os, signal, threading\nfor _ in range(3): threading.Thread(target=lambda: sum(iter(int, 1)), daemon=True).start()\nwhile True: pass"


async def share(target: Target) -> str | None:
    """As many processors as it can get."""
    cores = (await target.run(SPIN, timeout_s=38, processes=3, seconds=3)).expect()
    return f"{cores:.2f} cores, the limit is {LIMIT_CORES}" if cores > LIMIT_CORES + 0.25 else None


async def quota(target: Target) -> str | None:
    """What the kernel would let it have on an idle node: on a busy one nobody gets much. gVisor does not show it."""
    cores = (await target.run(QUOTA, timeout_s=38)).expect()
    return f"{cores or 'all'} cores, the limit is {LIMIT_CORES}" if cores != LIMIT_CORES and target.isolation == "runc" else None


async def endless(target: Target) -> str | None:
    """It never stops by itself, with threads or without."""
    outcomes = await asyncio.gather(target.run(ENDLESS, timeout_s=1), target.run(DEAF, timeout_s=1))
    return next(
        (f"{outcome.kind or 'success'}: {outcome.message}" for outcome in outcomes if outcome.kind not in ("timeout", "killed")), None
    )


async def neighbour(target: Target) -> str | None:
    """A job beside it on the same node and pool comes to its end while it spins."""
    spinner = asyncio.create_task(target.run(SPIN, timeout_s=38, processes=8, seconds=6))
    outcome = await target.run("import json\nlen(json.dumps(list(range(1000))))", timeout_s=38)
    finished_first = not spinner.done()
    await spinner
    return None if outcome.ok and finished_first else f"the neighbour ended as {outcome.kind or 'a success, but after the spinner'}"


BURN_SECONDS = 38
TIGHT_CPU = Removal(
    name="an RLIMIT_CPU of one second",
    agent=f"import os, mcp_sandbox.hardening as h\nh.CPU_GRACE_SECONDS = 1 - {BURN_SECONDS}\nos.cpu_count = lambda: 1",
)
"""No wall: it keeps a proof short."""
NO_CPU_TIME_LIMIT = Removal(
    name="no RLIMIT_CPU",
    agent="import resource, mcp_sandbox.hardening as h\n_lower_cpu = h._limit\n"
    "h._limit = lambda kind, *a: None if kind == resource.RLIMIT_CPU else _lower_cpu(kind, *a)",
)


async def endless_once(target: Target) -> str | None:
    """One process that never stops."""
    outcome = await target.run(ENDLESS, timeout_s=1)
    return None if outcome.kind in ("timeout", "killed") else f"{outcome.kind or 'success'}: {outcome.message}"


async def burn(target: Target) -> str | None:
    """More processor time than it may have."""
    outcome = await target.run(BURN, timeout_s=BURN_SECONDS)
    return "1.7 seconds of processor time, one was allowed" if outcome.value == "burnt" else None


ROW = Row(
    number=3,
    name="CPU spin",
    attacks=(share, quota, endless, neighbour),
    controls=(
        Control(name="limits.cpu", off=NO_CPU_LIMIT, attack=quota),
        Control(name="the agent's deadline", off=NO_DEADLINE, attack=endless_once),
        Control(name="the agent's deadline", off=NO_DEADLINE, attack=endless_once, isolation="gvisor"),
        Control(name="RLIMIT_CPU", off=NO_CPU_TIME_LIMIT, others=(NO_DEADLINE, NO_CPU_LIMIT, TIGHT_CPU), attack=burn),
    ),
)
