"""Ends processes: the job must not outlive its result, whatever it forked, detached or made deaf to signals."""

import os
import signal

ROUNDS = 200


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


def freeze(worker: int) -> bool:
    """Stop the worker where it stands and end every other process below this one; whether that is so now.

    As PID 1 one signal stops the whole Pod first: who stands still forks no more. A process that has been sent SIGKILL runs no more code,
    so nobody waits for it to be gone.
    """
    me, killed = os.getpid(), {worker}
    _signal(-1 if me == 1 else worker, signal.SIGSTOP)
    for _ in range(ROUNDS):
        others = _below(me) - killed
        if not others:
            return True
        for pid in others:
            _signal(pid, signal.SIGKILL)
        killed |= others
    return False


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
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0
