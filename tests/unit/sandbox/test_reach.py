"""Job and agent have one user id: what the job may still do to the agent is nothing, and ordinary programs do not notice."""

import errno
import struct
from collections.abc import Callable

import pytest
from tests.agent_process import AgentProcess
from tests.attack.snippets import REACH
from tests.unit.sandbox.test_containment import as_pid_1, as_plain_user

from mcp_sandbox import seccomp

Start = Callable[..., AgentProcess]
ORDINARY = """
import asyncio, concurrent.futures, fcntl, multiprocessing, os, resource, signal, socket, subprocess, sys

async def echo():
    child = await asyncio.create_subprocess_exec(sys.executable, '-c', 'print(1)', stdout=asyncio.subprocess.PIPE)
    return (await child.communicate())[0].decode()

def ended(how):
    child = subprocess.Popen(['sleep', '600'], start_new_session=True)
    how(child)
    return child.wait()

resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
os.nice(1)
os.sched_setaffinity(0, os.sched_getaffinity(0))
fcntl.fcntl(socket.socket(), fcntl.F_SETFL, os.O_NONBLOCK)
[
    subprocess.run('echo a | tr a b', shell=True, capture_output=True, text=True).stdout,
    list(concurrent.futures.ThreadPoolExecutor(3).map(abs, [-1, -2])),
    multiprocessing.get_context('fork').Pool(2).map(abs, [-1, -2]),
    ended(lambda child: child.terminate()),
    ended(lambda child: os.killpg(child.pid, signal.SIGKILL)),
    await echo(),
]
"""
THIRTY_TWO_BITS = """
import ctypes, mmap
code = bytes.fromhex('b825000000') + bytes.fromhex('bb01000000b909000000') + bytes.fromhex('cd80c3')  # kill(1, 9) as i386 makes it
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex('53') + code[:-1] + bytes.fromhex('5bc3'))
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""


def test_a_job_reaches_nothing_of_its_agent(start: Start) -> None:
    reached = as_plain_user(start).run(REACH).result["value"]
    assert len(reached) == 18
    assert set(reached.values()) == {errno.EPERM}, reached


def test_ordinary_programs_do_not_notice_the_filter(start: Start) -> None:
    run = as_plain_user(start).run(ORDINARY)
    assert run.result.get("value") == ["b\n", [1, 2], [1, 2], -15, -9, "1\n"], run.result


@pytest.mark.skipif(seccomp.os.uname().machine != "x86_64", reason="only there a second set of system calls exists")
def test_the_calls_of_32_bit_programs_are_no_way_around(start: Start) -> None:
    run = as_pid_1(start).run(THIRTY_TWO_BITS)
    # Without support for them in the kernel, the job ends by a signal instead.
    assert run.result.get("value") == -errno.EPERM or "signal 11" in run.message, run.result


def test_a_kernel_that_refuses_the_filter_gets_no_job(start: Start) -> None:
    patch = "import mcp_sandbox.seccomp as s; s.MODE_FILTER = 77; import mcp_sandbox.__main__ as m; raise SystemExit(m.main())"
    agent = start(warm=False, program=patch)
    assert agent.wait() == 5
    assert [line["event"] for line in agent.log if line["event"] == "no system call filter"]


def test_the_agent_has_one_thread_so_that_one_id_names_it(agent: AgentProcess) -> None:
    assert agent.run("import os\nlen(os.listdir(f'/proc/{os.getppid()}/task'))").result["value"] == 1


@pytest.mark.parametrize("name", sorted(seccomp.MACHINES))
def test_the_filter_says_the_same_on_every_machine(name: str) -> None:
    machine = seccomp.MACHINES[name]
    code = seccomp.program(machine, agent=1, job=2)

    def verdict(number: int, *arguments: int, arch: int = machine.arch) -> str:
        return {seccomp.ALLOW: "allowed", seccomp.REFUSE: "refused", seccomp.UNKNOWN: "unknown"}[judged(code, arch, number, arguments)]

    assert {verdict(number, 1) for number in (*machine.own_only, *machine.not_agent, *machine.refused)} == {"refused"}
    assert {verdict(number, own) for number in machine.own_only for own in (0, 2)} == {"allowed"}
    assert {verdict(number, other) for number in machine.own_only for other in (3, 0xFFFFFFFF)} == {"refused"}
    assert {verdict(number, other) for number in machine.not_agent for other in (0, 2, 3, 0xFFFFFFFF)} == {"allowed"}
    assert [verdict(machine.setpriority, which, 0) for which in (0, 1, 2)] == ["allowed", "refused", "refused"]
    assert [verdict(machine.ioprio_set, which, 0) for which in (1, 2, 3)] == ["allowed", "refused", "refused"]
    assert [verdict(machine.fcntl, 3, command) for command in (4, 8, 15)] == ["allowed", "refused", "refused"]
    assert [verdict(machine.ioctl, 3, request) for request in (0x5401, 0x8901, 0x8902)] == ["allowed", "refused", "refused"]
    assert [verdict(machine.clone, flags) for flags in (17, 0x10000000, 0x40000011)] == ["allowed", "refused", "refused"]
    assert verdict(machine.clone3) == "unknown"
    assert verdict(machine.not_agent[0] | seccomp.X32_BIT, 9) == "refused"
    assert verdict(machine.not_agent[0], 9, arch=0x40000003) == "refused"
    assert verdict(0) == "allowed"


def judged(code: bytes, arch: int, number: int, arguments: tuple[int, ...]) -> int:
    """What the filter returns: the few BPF instructions that it uses, as the kernel runs them."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("<HBBI", code))
    at, loaded = 0, 0
    while True:
        operation, then, otherwise, value = steps[at]
        if operation == seccomp.RETURN:
            return int(value)
        if operation == seccomp.LOAD:
            (loaded,) = struct.unpack_from("<I", data, value)
            then = otherwise = 0
        passed = {seccomp.EQUAL: loaded == value, seccomp.AT_LEAST: loaded >= value, seccomp.ANY_BIT: bool(loaded & value)}.get(operation)
        at += 1 + (then if passed else otherwise)
