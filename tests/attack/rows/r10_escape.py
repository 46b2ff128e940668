"""Row 10: a job breaks out of its container: mounts, namespaces, capabilities, kernel interfaces, devices, raw sockets, set-user-id programs."""

import json

from scripts.stack.shell import get

from tests.attack.removals import CONTAINER, NO_FILTER, field, may_be_root
from tests.attack.vocabulary import Control, Manifest, Removal, Row, Target

ESCAPE = r"""
import ctypes, os, socket, subprocess, struct
libc = ctypes.CDLL(None, use_errno=True)
done = []
def attempt(name, act, apart=False):
    if not apart:
        try:
            if act(): done.append(name)
        except Exception:
            pass
        return
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if act() else 1)
        except BaseException:
            os._exit(1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0: done.append(name)
def call(number, *arguments):
    return libc.syscall(number, *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)) >= 0
def writes(path, text=b"0"):
    with open(path, "wb") as file: file.write(text)
    return True
os.makedirs("m", exist_ok=True)
X = os.uname().machine == "x86_64"
attempt("mount a tmpfs", lambda: libc.mount(b"none", b"m", b"tmpfs", 0, None) == 0)
attempt("bind mount /", lambda: libc.mount(b"/", b"m", None, 4096, None) == 0)
attempt("remount / writable", lambda: libc.mount(b"/", b"/", None, 4096 | 32, None) == 0)
attempt("unmount /proc/kcore", lambda: libc.umount2(b"/proc/kcore", 2) == 0)
for name, flag in (("user", 0x10000000), ("mount", 0x20000), ("pid", 0x20000000), ("network", 0x40000000), ("cgroup", 0x2000000)):
    attempt(f"a new {name} namespace", lambda flag=flag: libc.unshare(flag) == 0, apart=True)
attempt("the mount namespace of PID 1", lambda: libc.setns(os.open("/proc/1/ns/mnt", os.O_RDONLY), 0) == 0, apart=True)
attempt("chroot", lambda: libc.chroot(b"m") == 0, apart=True)
attempt("setuid(0)", lambda: libc.setuid(0) == 0, apart=True)
attempt("setgroups", lambda: libc.setgroups(1, struct.pack("I", 0)) == 0)
attempt("sethostname", lambda: libc.sethostname(b"x", 1) == 0)
if X:
    attempt("bpf", lambda: call(321, 0, struct.pack("IIIII", 2, 4, 4, 1, 0) + bytes(100), 72))
    attempt("add_key", lambda: call(248, b"user", b"x", b"y", 1, -3))
    attempt("keyctl", lambda: call(250, 0, -3, 1))
    attempt("perf_event_open", lambda: call(298, struct.pack("II", 1, 112) + bytes(200), 0, -1, -1, 0))
    attempt("userfaultfd", lambda: call(323, 0))
    attempt("io_uring", lambda: call(425, 4, ctypes.create_string_buffer(120)))
    attempt("init_module", lambda: call(175, ctypes.create_string_buffer(64), 64, b""))
    attempt("kexec_load", lambda: call(246, 0, 0, 0, 0))
    attempt("open_by_handle_at", lambda: call(304, -100, struct.pack("Ii", 8, 1) + bytes(8), 0))
    attempt("swapon", lambda: call(167, b"m", 0))
    attempt("settimeofday", lambda: call(164, struct.pack("qq", 1, 0), 0))
for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/sys/kernel/uevent_helper",
             "/proc/sys/kernel/modprobe", "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/release_agent",
             "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"):
    attempt(f"write {path}", lambda path=path: writes(path))
for path in ("/proc/kcore", "/proc/kmsg", "/dev/mem", "/dev/kmsg", "/proc/keys", "/etc/shadow", "/dev/sda", "/dev/vda", "/dev/kvm", "/dev/fuse",
             "/var/run/docker.sock", "/run/containerd/containerd.sock"):
    attempt(f"read {path}", lambda path=path: os.read(os.open(path, os.O_RDONLY), 10))
attempt("a device node", lambda: os.mknod("disk", 0o60666, os.makedev(8, 0)) is None)
attempt("a packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3))
attempt("a raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
def becomes_root():
    for program in ("/usr/bin/su", "/usr/bin/passwd", "/usr/bin/mount"):
        if not os.path.exists(program): continue
        one, two = os.pipe()
        child = subprocess.Popen([program, "root"] if program.endswith("su") else [program], stdin=one, stdout=-3, stderr=-3)
        for _ in range(50):
            try:
                uids = [line.split()[2] for line in open(f"/proc/{child.pid}/status") if line.startswith("Uid")]
            except OSError:
                break
            if uids == ["0"]: return True
            if child.poll() is not None: break
    return False
attempt("root through a set-user-id program", becomes_root)
status = dict(line.rstrip("\n").split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
names = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid")
{"done": done, "status": {name: status.get(name) for name in names}, "kernel": os.uname().release,
 "devices": sorted(name for name in os.listdir("/dev") if name not in ("fd", "stdin", "stdout", "stderr", "pts", "shm", "mqueue", "ptmx", "null",
  "zero", "full", "random", "urandom", "tty", "core", "termination-log", "console", "net"))}
"""
GUEST_KERNEL = {"a new user namespace"}
"""Under gVisor these are objects of its own kernel, a process on the node: nothing of the node is in reach through them."""

