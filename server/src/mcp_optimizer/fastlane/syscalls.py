"""System calls by name: which ones the processes of the fast lane have, and their numbers (x86_64: arch/x86/entry/syscalls/syscall_64.tbl;
aarch64: include/uapi/asm-generic/unistd.h).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """`audit` is the machine's AUDIT_ARCH of linux/audit.h."""

    audit: int
    numbers: dict[str, int]

    def number(self, name: str) -> int | None:
        """None where this machine has no such call."""
        return self.numbers.get(name)


_TABLE = """
access 21 -
add_key 248 217
arch_prctl 158 -
bpf 321 280
brk 12 214
clock_getres 229 114
clock_gettime 228 113
clock_nanosleep 230 115
clone 56 220
clone3 435 435
close 3 57
connect 42 203
execve 59 221
exit 60 93
exit_group 231 94
faccessat 269 48
faccessat2 439 439
fstat 5 80
futex 202 98
getpid 39 172
getrandom 318 278
gettid 186 178
gettimeofday 96 169
io_uring_setup 425 425
kcmp 312 272
keyctl 250 219
listen 50 201
lseek 8 62
madvise 28 233
mmap 9 222
mount 165 40
mprotect 10 226
mremap 25 216
msgget 68 186
munmap 11 215
nanosleep 35 101
newfstatat 262 79
open_by_handle_at 304 265
openat 257 56
perf_event_open 298 241
pidfd_getfd 438 438
poll 7 -
ppoll 271 73
pread64 17 67
prlimit64 302 261
process_madvise 440 440
process_vm_readv 310 270
process_vm_writev 311 271
ptrace 101 117
read 0 63
readlink 89 -
readlinkat 267 78
readv 19 65
request_key 249 218
restart_syscall 219 128
rseq 334 293
rt_sigaction 13 134
rt_sigprocmask 14 135
rt_sigreturn 15 139
sched_getaffinity 204 123
sched_yield 24 124
semget 64 190
set_robust_list 273 99
set_tid_address 218 96
setns 308 268
shmget 29 194
sigaltstack 131 132
socket 41 198
statx 332 291
unshare 272 97
userfaultfd 323 282
write 1 64
writev 20 66
"""
_ROWS = [line.split() for line in _TABLE.strip().splitlines()]
MACHINES = {
    "x86_64": Machine(0xC000003E, {name: int(number) for name, number, _ in _ROWS}),
    "aarch64": Machine(0xC00000B7, {name: int(number) for name, _, number in _ROWS if number != "-"}),
}

HOST_DENIED = [
    "socket",
    "connect",
    "listen",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "pidfd_getfd",
    "kcmp",
    "open_by_handle_at",
    "io_uring_setup",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "keyctl",
    "add_key",
    "request_key",
    "mount",
    "unshare",
    "setns",
    "shmget",
    "semget",
    "msgget",
]
"""The child keeps what starts and ends workers; Landlock keeps it from files and, where the kernel knows how, from signals to outside."""

WORKER_ALLOWED = [
    "read",
    "write",
    "readv",
    "writev",
    "close",
    "fstat",
    "newfstatat",
    "statx",
    "lseek",
    "pread64",
    "access",
    "faccessat",
    "faccessat2",
    "openat",
    "readlink",
    "readlinkat",
    "mmap",
    "mprotect",
    "munmap",
    "mremap",
    "madvise",
    "brk",
    "futex",
    "sched_yield",
    "sched_getaffinity",
    "nanosleep",
    "clock_nanosleep",
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "getpid",
    "gettid",
    "getrandom",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "restart_syscall",
    "set_tid_address",
    "set_robust_list",
    "rseq",
    "arch_prctl",
    "poll",
    "ppoll",
    "execve",
    "exit",
    "exit_group",
]
"""`openat` and `execve` are for the start of the program itself; Landlock says what of."""
