"""Small things clients carry for us: unreadable, unforgeable, for one purpose, until a time. Any replica opens what another sealed.

AES-SIV needs no nonce, so that a sealed text is 20 bytes longer than what is in it: these texts pass through a model, which pays for each
character. Its only concession is that sealing the same twice in one second gives the same text.
"""

import base64
import binascii
import struct
import time
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from .keys import Keys

_EXPIRY: Final = struct.Struct(">I")
_TO_STANDARD: Final = str.maketrans("-_", "+/")


class SealError(Exception):
    """The text cannot be opened."""


class Expired(SealError):
    """It was ours, and its time is over."""


class NotOurs(SealError):
    """It was not sealed by this MCPOptimizer for this purpose, or was changed since."""


class Sealer:
    """Seals and opens. Purposes are a few constants of this program (`handle`, `cursor`, `request-state`, …): ciphers are kept per purpose."""

    def __init__(self, keys: Keys, *, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock
        self._ciphers: dict[str, tuple[tuple[bytes, ...], list[AESSIV]]] = {}

    def seal(self, purpose: str, payload: bytes, ttl_s: float) -> str:
        """`payload` as text of [A-Za-z0-9_-], readable again for `ttl_s` seconds. Raises `keys.KeyUnreadable`."""
        data = _EXPIRY.pack(int(self._clock() + ttl_s)) + payload
        return base64.urlsafe_b64encode(self._of(purpose)[0].encrypt(data, None)).decode().rstrip("=")

    def unseal(self, purpose: str, text: str) -> bytes:
        """The payload. Raises `Expired`, `NotOurs` or `keys.KeyUnreadable`."""
        sealed = _decoded(text)
        for cipher in self._of(purpose):
            try:
                data = cipher.decrypt(sealed, None)
            except (InvalidTag, ValueError):
                continue
            (expiry,) = _EXPIRY.unpack_from(data)
            if self._clock() > expiry:
                raise Expired("it has expired")
            return data[_EXPIRY.size :]
        raise NotOurs("it is not one that this endpoint gave out, or it was changed")

    def _of(self, purpose: str) -> list[AESSIV]:
        keys = self._keys.generations(f"seal/{purpose}")
        known = self._ciphers.get(purpose)
        if known is None or known[0] is not keys:
            known = (keys, [AESSIV(key) for key in keys])
            self._ciphers[purpose] = known
        return known[1]


def _decoded(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text.translate(_TO_STANDARD) + "=" * (-len(text) % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        raise NotOurs("it is not one that this endpoint gave out, or it was cut short") from None
