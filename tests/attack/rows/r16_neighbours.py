"""Row 16: a sandbox talks to another one, or somebody who is not its server talks to it."""

import asyncio

from tests.attack.bare import Bare
from tests.attack.own_pods import addresses_of
from tests.attack.relay import Unreachable
from tests.attack.vocabulary import Control, Manifest, Removal, Row, Target

PORT = 9999
LISTEN = f"""
import select, socket, time
listener = socket.create_server(('0.0.0.0', {PORT}))
end, came = time.monotonic() + params['seconds'], []
while (left := end - time.monotonic()) > 0:
    if select.select([listener], [], [], left)[0]:
        connection, peer = listener.accept()
        came.append(peer[0])
        connection.close()
came
"""
DIAL = f"""
import socket, time
own = socket.gethostbyname(socket.gethostname())
reached, end = [], time.monotonic() + params['seconds']
while time.monotonic() < end:
    for host in params['hosts']:
        if host == own:
            continue
        for port in (8765, 8766, {PORT}, 7001):
            try:
                socket.create_connection((host, port), timeout=0.2).close()
                reached.append(f'{{host}}:{{port}}')
            except OSError:
                pass
    if reached:
        break
    time.sleep(0.1)
reached
"""


async def from_sandbox(target: Target) -> str | None:
    """One job listens, another dials every sandbox: their job ports, their health ports, what the first one opened."""
    listening = asyncio.create_task(target.run(LISTEN, timeout_s=9, seconds=7))
    await asyncio.sleep(0.5)
    hosts = [*addresses_of(target), target.stage.addresses.witness]
    reached = (await target.run(DIAL, timeout_s=9, hosts=hosts, seconds=2)).expect()
    came = (await listening).expect()
    return f"reached {reached}, seen from {came}" if reached or came else None


async def from_stranger(target: Target) -> str | None:
    """A Pod of another namespace dials the sandboxes while a job listens."""
    listening = asyncio.create_task(target.run(LISTEN, timeout_s=9, seconds=5))
    reached: list[str] = []
    while not listening.done() and not reached:
        reached = await _reached(target, sorted(addresses_of(target)))
        await asyncio.wait([listening], timeout=0.1)
    came = (await listening).expect()
    return f"reached {reached}, seen from {came}" if reached or came else None


async def _reached(target: Target, hosts: list[str]) -> list[str]:
    """Of bare Pods the relay is the server, so that only their other ports count."""
    ports = (8766, PORT) if isinstance(target, Bare) else (8765, 8766, PORT)
    places = [(host, port) for host in hosts for port in ports]
    answers = await asyncio.gather(*(_connects(target, host, port) for host, port in places))
    return [f"{host}:{port}" for (host, port), connected in zip(places, answers, strict=True) if connected]


async def _connects(target: Target, host: str, port: int) -> bool:
    try:
        async with target.stage.relay.dial(host, port):
            return True
    except (Unreachable, OSError):
        return False


def _unchecked(pod: Manifest) -> None:
    pod["spec"]["containers"][0]["env"].append({"name": "MCP_SANDBOX_EGRESS", "value": "unchecked"})


UNCHECKED = Removal(name="egress unchecked", pod=_unchecked)
UNSELECTED = Removal(name="no policy", policy=True)
ROW = Row(
    number=16,
    name="sandbox to sandbox, and inbound",
    attacks=(from_sandbox, from_stranger),
    controls=(
        Control(name="NetworkPolicy, from a sandbox", off=UNSELECTED, others=(UNCHECKED,), attack=from_sandbox),
        Control(name="NetworkPolicy, from a stranger", off=UNSELECTED, others=(UNCHECKED,), attack=from_stranger),
    ),
)
