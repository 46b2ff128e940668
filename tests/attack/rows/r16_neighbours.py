"""Row 16: a sandbox talks to another one, or somebody who is not its server talks to it."""

import asyncio
import ipaddress
import random
from collections.abc import Iterable

from tests.attack.bare import Bare
from tests.attack.own_pods import addresses_of
from tests.attack.removals import NO_POLICY, NO_PROBE, NO_VERDICT
from tests.attack.vocabulary import Control, Row, Target

PORT = 9999
STARTS, MANY_STARTS = 3, 12
"""So many sandboxes begin while a stranger dials them: in a proof, until he reached one."""
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
    await target.stage.watch.until("a sandbox with an address", lambda: addresses_of(target))
    hosts = [*addresses_of(target), target.stage.addresses.witness]
    reached = (await target.run(DIAL, timeout_s=9, hosts=hosts, seconds=2)).expect()
    came = (await listening).expect()
    return f"reached {reached}, seen from {came}" if reached or came else None


async def from_stranger(target: Target) -> str | None:
    """A Pod of another namespace dials the sandboxes while a job listens."""
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(target.run(LISTEN, timeout_s=9, seconds=5))
        await target.stage.watch.until("a sandbox with an address", lambda: addresses_of(target))
        reached: list[str] = []
        while not listening.done() and not reached:
            reached = await target.stage.relay.knock(_doors(target, addresses_of(target)), seconds=0.5)
    came = listening.result().expect()
    return f"reached {reached}, seen from {came}" if reached or came else None


async def from_early_stranger(target: Target) -> str | None:
    """A Pod of another namespace dials the addresses that come next, so that it is there before any network plugin knows a new sandbox."""
    starts = MANY_STARTS if isinstance(target, Bare) else STARTS
    before, guessed, since, reached = addresses_of(target), set[str](), set[str](), set[str]()
    async with asyncio.TaskGroup() as group:
        job = group.create_task(_job_some_time(target))
        while len(since) < starts and not since & reached:
            if job.done():
                job = group.create_task(_job_some_time(target))
            guessed.update(_next_addresses(target))
            # Those of the round before too: one is no guess any more when its Pod shows it, and may be open yet.
            doors = _doors(target, guessed)
            reached |= {place.rpartition(":")[0] for place in await target.stage.relay.knock(doors, seconds=0.5)}
            since |= (addresses_of(target) - before) & guessed
    return f"reached {sorted(since & reached)}" if since & reached else None


async def _job_some_time(target: Target) -> None:
    """Not in step with the kubelet's looks at its Pods: shortly before one, the door is not open for long."""
    await asyncio.sleep(random.uniform(0, 1))
    (await target.run("1", timeout_s=9)).expect()


def _next_addresses(target: Target) -> list[str]:
    """Where they are given out one after the other, and where sandboxes are what starts. A sandbox at none of these counts for nothing."""
    latest = ipaddress.ip_address(target.stage.watch.newest()["status"]["podIP"])
    return [str(latest + step) for step in range(1, 9)]


def _doors(target: Target, hosts: Iterable[str]) -> list[str]:
    """Of bare Pods the relay is the server, so that only their other ports count."""
    ports = (8766, PORT) if isinstance(target, Bare) else (8765, 8766, PORT)
    return [f"{host}:{port}" for host in sorted(hosts) for port in ports]


ROW = Row(
    number=16,
    name="sandbox to sandbox, and inbound",
    attacks=(from_sandbox, from_stranger, from_early_stranger),
    controls=(
        Control(name="NetworkPolicy, from a sandbox", off=NO_POLICY, others=(NO_VERDICT,), attack=from_sandbox),
        Control(name="NetworkPolicy, from a stranger", off=NO_POLICY, others=(NO_VERDICT,), attack=from_stranger),
        Control(name="no open port before the proof", off=NO_PROBE, attack=from_early_stranger),
    ),
)
