"""Turns a warm Pod into ours: connect, `start`, and either the Pod accepts or the next one is tried.

Once a `start` has left, only the Pod's own word tells that the job did not begin there. Without it the same Pod is asked again, under the same
job id; when it stays silent, the job counts as begun, and no other Pod gets it.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Literal

from mcp_optimizer_api.job import Accepted, Rejected, Start

from .pods import SandboxPod
from .wire import ProtocolError, Wire, encode

CONNECT_SECONDS = 1.0
ACCEPT_SECONDS = 3.0
ASK_AGAIN_AFTER = (0.0, 0.05, 0.1, 0.2)
"""Seconds before each further question, all within what the agent waits for a server to come back."""
ASK_AGAIN_SECONDS = 3.0
MAX_ANSWER_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a Pod is not ours. `taken`: somebody else was first. `unfit`: it answered, but will not run this job. `unreachable`: it may recover.

    `unknown`: the job was sent and may have begun; it must not be sent to another Pod before it is known that it did not.
    """

    why: Literal["taken", "unfit", "unreachable", "unknown"]
    message: str


async def claim(pod: SandboxPod, start: Start) -> Wire | Refused:
    """Ask once, and again only where the answer was lost."""
    frame = encode(start)
    answer = await _ask(pod, start.job, frame)
    if not _is_unknown(answer):
        return answer
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ASK_AGAIN_SECONDS):
            for pause in ASK_AGAIN_AFTER:
                await asyncio.sleep(pause)
                again = await _ask(pod, start.job, frame, again=True)
                # Only who knows this Pod's token says that it is taken. Anything else may be another Pod that has its address now.
                if isinstance(again, Wire) or again.why == "taken":
                    return again
    return answer


def _is_unknown(answer: Wire | Refused) -> bool:
    return isinstance(answer, Refused) and answer.why == "unknown"


async def _ask(pod: SandboxPod, job: str, frame: bytes, *, again: bool = False) -> Wire | Refused:
    try:
        wire = await asyncio.wait_for(Wire.open(pod.ip, pod.port), CONNECT_SECONDS)
    except (OSError, TimeoutError) as error:
        return Refused("unreachable", f"no connection: {type(error).__name__}")
    kept = False
    try:
        answer = await asyncio.wait_for(_handshake(wire, job, frame, again), ACCEPT_SECONDS)
        kept = isinstance(answer, Wire)
        return answer
    except (OSError, EOFError, TimeoutError) as error:
        return Refused("unknown", f"no answer: {type(error).__name__}")
    except ProtocolError as error:
        return Refused("unfit", f"not our agent: {error}")
    finally:
        if not kept:
            # Not closed in order: an agent that had sent a result would take that for its delivery.
            wire.abort()


async def _handshake(wire: Wire, job: str, start: bytes, again: bool) -> Wire | Refused:
    await wire.send(start)
    answer = await wire.receive(await wire.next_size(MAX_ANSWER_BYTES))
    if isinstance(answer, Accepted) and answer.job == job:
        return wire
    if isinstance(answer, Rejected):
        return Refused(_meaning(answer, again), f"{answer.code} {answer.message}"[:300])
    return Refused("unfit", f"answered start with {answer.type}")


def _meaning(answer: Rejected, again: bool) -> Literal["taken", "unfit", "unknown"]:
    if answer.code != 409:
        return "unfit"
    # An agent from before `state` does not tell whose job it runs: asked for the first time it cannot be ours.
    return "unknown" if again and answer.state in (None, "yours") else "taken"
