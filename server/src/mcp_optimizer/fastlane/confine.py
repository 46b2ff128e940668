"""What takes rights away from the processes of the fast lane, before they see any code of a job. Nothing here needs privileges.

Landlock (kernel 5.13) closes the file system but for programs and libraries, and other processes; seccomp closes system calls. Both are
inherited by whatever a process starts and cannot be taken back. What cannot be had is an error: the lane then stays closed.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable
from pathlib import Path

from .syscalls import HOST_DENIED, MACHINES, WORKER_ALLOWED, Machine

_libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
SECCOMP_MODE_FILTER = 2
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
LANDLOCK_EXECUTE, LANDLOCK_WRITE_FILE, LANDLOCK_READ_FILE, LANDLOCK_READ_DIR = 1, 2, 4, 8
FILE_RIGHTS_OF_ABI = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many kinds of access to files each version of Landlock knows; later ones know 16."""
NETWORK_ABI, SCOPE_ABI = 4, 6
KILL_PROCESS, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_AT, MACHINE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
CLONE_THREAD = 0x00010000
X32_BIT = 0x40000000
NO_CORE = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0}


class Unconfined(Exception):
    """This machine cannot confine the child; the message says what is missing."""


def die_with(parent: int) -> None:
    """End when the parent does. The kernel means the thread that forked, so this is for a child of a main thread."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(0)


def gain_nothing() -> None:
    """Gain no rights by running programs, and be no one's to trace."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_DUMPABLE, 0)


def bound(limits: dict[int, int]) -> None:
    """Set resource limits, never above those that hold already."""
    for which, amount in {**NO_CORE, **limits}.items():
        _, hard = resource.getrlimit(which)
        most = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
        resource.setrlimit(which, (most, most))


def confine_host(readable: Iterable[Path]) -> None:
    """For the child that speaks to the server: reads these folders, writes nothing, opens no socket, sees no other process."""
    _landlock(readable, runnable=readable)
    _seccomp(_host_filter(machine()))


def confine_worker(readable: Iterable[Path], program: Path) -> None:
    """For a worker: reads these folders, runs nothing but `program`, and keeps the few system calls of pure computation."""
    _landlock([*readable, program], runnable=[program, *_loaders()])
    _seccomp(_worker_filter(machine()))


def machine() -> Machine:
    """The numbers of this machine's system calls."""
    found = MACHINES.get(platform.machine())
    if found is None:
        raise Unconfined(f"the numbers of system calls of {platform.machine()} are unknown: {', '.join(MACHINES)} are known")
    return found


def _loaders() -> list[Path]:
    """The dynamic loader: starting a program maps it, which Landlock counts as running it."""
    return [path for pattern in ("/lib64/ld-linux-*", "/lib/ld-linux-*") for path in Path("/").glob(pattern[1:])]


def _landlock(readable: Iterable[Path], runnable: Iterable[Path]) -> None:
    abi = _libc.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if abi < 1:
        raise Unconfined("the kernel has no Landlock (Linux 5.13 or newer with landlock in its lsm= list)")
    # Restricted are all accesses to files that this kernel knows, TCP in both directions, and signals and abstract sockets to outside.
    files = (1 << FILE_RIGHTS_OF_ABI.get(abi, 16)) - 1
    network, scope = 3 if abi >= NETWORK_ABI else 0, 3 if abi >= SCOPE_ABI else 0
    attributes = struct.pack("=QQQ", files, network, scope)
    ruleset = _checked(_libc.syscall(LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(_size_for(abi)), ctypes.c_uint32(0)), "landlock")
    for path in readable:
        _grant(ruleset, path, LANDLOCK_READ_FILE | LANDLOCK_READ_DIR)
    for path in runnable:
        _grant(ruleset, path, LANDLOCK_EXECUTE | LANDLOCK_READ_FILE)
    _grant(ruleset, Path(os.devnull), LANDLOCK_READ_FILE | LANDLOCK_WRITE_FILE)
    _checked(_libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)), "landlock")
    os.close(ruleset)


def _size_for(abi: int) -> int:
    """Of the attributes that this kernel knows."""
    return 24 if abi >= SCOPE_ABI else 16 if abi >= NETWORK_ABI else 8


def _grant(ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not path.is_dir():
            rights &= ~LANDLOCK_READ_DIR
        rule = struct.pack("=Qi", rights, descriptor)
        _checked(_libc.syscall(LANDLOCK_ADD_RULE, ruleset, ctypes.c_int(1), rule, ctypes.c_uint32(0)), f"landlock of {path}")
    finally:
        os.close(descriptor)


def _host_filter(here: Machine) -> list[bytes]:
    """Everything but what reaches into other processes, the network or the kernel."""
    program = _prologue(here)
    for name in HOST_DENIED:
        if (number := here.number(name)) is not None:
            program += [_step(JUMP_EQUAL, number, 0, 1), _step(RETURN, ERRNO | errno.EPERM)]
    return [*program, _step(RETURN, ALLOW)]


def _worker_filter(here: Machine) -> list[bytes]:
    """Nothing but what an interpreter computes with. `clone` makes threads only; clone3, whose flags no filter can read, is unknown here."""
    program = _prologue(here)
    program += [_step(JUMP_EQUAL, here.numbers["clone3"], 0, 1), _step(RETURN, ERRNO | errno.ENOSYS)]
    program += [_step(JUMP_EQUAL, here.numbers["clone"], 0, 4), _step(LOAD, FIRST_ARGUMENT_AT)]
    program += [_step(JUMP_ANY_BIT, CLONE_THREAD, 0, 1), _step(RETURN, ALLOW), _step(RETURN, ERRNO | errno.EPERM)]
    # Limits of ourselves alone: those of the server are ours to change by its user id.
    program += [_step(JUMP_EQUAL, here.numbers["prlimit64"], 0, 4), _step(LOAD, FIRST_ARGUMENT_AT)]
    program += [_step(JUMP_EQUAL, 0, 0, 1), _step(RETURN, ALLOW), _step(RETURN, ERRNO | errno.EPERM)]
    for name in WORKER_ALLOWED:
        if (number := here.number(name)) is not None:
            program += [_step(JUMP_EQUAL, number, 0, 1), _step(RETURN, ALLOW)]
    return [*program, _step(RETURN, ERRNO | errno.EPERM)]


def _prologue(here: Machine) -> list[bytes]:
    """A call of another machine's numbering ends the process; the number is loaded for what follows."""
    program = [_step(LOAD, MACHINE_AT), _step(JUMP_EQUAL, here.audit, 1, 0), _step(RETURN, KILL_PROCESS), _step(LOAD, NUMBER_AT)]
    return [*program, _step(JUMP_AT_LEAST, X32_BIT, 0, 1), _step(RETURN, KILL_PROCESS)]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _seccomp(program: list[bytes]) -> None:
    steps = ctypes.create_string_buffer(b"".join(program))
    head = struct.pack("@HP", len(program), ctypes.addressof(steps))
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head)


def _prctl(option: int, value: int, pointer: bytes | int = 0) -> None:
    third = pointer if isinstance(pointer, bytes) else ctypes.c_ulong(pointer)
    _checked(_libc.prctl(option, ctypes.c_ulong(value), third, ctypes.c_ulong(0), ctypes.c_ulong(0)), f"prctl {option}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise Unconfined(f"{what} failed: {os.strerror(ctypes.get_errno())}")
    return result
