"""Row 9: a job reads the agent's memory, environment and files, traces it, and looks for secrets and for others' processes."""

from tests.attack.removals import NO_FILTER
from tests.attack.vocabulary import Control, Removal, Row, Target

SNOOP = r"""
import ctypes, os, re, signal, struct
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
libc.ptrace.restype = ctypes.c_long
PTRACE_INTERRUPT, PTRACE_DETACH, WALL = 0x4207, 17, 0x40000000
found = []
agent = os.getppid()
for pid in {1, agent}:
    for name in ("environ", "maps", "mem", "auxv", "stack", "syscall", "io", "pagemap", "personality"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                if name == "mem": file.seek(0x1000)
                text = file.read(4096)
            if text.strip(b"\0"): found.append(f"/proc/{pid}/{name}")
        except OSError:
            pass
    for name in ("fd", "map_files"):
        try:
            for entry in os.listdir(f"/proc/{pid}/{name}"):
                os.readlink(f"/proc/{pid}/{name}/{entry}")
                found.append(f"/proc/{pid}/{name}")
                break
        except OSError:
            pass
    for name in ("cwd", "exe", "root"):
        try:
            os.readlink(f"/proc/{pid}/{name}")
            found.append(f"/proc/{pid}/{name}")
        except OSError:
            pass
    for name, request in (("PTRACE_SEIZE", 0x4206), ("PTRACE_ATTACH", 16)):
        if libc.ptrace(request, pid, 0, 0) == 0:
            found.append(f"{name} of {pid}")
            # Let go of it, which only works where it stands: the next signal would stop it for ever.
            if name == "PTRACE_SEIZE": libc.ptrace(PTRACE_INTERRUPT, pid, 0, 0)
            stopped = os.WSTOPSIG(os.waitpid(pid, WALL)[1])
            libc.ptrace(PTRACE_DETACH, pid, 0, stopped if stopped not in (signal.SIGTRAP, signal.SIGSTOP) else 0)
            break
    here = ctypes.create_string_buffer(8)
    ours, theirs = struct.pack("PN", ctypes.addressof(here), 8), struct.pack("PN", 0x400000, 8)
    if libc.process_vm_readv(pid, ours, 1, theirs, 1, 0) > 0 or ctypes.get_errno() == 14:
        found.append(f"process_vm_readv of {pid}")
    try:
        descriptor = os.pidfd_open(pid)
        if libc.syscall(438, descriptor, 0, 0) >= 0: found.append(f"pidfd_getfd of {pid}")
    except OSError:
        pass
others = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in (1, agent, os.getpid())]
if others: found.append(f"{len(others)} processes of others")
{"found": found, "environment": open("/proc/self/environ").read().strip("\0"), "names": sorted(os.environ)}
"""
MEMORY = r"""
import re, time
CHUNK, SHAPE = 1 << 20, re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
candidates, read, end = set(), 0, time.monotonic() + 15
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    # Small areas first: what a reserved gigabyte has in it is mostly nothing.
    areas = [[int(bound, 16) for bound in line.split()[0].split("-")] for line in maps if "rw" in line.split()[1]]
    for low, high in sorted(areas, key=lambda area: area[1] - area[0]):
        for start in range(low, high, CHUNK):
            if time.monotonic() > end: break
            try:
                memory.seek(start)
                text = memory.read(min(CHUNK + 64, high - start))
            except (OSError, OverflowError):
                break
            read += len(text)
            if text.count(0) < len(text):
                candidates.update(match.decode() for match in SHAPE.findall(text))
{"read": read, "candidates": sorted(candidates)[:200]}
"""
SETTINGS = ["HOME", "LANG", "PATH", "TMPDIR"]


async def snoop(target: Target) -> str | None:
    """Every way into another process of the same user."""
    facts = (await target.run(SNOOP, timeout_s=38)).expect()
    return ", ".join(facts["found"]) or None


async def environment(target: Target) -> str | None:
    """What was given to the Pod's program, which is what the worker was forked from."""
    facts = (await target.run(SNOOP, timeout_s=38)).expect()
    if facts["names"] != SETTINGS:
        return f"variables {facts['names']}"
    return f"the environment that the Pod was started with: {facts['environment'][:60]}" if facts["environment"] else None


async def own_memory(target: Target) -> str | None:
    """The worker was forked from the agent: nothing that gives a right may be left in it."""
    tokens = target.secrets()
    facts = (await target.run(MEMORY, timeout_s=38)).expect()
    assert facts["read"] > 4 << 20, f"only {facts['read']} bytes could be read"
    return "the claim token of a sandbox" if set(facts["candidates"]) & (tokens | target.secrets()) else None


READABLE = Removal(name="the agent stays readable", agent="import mcp_sandbox.hardening as h\nh.hide_from_job = lambda: None")
REMEMBERS = Removal(name="the environment stays", agent="import mcp_sandbox.hardening as h\nh.forget_environment = lambda keep: None")


def _host_pid(pod: dict[str, object]) -> None:
    pod["spec"]["hostPID"] = True  # type: ignore[index]


ROW = Row(
    number=9,
    name="/proc snooping, ptrace, secrets in the environment",
    attacks=(snoop, environment, own_memory),
    controls=(
        Control(name="PR_SET_DUMPABLE 0", off=READABLE, others=(NO_FILTER,)),
        Control(name="the environment is forgotten", off=REMEMBERS, attack=environment),
        Control(name="the environment is forgotten", off=REMEMBERS, attack=environment, isolation="gvisor"),
        Control(name="hostPID: false", off=Removal(name="the node's processes", pod=_host_pid)),
    ),
)
