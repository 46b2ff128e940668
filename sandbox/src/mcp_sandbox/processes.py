"""Stops and ends processes: the job must not go on after its result, whatever it forked, detached or made deaf to signals."""

import os
import signal
import time

ROUNDS = 200
STOP_SECONDS = 2.0
"""How long the worker may take to stand still: it may have to wait for a processor first."""


def kill_group(leader: int) -> None:
    """SIGKILL to the worker's own process group."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def reap() -> dict[int, int]:
    """Collect every child that ended: pid → exit code as `subprocess` has it (negative: the signal)."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def kill_all_others() -> dict[int, int]:
    """End every process below this one and return those collected.

    As PID 1 one signal reaches the whole Pod. Elsewhere (tests, a developer's machine) the direct children are killed again and again:
    this process is a subreaper, so each one that dies hands its own children over.
    """
    ended: dict[int, int] = {}
    for _ in range(ROUNDS):
        victims = _signal_whole_pod() if os.getpid() == 1 else _signal_children()
        ended.update(_wait_for_any() if victims else {})
        if not victims:
            break
    return ended


def halt(worker: int) -> set[int] | None:
    """Stop the worker where it stands and kill every other process below this one, without waiting for either; who was killed, None if not all.

    As PID 1 one signal stops the whole Pod first: who stands still forks no more.
    """
    me, killed = os.getpid(), set[int]()
    _signal(-1 if me == 1 else worker, signal.SIGSTOP)
    for _ in range(ROUNDS):
        others = _below(me) - killed - {worker}
        if not others:
            return killed
        for pid in others:
            _signal(pid, signal.SIGKILL)
        killed |= others
    return None


def freeze(worker: int) -> bool:
    """`halt`, and wait until the worker stands still and nobody else runs; whether that is so now."""
    went_on(worker)  # in the run that is over, it may have
    killed = halt(worker)
    return killed is not None and _stands_still(worker, killed)


def went_on(worker: int) -> bool:
    """Whether the worker was continued, or stopped a second time, since `freeze` or the last time this was asked.

    It can be without any signal of ours: by a timer, or by the end of a child, for which the kernel sends what the job has asked for (and SIGCONT
    by itself where a process group loses its last tie to another one). One that stops itself soon after has only the second stop to show for it.
    """
    return _event(worker, os.WCONTINUED | os.WSTOPPED)


def rests(worker: int) -> bool:
    """After `halt`, when there was time to stop: whether the worker stands still and nobody else is there. From then on `went_on` tells."""
    return halt(worker) == set() and _event(worker, os.WSTOPPED)


def _stands_still(worker: int, killed: set[int]) -> bool:
    """Wait until it does, or is dead, and the killed run no code any more.

    The kernel reports the stop when every thread has left its system call; in /proc stands what the first one does.
    """
    stopped, deadline = False, time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        stopped = stopped or _event(worker, os.WSTOPPED) or _event(worker, os.WEXITED | os.WNOWAIT)
        if stopped and all(_stat_of(pid)[0] in "ZX" for pid in killed):
            return not _event(worker, os.WCONTINUED)
        time.sleep(0.001)
    return False


def _event(worker: int, kinds: int) -> bool:
    """Whether there is one of these to report of the worker; it is taken, unless WNOWAIT is among them. One that is gone has ended."""
    try:
        return os.waitid(os.P_PID, worker, kinds | os.WNOHANG) is not None
    except ChildProcessError:
        return bool(kinds & os.WEXITED)


def thaw(worker: int) -> None:
    """Let the worker go on."""
    _signal(worker, signal.SIGCONT)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _below(me: int) -> set[int]:
    """Every process of the Pod but PID 1; elsewhere the descendants of this one. Threads are no processes."""
    pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    if me == 1:
        return pids - {me}
    parents = {pid: _parent_of(pid) for pid in pids}
    found, level = set[int](), {me}
    while level:
        level = {pid for pid, parent in parents.items() if parent in level} - found
        found |= level
    return found


def _signal_whole_pod() -> bool:
    try:
        os.kill(-1, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return bool(_children())


def _signal_children() -> bool:
    children = _children()
    for pid in children:
        _signal(pid, signal.SIGKILL)
    return bool(children)


def _wait_for_any() -> dict[int, int]:
    """Wait for one child (all are dying), then take what else has ended."""
    try:
        pid, status = os.waitpid(-1, 0)
    except ChildProcessError:
        return {}
    return {pid: os.waitstatus_to_exitcode(status), **reap()}


def _children() -> list[int]:
    """Direct children, from the kernel's own list; where it has none, from the parent field of every process."""
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent_of(int(name)) == me]


def _parent_of(pid: int) -> int:
    return int(_stat_of(pid)[1])


def _stat_of(pid: int) -> list[str]:
    """The fields behind the name in `/proc/PID/stat`: state and parent first. One that is gone is a zombie of nobody."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return ["Z", "0"]
