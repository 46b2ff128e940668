"""Row 13: results and back-channel frames that are small to make and dear to read."""

import json

from mcp_optimizer.sandbox import wire
from tests.attack import inside
from tests.attack.snippets import CHANNEL
from tests.attack.stage import Stage
from tests.attack.vocabulary import Control, Outcome, Removal, Row, Target

DEEP = "value = []\nfor _ in range(params['depth']):\n    value = [value]\nvalue"
HUGE = "'x' * params['size']"
ZIPPED = "import zlib\nzlib.decompress(zlib.compress(b'\\0' * (1 << 30)))\n'unpacked'"
FORGED = (
    CHANNEL
    + """
import time
write(eval(params['body']), params.get('length'))
time.sleep(params.get('wait', 0.5))
'still here'
"""
)
RESULT_LIMIT = 256 * 1024
MOST_DEPTH = 64
RESULT = 'b\'{"type":"result","run":1,"ok":true,"value":\' + '
FRAMES: dict[str, dict[str, object]] = {
    "a length of 4 GiB": {"body": "b'x'", "length": 0xFFFFFFFF},
    "a deep result": {"body": RESULT + 'b"[" * 900 + b"]" * 900 + b"}"'},
    "a list of lists": {"body": RESULT + 'b"[" + b"[]," * 100_000 + b"0]}"'},
    "a result over the limit": {"body": RESULT + "b'\"' + b\"x\" * 400_000 + b'\"}'"},
}
CLEAN_ENDS = ("killed", "result_not_json", "result_too_large", "memory", "exception")


async def deep_result(target: Target) -> str | None:
    """A hundred thousand levels, which a recursive reader does not survive."""
    return _not_refused(await target.run(DEEP, timeout_s=8, depth=100_000), "result_not_json")


async def huge_result(target: Target) -> str | None:
    """Sixteen megabytes."""
    return _not_refused(await target.run(HUGE, timeout_s=8, size=16_000_000), "result_too_large")


async def zip_bomb(target: Target) -> str | None:
    """Unpacked by the job itself: nobody else ever unpacks anything of a job."""
    return _not_refused(await target.run(ZIPPED, timeout_s=9), "memory")


async def forged_frames(target: Target) -> str | None:
    """Written by the job straight to the socket of its worker."""
    for name, params in FRAMES.items():
        outcome = await target.run(FORGED, timeout_s=8, **params)
        if outcome.kind not in CLEAN_ENDS or "agent" not in outcome.message:
            return f"{name}: ended as {outcome.kind or 'a success'} {str(outcome.value)[:80]} {outcome.message[:200]}"
    return None


async def forged_depth(target: Target) -> str | None:
    """One of them, judged by what reached the server."""
    return _past_the_agent(await target.run(FORGED, timeout_s=8, **FRAMES["a deep result"]))


async def forged_size(target: Target) -> str | None:
    """Another."""
    return _past_the_agent(await target.run(FORGED, timeout_s=8, **FRAMES["a result over the limit"]))


def _not_refused(outcome: Outcome, kind: str) -> str | None:
    return None if outcome.kind == kind else f"ended as {outcome.kind or 'a success'}: {outcome.message[:200]}"


def _past_the_agent(outcome: Outcome) -> str | None:
    if not outcome.ok:
        return None
    text = json.dumps(outcome.value)
    depth, size = text.count("["), len(text)
    return f"a value of {size} bytes and {depth} levels passed" if depth > MOST_DEPTH or size > RESULT_LIMIT else None


async def _prove_frame_size(stage: Stage) -> str | None:
    """A taken-over agent reports three megabytes."""

    async def effect() -> str | None:
        outcome = await inside.outcome_of(inside.says(inside.result(value="x" * 3_000_000)))
        return f"a value of {len(outcome.value)} bytes" if outcome.ok else None

    original = wire.Wire.next_size
    return await inside.proof(effect, (wire.Wire, "next_size", lambda self, limit: original(self, 1 << 30)))


ROW = Row(
    number=13,
    name="zip bombs, huge and deep values",
    attacks=(deep_result, huge_result, zip_bomb, forged_frames),
    controls=(
        Control(
            name="the agent's bound on depth",
            off=Removal(name="no bound on depth", agent="import mcp_sandbox.run as r\nr.too_deep = lambda value, limit=64: False"),
            attack=forged_depth,
        ),
        Control(
            name="the agent's bound on size",
            off=Removal(
                name="no bound on size",
                agent="import mcp_sandbox.run as r\n_checked = r.Run._checked_value\nr.Run._checked_value = lambda self, value: {'ok': True, 'value': value}",
            ),
            attack=forged_size,
        ),
        Control(name="the server's bound on frames", prove=_prove_frame_size),
    ),
)
