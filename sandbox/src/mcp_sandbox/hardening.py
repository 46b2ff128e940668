"""Kernel settings around the job. Each is one more hurdle; what each does not cover is written in docs/decisions/0006-what-confines-a-job.md."""

import ctypes
import itertools
import math
import os
import resource

from .journal import log
from .request import MIB, ProcessLimits
from .seccomp import confine

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
M_ARENA_MAX = -8
REPORT_HEADROOM = 32 * MIB
"""Address space that a job which ran out of memory gets back, so that it can say so."""
OPEN_FILES = 100
CPU_GRACE_SECONDS = 5
SIGKILL = 9

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> bool:
    return int(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))) == 0


def become_subreaper() -> None:
    """Orphans of the job become our children, so that none escapes the end of the job (PID 1 has this anyway)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def hide_from_job() -> None:
    """Forbid ptrace of and `/proc/PID/mem`, `environ`, `fd` access to this process by others of the same user."""
    _prctl(PR_SET_DUMPABLE, 0)


def bind_to_agent() -> None:
    """In the worker: end with the agent, never gain privileges, be the first victim when memory runs out, allocate from few arenas.

    OSError when the kernel refuses the filter: without it no job may run.
    """
    _prctl(PR_SET_PDEATHSIG, SIGKILL)
    try:
        if not confine(os.getppid()):
            log("no system call filter", reason=f"unknown machine {os.uname().machine}")
    except OSError as error:
        log("no system call filter", reason=str(error))
        raise
    # A new arena reserves 64 MiB of address space per thread, which RLIMIT_AS would count.
    getattr(_libc, "mallopt", lambda *_: 0)(M_ARENA_MAX, 2)
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass


def forget_environment(keep: dict[str, str]) -> None:
    """Replace the environment, and blank the strings it came in: `/proc/PID/environ` shows those whatever the program does later.

    They are found by the C library's own list; where /proc tells their place (fields 50 and 51 of stat) is no help under gVisor.
    """
    strings = ctypes.POINTER(ctypes.c_void_p).in_dll(_libc, "environ")
    for address in itertools.takewhile(bool, (strings[index] for index in itertools.count())) if strings else ():
        ctypes.memset(address, 0, len(ctypes.string_at(address)))
    os.environ.clear()
    os.environ.update(keep)


def limit_job(limits: ProcessLimits, life_seconds: float) -> None:
    """Resource limits of the calling process and everything it will start. Only lowers: a bound that is lower already stays."""
    cpu = (math.ceil(life_seconds) + CPU_GRACE_SECONDS) * (os.cpu_count() or 1)
    _limit(resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes + REPORT_HEADROOM)
    _limit(resource.RLIMIT_FSIZE, limits.memory_bytes)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, cpu)
    # Counted per user id on the whole node, the agent included; sandbox Pods therefore run under one user id each.
    _limit(resource.RLIMIT_NPROC, limits.max_processes + 1)


def grant_report_headroom() -> None:
    """After a MemoryError: raise the soft limit to the hard one, so that the report itself fits."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(kind)[1]
    wanted = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, wanted = min(soft, ceiling), min(wanted, ceiling)
    resource.setrlimit(kind, (soft, wanted))
