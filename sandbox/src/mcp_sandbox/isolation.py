"""Proof, before the Pod listens, that its NetworkPolicy is in force: a new Pod has a short open window in every network plugin."""

import asyncio
import socket

from .journal import log

PROBE_SECONDS = 0.5
RETRY_SECONDS = 0.25


async def reachable(address: tuple[str, int], timeout: float = PROBE_SECONDS) -> bool:
    """Whether a TCP connection to `address`, an IP address, is accepted. Dropped or refused alike mean no."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(sock, address)
        except TimeoutError:
            # Late may have been this process: on a busy node the answer can be here, and nobody has looked.
            return _is_connected(sock)
        except OSError:
            return False
        return True


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


class NetworkOpenError(Exception):
    """The address is still in reach: nobody enforces the NetworkPolicy."""


async def until_isolated(address: tuple[str, int] | None, patience: float, timeout: float = PROBE_SECONDS) -> int:
    """Return when `address` cannot be reached, with the number of times it could be; NetworkOpenError when it still can after `patience` seconds.

    No address: nothing to prove.
    """
    attempts = 0
    deadline = asyncio.get_running_loop().time() + patience
    while address is not None and await reachable(address, timeout):
        if not attempts:
            log("waiting", reason="the network is open: the NetworkPolicy has not taken effect yet")
        attempts += 1
        if asyncio.get_running_loop().time() >= deadline:
            raise NetworkOpenError
        await asyncio.sleep(RETRY_SECONDS)
    return attempts