GUEST_DEVICES = {"char", "fuse"}
"""Likewise: files of its own."""


async def escape(target: Target) -> str | None:
    """Every door that container escapes of the past went through."""
    facts = (await target.run(ESCAPE, timeout_s=38)).expect()
    status, found, devices = facts["status"], set(facts["done"]), set(facts["devices"])
    if target.isolation == "gvisor":
        found -= GUEST_KERNEL
        devices -= GUEST_DEVICES
    found |= {f"/dev/{name}" for name in devices}
    found |= {f"{name} {status[name]}" for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status[name] or "0", 16)}
    if status["Uid"].split()[0] == "0":
        found.add("root")
    if status["NoNewPrivs"] == "0":
        found.add("NoNewPrivs 0")
    if status["Seccomp"] != "2" and target.isolation == "runc":
        found.add(f"Seccomp {status['Seccomp']}")
    return ", ".join(sorted(found)) or None


async def kernel(target: Target) -> str | None:
    """Under gVisor the node's kernel is never seen."""
    node = get("nodes")[0]["status"]["nodeInfo"]["kernelVersion"]
    release = (await target.run("import os\nos.uname().release")).expect()
    return f"the node's kernel {json.dumps(release)}" if target.isolation == "gvisor" and release == node else None


def _privileges(pod: Manifest) -> None:
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True


def _root(pod: Manifest) -> None:
    for context in (pod["spec"]["securityContext"], pod["spec"]["containers"][0]["securityContext"]):
        context["runAsNonRoot"] = False
    pod["spec"]["securityContext"]["runAsUser"] = 0
    may_be_root(pod)


NO_SECCOMP = Removal(name="no seccomp profile", pod=field("spec", "securityContext", "seccompProfile", value={"type": "Unconfined"}))
ROW = Row(
    number=10,
    name="container escape",
    attacks=(escape, kernel),
    controls=(
        Control(name="seccompProfile: RuntimeDefault", off=NO_SECCOMP, others=(NO_FILTER,)),
        Control(name="the agent's system call filter", off=NO_FILTER, others=(NO_SECCOMP,)),
        Control(
            name="capabilities: drop ALL",
            off=Removal(name="capabilities kept", pod=field(*CONTAINER, "securityContext", "capabilities")),
        ),
        Control(name="allowPrivilegeEscalation: false", off=Removal(name="privileges may be gained", pod=_privileges), others=(NO_FILTER,)),
        Control(name="runAsNonRoot", off=Removal(name="root", pod=_root)),
        Control(
            name="runtimeClassName: gvisor",
            off=Removal(name="the node's kernel", pod=field("spec", "runtimeClassName")),
            attack=kernel,
            isolation="gvisor",
        ),
    ),
)
