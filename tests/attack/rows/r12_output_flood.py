"""Row 12: a job prints without end, in bulk and byte by byte, or into the log of its container."""

import asyncio
from typing import Any

from mcp_optimizer.sandbox import conversation
from tests.attack import inside
from tests.attack.own_pods import logs_of
from tests.attack.stage import Stage
from tests.attack.vocabulary import Control, Outcome, Removal, Row, Target

CAP = 64 * 1024
"""Bytes of each stream that come back."""
MARK = "flooded-by-the-job"
BULK = "import os\nblock = b'line\\n' * 13000\nwhile True:\n    os.write(1, block); os.write(2, block)"
ONE_LINE = "import os\nblock = b'x' * 65536\nfor _ in range(400):\n    os.write(1, block)"
TRICKLE = "import os, time\nend = time.monotonic() + 2\nwhile time.monotonic() < end:\n    os.write(1, b'x')\n    time.sleep(0.001)"
LOG = f"""
import os, sys, time
print('{MARK}', flush=True)
print('{MARK}', file=sys.stderr, flush=True)
os.system('echo {MARK}; echo {MARK} >&2')
for path in ('/proc/1/fd/1', '/proc/1/fd/2', '/dev/console', '/dev/termination-log', '/dev/tty', '/dev/kmsg'):
    try:
        with open(path, 'w') as file:
            file.write('{MARK}\\n')
    except OSError:
        pass
time.sleep(2)
"""
GATHERED = 0.7
"""Frames per write: the gap of 5 ms between two frames sees several writes, even of a slow clock."""


async def bulk(target: Target) -> str | None:
    """As fast as it can, until its deadline."""
    return _kept_too_much(await target.run(BULK, timeout_s=2))


async def one_line(target: Target) -> str | None:
    """25 MB without a line's end."""
    return _kept_too_much(await target.run(ONE_LINE, timeout_s=8))


async def trickle(target: Target) -> str | None:
    """Byte by byte: each could cost the server a frame. Counted where frames are seen, on a bare Pod."""
    outcome = await target.run(TRICKLE, timeout_s=8)
    outcome.expect()
    frames = sum(frame["type"] == "output" for frame in outcome.frames)
    return f"{frames} frames for {len(outcome.stdout)} bytes" if frames > GATHERED * len(outcome.stdout) else _kept_too_much(outcome)


async def container_log(target: Target) -> str | None:
    """Kubelets keep what containers log: on the node's disk."""
    job = asyncio.create_task(target.run(LOG, timeout_s=8))
    found = False
    while not job.done():
        found = found or MARK in await logs_of(target)
        await asyncio.wait([job], timeout=0.3)
    (await job).expect()
    return "the container's log has what the job printed" if found else None


def _kept_too_much(outcome: Outcome) -> str | None:
    """At the endpoint the answer may have been cut besides: its text is whole JSON no more."""
    largest = max(len(outcome.stdout.encode()), len(outcome.stderr.encode()), len(outcome.text.encode()) - 2 * CAP)
    return f"{largest} bytes of a stream were kept" if largest > CAP else None


async def _prove_server_cap(stage: Stage) -> str | None:
    """An agent that sends more than it may."""
    flood = inside.frame({"type": "output", "stream": "stdout", "data": "x" * 40_000}) * 4

    async def effect() -> str | None:
        return _kept_too_much(Outcome(stdout=(await inside.outcome_of(inside.says(flood, inside.result()))).stdout))

    class Endless(dict[str, int]):
        def __getitem__(self, key: str) -> int:
            return 1 << 40

    original = conversation.Conversation.__init__

    def boundless(self: conversation.Conversation, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self._left = Endless()

    return await inside.proof(effect, (conversation.Conversation, "__init__", boundless))


ROW = Row(
    number=12,
    name="output flood",
    attacks=(bulk, one_line, trickle, container_log),
    controls=(
        Control(
            name="the agent's bound per stream",
            off=Removal(
                name="no bound per stream",
                agent="import mcp_sandbox.output as o\n_init = o.OutputPump.__init__\n"
                "o.OutputPump.__init__ = lambda self, fd, limit, emit: _init(self, fd, 1 << 22, emit)",
            ),
            attack=one_line,
        ),
        Control(
            name="small output is gathered",
            off=Removal(name="no gap", agent="import mcp_sandbox.output as o\no.SMALL_BYTES = 0"),
            attack=trickle,
        ),
        Control(
            name="a job's streams are pipes of its agent",
            off=Removal(
                name="the container's streams", agent="import mcp_sandbox.worker as w\nw._connect_standard_streams = lambda *a: None"
            ),
            attack=container_log,
        ),
        Control(name="the server's bound per stream", prove=_prove_server_cap),
    ),
)
