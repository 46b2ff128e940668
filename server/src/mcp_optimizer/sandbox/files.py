"""Files on their way into a sandbox and out of it. What comes out is gathered and never looked into."""

import base64
import binascii
from collections.abc import Iterable
from typing import Final

from mcp_optimizer.lane import Artifact, JobFile, LeftOut
from mcp_optimizer.memory import Holding
from mcp_optimizer_api.filenames import why_no_name
from mcp_optimizer_api.job import Artifact as Piece
from mcp_optimizer_api.job import ArtifactLimits, File, FileNotice
from mcp_optimizer_api.job import LeftOut as Notice

from .wire import ProtocolError, Wire, encode

PIECE_BYTES: Final = 512 * 1024
MAX_LEFT_OUT: Final = 60
MAX_REASON: Final = 300


def notices(files: Iterable[JobFile]) -> list[FileNotice]:
    """What is told of them beforehand."""
    return [FileNotice(name=file.name, size=len(file.data)) for file in files]


async def send_files(wire: Wire, files: Iterable[JobFile]) -> None:
    """The bytes of all files, in the order in which they were announced. OSError when the connection is gone."""
    for file in files:
        for start in range(0, len(file.data), PIECE_BYTES):
            await wire.send(encode(File(data=base64.b64encode(file.data[start : start + PIECE_BYTES]).decode())))


class Intake:
    """The files of one run. `holding` is what its request may keep in memory; where it has no room, a file is left out."""

    def __init__(self, limits: ArtifactLimits | None, holding: Holding | None) -> None:
        self._limits = limits or ArtifactLimits(max_count=0, max_bytes=0)
        self._holding = holding
        self._bytes = 0
        self._files: dict[str, bytearray] = {}
        self._sizes: dict[str, int] = {}
        self._before: dict[str, int] = {}
        """Bytes that had come before a file."""
        self._no_room: set[str] = set()

    def take(self, piece: Piece) -> None:
        """The next piece. ProtocolError when our agent would not send it."""
        if piece.name not in self._files:
            self._begin(piece)
        elif piece.name != next(reversed(self._files)) or piece.size != self._sizes[piece.name] or not piece.data:
            raise ProtocolError("pieces of several artifacts at once")
        try:
            data = base64.b64decode(piece.data, validate=True)
        except (binascii.Error, ValueError):
            raise ProtocolError("an artifact that is no base64") from None
        file = self._files[piece.name]
        self._bytes += len(data)
        if self._bytes - self._before[piece.name] > piece.size or self._bytes > self._limits.max_bytes:
            raise ProtocolError(f"an artifact that is larger than its {piece.size} bytes, or than the limit of {self._limits.max_bytes}")
        if piece.name in self._no_room:
            return
        if self._holding is None or self._holding.hold_now(len(data)):
            file += data
        else:
            self._no_room.add(piece.name)
            self._holding.let_go(len(file))
            file.clear()

    def _begin(self, piece: Piece) -> None:
        if (why := why_no_name(piece.name)) is not None or len(self._files) >= self._limits.max_count:
            raise ProtocolError(f"an artifact that no agent of ours sends: {why or 'one too many'}")
        if not 0 <= piece.size <= self._limits.max_bytes:
            raise ProtocolError(f"an artifact of {piece.size} bytes, the limit is {self._limits.max_bytes}")
        self._files[piece.name], self._sizes[piece.name], self._before[piece.name] = bytearray(), piece.size, self._bytes

    def whole(self) -> tuple[Artifact, ...]:
        """The files that came whole."""
        return tuple(Artifact(name, bytes(data)) for name, data in self._files.items() if self._is_whole(name))

    def left_out(self, told: Iterable[Notice]) -> tuple[LeftOut, ...]:
        """The others, those that the agent told of among them."""
        found = [LeftOut(_shown(item.name), _shown(item.reason)) for item in told][:MAX_LEFT_OUT]
        for name in self._files:
            if not self._is_whole(name):
                no_room = "this replica had no memory left for it: leave it again in a moment"
                found.append(LeftOut(name, no_room if name in self._no_room else "it did not arrive whole"))
        return tuple(found)

    def _is_whole(self, name: str) -> bool:
        return name not in self._no_room and len(self._files[name]) == self._sizes[name]


def _shown(text: str) -> str:
    """What a sandbox says about itself, on one line."""
    return "".join(character if character.isprintable() else "?" for character in text[:MAX_REASON])
