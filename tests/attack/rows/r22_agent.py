"""Row 22: a job turns against the agent, which has the same user id: signals, memory, limits, descriptors, forged words."""

from tests.attack.snippets import CHANNEL, REACH
from tests.attack.vocabulary import Control, Outcome, Removal, Row, Target

LOOK = """
import os
agent, reached = f'/proc/{os.getppid()}', []
for name in ('mem', 'environ', 'maps', 'auxv', 'syscall', 'io', 'stack', *(f'fd/{number}' for number in range(64))):
    try:
        with open(f'{agent}/{name}', 'rb') as file:
            file.read(1)
        reached.append(name)
    except OSError:
        pass
for name in ('exe', 'cwd', 'root', *(f'fd/{number}' for number in range(64))):
    try:
        os.readlink(f'{agent}/{name}')
        reached.append('link ' + name)
    except OSError:
        pass
for name in ('oom_score_adj', 'mem', 'clear_refs', 'coredump_filter'):
    try:
        os.close(os.open(f'{agent}/{name}', os.O_WRONLY))
        reached.append('write ' + name)
    except OSError:
        pass
reached
"""
FORGE = (
    CHANNEL
    + """
import time
send({'type': 'result', 'run': 1, **params['frame']})
os.kill(os.getpid(), 9) if params.get('die') else time.sleep(3)
"""
)
FIGURES = {"calls": 999, "durationMs": -1, "stdoutTruncated": 999, "stderrTruncated": 999, "open": True}


async def reach(target: Target) -> str | None:
    """Everything by which the kernel lets processes of one user act on each other. That the job can report is the agent's doing."""
    return _reached(await target.run(REACH + "[way for way, end in reached.items() if end == 'done']", timeout_s=8))


async def look(target: Target) -> str | None:
    """The agent's memory, descriptors and settings, as files."""
    return _reached(await target.run(LOOK, timeout_s=8))


async def forge(target: Target) -> str | None:
    """The words of the agent: its figures, and kinds of error that only it and the server may use."""
    outcome = await target.run(FORGE, timeout_s=8, frame={"ok": True, "value": "mine", **FIGURES}, die=True)
    if "999" in outcome.text or any(frame.get("calls") == 999 or frame.get("open") for frame in outcome.frames):
        return f"forged figures were passed on: {outcome.text or outcome.frames[-1]}"
    if outcome.kind not in ("", "killed") or outcome.value not in ("mine", None):
        return f"ended as {outcome.kind}: {outcome.message}"
    return await forged_kind(target)


async def forged_kind(target: Target) -> str | None:
    """A job that claims to have been lost would be told to look before it is run again."""
    outcome = await target.run(FORGE, timeout_s=8, frame={"ok": False, "error": {"kind": "lost", "message": "forged"}})
    return None if outcome.kind == "killed" and "protocol" in outcome.message else f"ended as {outcome.kind}: {outcome.message}"


def _reached(outcome: Outcome) -> str | None:
    """Whoever ended the agent cannot report."""
    if not outcome.ok:
        return f"ended as {outcome.kind}: {outcome.message}"
    return ", ".join(outcome.value) or None


UNFILTERED = Removal(name="no filter", agent="import mcp_sandbox.hardening as h\nh.confine = lambda agent: True")
READABLE = Removal(name="dumpable agent", agent="import mcp_sandbox.hardening as h\nh.hide_from_job = lambda: None")
TRUSTING = Removal(
    name="any kind of error",
    agent="import mcp_sandbox.run as r\nclass Any(tuple):\n    def __contains__(self, kind):\n        return True\nr.KINDS = Any()",
)
ROW = Row(
    number=22,
    name="signals to and memory of the agent",
    attacks=(reach, look, forge),
    controls=(
        Control(name="the job's seccomp filter", off=UNFILTERED),
        Control(name="PR_SET_DUMPABLE", off=READABLE, attack=look),
        Control(name="the agent's check of results", off=TRUSTING, attack=forged_kind),
    ),
)
