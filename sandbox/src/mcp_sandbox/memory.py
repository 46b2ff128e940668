"""The container's memory: how much of it a job may have, and whether the kernel's out-of-memory killer struck."""

from .request import MIB

COUNTERS = (
    ("/sys/fs/cgroup/memory.events", "oom_kill"),
    ("/sys/fs/cgroup/memory/memory.oom_control", "oom_kill"),
)
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
AGENT_BYTES = 48 * MIB
"""What the agent itself needs, with a margin: a job that fills the container would take the agent, and its own report, with it."""


def job_memory(wanted: int, limit: int | None) -> int:
    """The address space for a job that was promised `wanted` bytes: less, when the container's limit has no room for the agent beside it."""
    return wanted if limit is None else min(wanted, limit - min(AGENT_BYTES, limit // 4))


def container_limit(paths: tuple[str, ...] = LIMITS, meminfo: str = "/proc/meminfo") -> int | None:
    """Bytes; None: not known. From the control group (either version); else from what the kernel calls the total, which under gVisor is the Pod's limit."""
    for path in paths:
        try:
            with open(path) as file:
                return int(file.read())
        except (OSError, ValueError):
            continue
    try:
        with open(meminfo) as file:
            return int(file.readline().split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None


def oom_kills() -> int:
    """How many processes of this container were killed for memory so far; 0 where the kernel does not tell."""
    for path, key in COUNTERS:
        try:
            with open(path) as file:
                for line in file:
                    name, _, value = line.partition(" ")
                    if name == key:
                        return int(value)
        except (OSError, ValueError):
            continue
    return 0
