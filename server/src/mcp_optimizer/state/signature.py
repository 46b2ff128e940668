"""How two replicas know each other: request and answer are signed with the key that all replicas share.

A NetworkPolicy keeps strangers away where the cluster enforces it; the signature holds where it does not, and against whoever got the
address of a replica that is gone.
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Final

from mcp_optimizer.keys import Keys

HEADER: Final = b"x-mcp-peer"
FRESH_SECONDS: Final = 60
"""Nodes' clocks may differ by this much. Within it a request can be replayed, to the same replica only; all operations may be repeated."""


class BadSignature(Exception):
    """Not from a replica of this MCPOptimizer, or not fresh."""


class Signatures:
    """Signs and checks with the shared key."""

    def __init__(self, keys: Keys, *, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock

    def request(self, target: str, operation: str, body: bytes) -> str:
        """The header of a request to the replica at `target` (address and port)."""
        stamp = str(int(self._clock()))
        return f"{stamp}.{_mac(self._keys.derive('peer'), 'request', stamp, target, operation, body)}"

    def check_request(self, header: str, target: str, operation: str, body: bytes) -> None:
        """Raise `BadSignature` unless a replica signed this for this one a moment ago."""
        stamp, _, mac = header.partition(".")
        self._compare(mac, "request", stamp, target, operation, body)
        # Checked last: only a peer learns whether its clock is the problem.
        if abs(self._clock() - int(stamp)) > FRESH_SECONDS:
            raise BadSignature(f"signed more than {FRESH_SECONDS} s ago: the clocks of two nodes differ, or it was replayed")

    def answer(self, request_header: str, body: bytes) -> str:
        """The header of the answer to the request with this header."""
        return _mac(self._keys.derive("peer"), "answer", request_header, "", "", body)

    def check_answer(self, header: str, request_header: str, body: bytes) -> None:
        """Raise `BadSignature` unless a replica answered exactly this request."""
        self._compare(header, "answer", request_header, "", "", body)

    def _compare(self, mac: str, kind: str, stamp: str, target: str, operation: str, body: bytes) -> None:
        given = mac.encode()
        for key in self._keys.generations("peer"):
            if hmac.compare_digest(given, _mac(key, kind, stamp, target, operation, body).encode()):
                return
        raise BadSignature("not signed by a replica of this MCPOptimizer")


def _mac(key: bytes, kind: str, stamp: str, target: str, operation: str, body: bytes) -> str:
    digest = hmac.new(key, "\n".join((kind, stamp, target, operation, "")).encode(), hashlib.sha256)
    digest.update(body)
    return digest.hexdigest()
