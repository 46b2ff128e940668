"""Whether the kernel's out-of-memory killer struck in this container: turns an unexplained SIGKILL into a reason the author understands."""

COUNTERS = (
    ("/sys/fs/cgroup/memory.events", "oom_kill"),
    ("/sys/fs/cgroup/memory/memory.oom_control", "oom_kill"),
)


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
