"""A seccomp filter around the job: job and agent share a user id, so the kernel alone would let the one reach for the other.

Refused with EPERM is what aims at the agent (its limits, priority, processors, signals) and what no Python job needs but kernel bugs
live in. Everything else passes: the wall around the node is the Pod's. Survives fork and exec, and cannot be taken off again.
"""

import ctypes
import errno
import os
import struct
from dataclasses import dataclass

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
MODE_FILTER = 2
ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
UNKNOWN = 0x00050000 | errno.ENOSYS
X32_BIT = 0x40000000
NAMESPACES = 0x7E020080
"""CLONE_NEW*: user, process, network, mount, host name, IPC, control group and time namespaces."""
OFFSET_NUMBER, OFFSET_ARCH, OFFSET_ARGUMENTS = 0, 4, 16
STEP_BYTES = 8
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
PRIO_PROCESS, IOPRIO_WHO_PROCESS = 0, 1
OWNER_COMMANDS = (8, 15)
"""F_SETOWN, F_SETOWN_EX: make the kernel send a signal of choice to a process of choice."""
OWNER_REQUESTS = (0x8901, 0x8902)
"""FIOSETOWN, SIOCSPGRP: the same as ioctl."""


@dataclass(frozen=True)
class Machine:
    """System call numbers of one architecture."""

    arch: int
    own_only: tuple[int, ...]
    """The first argument names a process, which must be the caller: prlimit64, sched_setparam, sched_setscheduler, sched_setaffinity,
    sched_setattr. They take ids of threads too, so naming the agent is not enough."""
    not_agent: tuple[int, ...]
    """The first argument names a process, which must not be the agent: kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_open."""
    setpriority: int
    ioprio_set: int
    fcntl: int
    ioctl: int
    clone: int
    clone3: int
    refused: tuple[int, ...]
    """ptrace, process_vm_readv, process_vm_writev, process_madvise, kcmp, pidfd_getfd, pidfd_send_signal, unshare, setns, bpf,
    perf_event_open, userfaultfd, io_uring_setup, io_uring_enter, io_uring_register, add_key, request_key, keyctl."""


MACHINES = {
    "x86_64": Machine(
        arch=0xC000003E,
        own_only=(302, 142, 144, 203, 314),
        not_agent=(62, 200, 234, 129, 297, 434),
        setpriority=141,
        ioprio_set=251,
        fcntl=72,
        ioctl=16,
        clone=56,
        clone3=435,
        refused=(101, 310, 311, 440, 312, 438, 424, 272, 308, 321, 298, 323, 425, 426, 427, 248, 249, 250),
    ),
    "aarch64": Machine(
        arch=0xC00000B7,
        own_only=(261, 118, 119, 122, 274),
        not_agent=(129, 130, 131, 138, 240, 434),
        setpriority=140,
        ioprio_set=30,
        fcntl=25,
        ioctl=29,
        clone=220,
        clone3=435,
        refused=(117, 270, 271, 440, 272, 438, 424, 97, 268, 280, 241, 282, 425, 426, 427, 217, 218, 219),
    ),
}


def confine(agent: int) -> bool:
    """Put the filter on this process and all it will start; False on a machine whose numbers are not known here. OSError when refused."""
    machine = MACHINES.get(os.uname().machine)
    if machine is None:
        return False
    code = program(machine, agent, os.getpid())
    libc = ctypes.CDLL(None, use_errno=True)
    text = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HxxxxxxP", len(code) // STEP_BYTES, ctypes.addressof(text))
    zero = ctypes.c_ulong(0)
    for option, value, last in ((PR_SET_NO_NEW_PRIVS, 1, zero), (PR_SET_SECCOMP, MODE_FILTER, head)):
        if libc.prctl(option, ctypes.c_ulong(value), last, zero, zero) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"prctl({option}): {os.strerror(number)}")
    return True


def program(machine: Machine, agent: int, job: int) -> bytes:
    """The filter in BPF, given two process ids. It looks at the low half of arguments, as the kernel does with ids and commands."""
    own = (0, job)
    parts = [
        # A second set of system calls, such as that of 32-bit programs, would be a way around all the rest.
        _step(LOAD, OFFSET_ARCH) + _step(EQUAL, machine.arch, 1, 0) + _step(RETURN, REFUSE),
        _step(LOAD, OFFSET_NUMBER) + _step(AT_LEAST, X32_BIT, 0, 1) + _step(RETURN, REFUSE),
        # Its flags lie in memory, where a filter cannot look: the C library takes clone instead.
        _if_number(machine.clone3, _step(RETURN, UNKNOWN)),
        _if_number(machine.clone, _if_argument(0, ANY_BIT, (NAMESPACES,), REFUSE, ALLOW)),
        _if_number(machine.fcntl, _if_argument(1, EQUAL, OWNER_COMMANDS, REFUSE, ALLOW)),
        _if_number(machine.ioctl, _if_argument(1, EQUAL, OWNER_REQUESTS, REFUSE, ALLOW)),
        _if_number(machine.setpriority, _priority(PRIO_PROCESS, own)),
        _if_number(machine.ioprio_set, _priority(IOPRIO_WHO_PROCESS, own)),
        *(_if_number(number, _if_argument(0, EQUAL, own, ALLOW, REFUSE)) for number in machine.own_only),
        *(_if_number(number, _if_argument(0, EQUAL, (agent,), REFUSE, ALLOW)) for number in machine.not_agent),
        *(_if_number(number, _step(RETURN, REFUSE)) for number in machine.refused),
        _step(RETURN, ALLOW),
    ]
    return b"".join(parts)


def _priority(one_process: int, own: tuple[int, ...]) -> bytes:
    """Of the caller; never of all processes of a user or a group."""
    kind = _step(LOAD, OFFSET_ARGUMENTS) + _step(EQUAL, one_process, 1, 0) + _step(RETURN, REFUSE)
    return kind + _if_argument(1, EQUAL, own, ALLOW, REFUSE)


def _if_argument(index: int, test: int, values: tuple[int, ...], then: int, otherwise: int) -> bytes:
    """Return `then` when the argument passes `test` for one of the values."""
    tests = b"".join(_step(test, value, len(values) - place, 0) for place, value in enumerate(values))
    return _step(LOAD, OFFSET_ARGUMENTS + 8 * index) + tests + _step(RETURN, otherwise) + _step(RETURN, then)


def _if_number(number: int, body: bytes) -> bytes:
    """`body`, which returns, for one system call; the loaded number stays loaded for the next."""
    return _step(EQUAL, number, 0, len(body) // STEP_BYTES) + body


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)
