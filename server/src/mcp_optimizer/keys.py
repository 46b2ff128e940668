"""Secrets that all replicas of one MCPOptimizer share, derived from the one key that the operator mounts into them.

What a replica hands out (a handle, a cursor, the state of an unfinished request) comes back to any replica, so all must be able to check it.
A process without the file is alone and makes a key of its own.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

LOOK_SECONDS: Final = 1.0
"""How often the file is looked at: the kubelet replaces it when the operator had to make a new key."""
REMEMBERED: Final = 2
"""Keys in use at once: what was sealed with the one before stays readable until it expires."""


class KeyUnreadable(Exception):
    """The file is there by configuration but cannot be read, and never could; the message names it."""


class Keys:
    """The shared key and the one before it."""

    def __init__(self, path: Path | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked = float("-inf")
        self._roots: tuple[bytes, ...] = () if path else (secrets.token_bytes(32),)
        self._derived: dict[str, tuple[bytes, ...]] = {}

    def derive(self, label: str) -> bytes:
        """32 bytes that every replica derives alike for this purpose, and for no other purpose. Raises `KeyUnreadable`."""
        return self.generations(label)[0]

    def generations(self, label: str) -> tuple[bytes, ...]:
        """The derived key, then those that earlier keys gave: seal with the first, accept all. The tuple is the same object until one changes."""
        self._look()
        derived = self._derived.get(label)
        if derived is None:
            derived = tuple(hmac.digest(root, label.encode(), hashlib.sha256) for root in self._roots)
            self._derived[label] = derived
        return derived

    def _look(self) -> None:
        now = self._clock()
        if self._path is None or now - self._looked < LOOK_SECONDS:
            return
        try:
            root, problem = self._path.read_bytes(), "it is empty"
        except OSError as error:
            root, problem = b"", str(error.strerror)
        if root and root not in self._roots[:1]:
            self._roots = (root, *self._roots)[:REMEMBERED]
            self._derived.clear()
        if not self._roots:
            raise KeyUnreadable(f"the key that all replicas share cannot be read ({self._path}: {problem}): the operator mounts it")
        self._looked = now
