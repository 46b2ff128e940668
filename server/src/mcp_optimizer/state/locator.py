"""Sealed handles: which replica keeps a thing, and under which name there. Nobody can make one up or read one."""

from dataclasses import dataclass

from mcp_optimizer.errors import NOT_FOUND, UNAVAILABLE, CallFailure
from mcp_optimizer.keys import KeyUnreadable
from mcp_optimizer.seal import Expired, NotOurs, Sealer

from .address import Address
from .peers import Peers
from .store import ID_BYTES


@dataclass(frozen=True, slots=True)
class Words:
    """What a client reads when its handle leads nowhere; both say what to do."""

    expired: str
    not_ours: str
    not_ours_code: int = NOT_FOUND


class Locator:
    """Handles of one purpose (see `Sealer`)."""

    def __init__(self, purpose: str, sealer: Sealer, peers: Peers, words: Words) -> None:
        self._purpose = purpose
        self._sealer = sealer
        self._peers = peers
        self._words = words

    def handle(self, name: bytes, ttl_s: float) -> str:
        """The handle of what this replica keeps under `name`. Raises `KeyUnreadable`."""
        return self._sealer.seal(self._purpose, name + self._peers.address.pack(), ttl_s)

    def find(self, handle: str) -> tuple[Address, bytes]:
        """The replica and the name there. Raises `CallFailure`: 404 expired or not ours (or the code of `Words`), 503 without a key."""
        try:
            opened = self._sealer.unseal(self._purpose, handle)
            return Address.unpack(opened[ID_BYTES:]), opened[:ID_BYTES]
        except Expired:
            raise CallFailure(NOT_FOUND, self._words.expired) from None
        except (NotOurs, ValueError):
            raise CallFailure(self._words.not_ours_code, self._words.not_ours) from None
        except KeyUnreadable as error:
            raise CallFailure(UNAVAILABLE, str(error)) from None
