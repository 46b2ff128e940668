"""Turns a warm Pod into ours: connect, `start`, and either the Pod accepts or the next one is tried."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from mcp_optimizer_api.job import Accepted, Rejected, Start

from .pods import SandboxPod
from .wire import ProtocolError, Wire, encode

CONNECT_SECONDS = 1.0
ACCEPT_SECONDS = 3.0
MAX_ANSWER_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a Pod is not ours. `taken`: somebody else was first. `unfit`: it answered, but will not run this job. `unreachable`: it may recover."""

    why: Literal["taken", "unfit", "unreachable"]
    message: str


async def claim(pod: SandboxPod, start: Start) -> Wire | Refused:
    """Try once. A connection that ends before `accepted` starts nothing that could act: a job acts through its calls alone."""
    try:
        wire = await asyncio.wait_for(Wire.open(pod.ip, pod.port), CONNECT_SECONDS)
    except (OSError, TimeoutError) as error:
        return Refused("unreachable", f"no connection: {type(error).__name__}")
    kept = False
    try:
        answer = await asyncio.wait_for(_handshake(wire, start.job, encode(start)), ACCEPT_SECONDS)
        kept = isinstance(answer, Wire)
        return answer
    except (OSError, EOFError, TimeoutError) as error:
        return Refused("unreachable", f"no answer: {type(error).__name__}")
    except ProtocolError as error:
        return Refused("unfit", f"not our agent: {error}")
    finally:
        if not kept:
            wire.close()


async def _handshake(wire: Wire, job: str, start: bytes) -> Wire | Refused:
    await wire.send(start)
    answer = await wire.receive(await wire.next_size(MAX_ANSWER_BYTES))
    if isinstance(answer, Accepted) and answer.job == job:
        return wire
    if isinstance(answer, Rejected):
        return Refused("taken" if answer.code == 409 else "unfit", f"{answer.code} {answer.message}"[:300])
    return Refused("unfit", f"answered start with {answer.type}")
