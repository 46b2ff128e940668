"""Large results and files of jobs, kept by the replica that got them: a client sees a part, and fetches the rest only when it needs it."""

from dataclasses import dataclass
from typing import Final

from mcp_optimizer.errors import BAD_REQUEST, NOT_FOUND, CallFailure
from mcp_optimizer.seal import Sealer

from .locator import Locator, Words
from .peers import Answer, Peers, Question
from .store import Store

KEEP_SECONDS: Final = 600.0
MAX_BYTES: Final = 20 * 1024 * 1024
"""Of all results that one replica keeps."""
MAX_RESULTS: Final = 1000
MAX_CHUNK: Final = 1024 * 1024
_WORDS: Final = Words(
    expired=f"the handle has expired after {KEEP_SECONDS:g} s: run the call again",
    not_ours="that is no handle of this endpoint: copy it exactly from the answer that had it",
    not_ours_code=BAD_REQUEST,
)
_FORGOTTEN: Final = "the result is no longer kept (newer ones needed the room, or its replica restarted): run the call again"
_NO_TEXT: Final = "that file is no text: read it as the resource artifact:///HANDLE, or give it to a job with files"
MAX_CONTINUATION: Final = 3
"""Bytes of a character behind its first. More of them are no text, and may go on for megabytes."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a kept text, cut between characters. `next` is the offset to go on from; None at the end."""

    text: str
    offset: int
    next: int | None
    total: int
    """Bytes of the whole."""


class Handles:
    """This replica's results, and the way to those of others."""

    def __init__(self, sealer: Sealer, peers: Peers) -> None:
        self._locator = Locator("handle", sealer, peers, _WORDS)
        self._peers = peers
        self.kept: Store[bytes] = Store(max_entries=MAX_RESULTS, max_bytes=MAX_BYTES)
        peers.offer("read", self._read_here)
        peers.offer("read-bytes", self._bytes_here)

    def put(self, data: bytes) -> str | None:
        """A handle that reads `data` on any replica for ten minutes; None when it is larger than all that is kept."""
        name = self.kept.put(data, len(data), KEEP_SECONDS)
        return self._locator.handle(name, KEEP_SECONDS) if name is not None else None

    def take_back(self, handle: str) -> None:
        """Forget what `put` kept here."""
        _, name = self._locator.find(handle)
        self.kept.forget(name)

    def touch(self, handle: str) -> None:
        """The last one to make room, if it is kept here. Raises `CallFailure` as `fetch` does."""
        _, name = self._locator.find(handle)
        self.kept.get(name)

    async def read(self, handle: str, offset: int, limit: int) -> Chunk:
        """Of a text: at most `limit` bytes from byte `offset` on, at least one character. Raises `CallFailure`: 400 not ours, 404 expired or gone."""
        owner, name = self._locator.find(handle)
        question = {"id": name.hex(), "offset": offset, "limit": limit}
        fields, data = await self._peers.ask(owner, "read", question)
        try:
            return Chunk(data.decode(), fields["offset"], fields["next"], fields["total"])
        except UnicodeDecodeError:
            raise CallFailure(BAD_REQUEST, _NO_TEXT) from None

    async def fetch(self, handle: str) -> bytes:
        """All of it, as it was kept. Raises `CallFailure`: 400 not ours, 404 expired or gone."""
        owner, name = self._locator.find(handle)
        _, data = await self._peers.ask(owner, "read-bytes", {"id": name.hex()})
        return data

    async def _bytes_here(self, question: Question) -> Answer:
        data = self.kept.get(bytes.fromhex(question["id"]))
        if data is None:
            raise CallFailure(NOT_FOUND, _FORGOTTEN)
        return {}, data

    async def _read_here(self, question: Question) -> Answer:
        data = self.kept.get(bytes.fromhex(question["id"]))
        if data is None:
            raise CallFailure(NOT_FOUND, _FORGOTTEN)
        offset, limit = question["offset"], question["limit"]
        if not 0 <= offset <= len(data):
            raise CallFailure(BAD_REQUEST, f"offset is {offset}: the result has {len(data)} bytes")
        if limit < 1:
            raise CallFailure(BAD_REQUEST, f"limit is {limit}: ask for 1 byte or more")
        start = _boundary(data, offset)
        end = _boundary(data, max(min(start + min(limit, MAX_CHUNK), len(data)), start), back=True)
        if end == start:
            end = _boundary(data, min(start + 1, len(data)))
        return {"offset": start, "next": end if end < len(data) else None, "total": len(data)}, data[start:end]


def _boundary(data: bytes, position: int, *, back: bool = False) -> int:
    """The nearest position between two characters of UTF-8 text."""
    for _ in range(MAX_CONTINUATION):
        if not (0 < position < len(data) and data[position] & 0xC0 == 0x80):
            break
        position += -1 if back else 1
    return position
