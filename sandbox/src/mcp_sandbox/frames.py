"""Frames: a 4-byte big-endian length, then that many bytes of UTF-8 JSON. The same on the network and towards the worker.

The shapes are those of `mcp_optimizer_api.job`; this package may not import it, because nothing but the standard library runs in a
sandbox. A test validates every frame the agent sends against those models.
"""

import json
import struct
from collections.abc import Iterator
from typing import Any

MAX_FRAME_BYTES = 4 * 1024 * 1024
MAX_CALL_BYTES = 1024 * 1024
MAX_DEPTH = 64
HEADER = struct.Struct(">I")


class FrameError(ValueError):
    """The peer sent something that is no frame."""


def encode(frame: dict[str, Any]) -> bytes:
    """One frame, ready to send. Lone surrogates, which UTF-8 cannot carry, become question marks."""
    body = json.dumps(frame, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    return frame_of(body)


def frame_of(body: bytes) -> bytes:
    """A frame around JSON that is encoded already."""
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {len(body)} bytes is over the limit of {MAX_FRAME_BYTES}")
    return HEADER.pack(len(body)) + body


def decode(body: bytes) -> dict[str, Any]:
    """The object in a frame's body; FrameError for anything else, whatever the bytes are."""
    try:
        frame = json.loads(body)
    except (ValueError, RecursionError, MemoryError) as error:
        raise FrameError(f"not JSON: {type(error).__name__}") from None
    if not isinstance(frame, dict):
        raise FrameError("not a JSON object")
    return frame


def too_deep(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Whether lists and objects are nested more than `limit` levels. Iterative: the value may be hostile."""
    level = [value]
    for _ in range(limit + 1):
        level = [child for item in level if isinstance(item, dict | list) for child in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return False
    return True


class FrameSplitter:
    """Cuts a byte stream into frame bodies and never holds more than one frame of the allowed size plus one read."""

    def __init__(self, limit: int = MAX_FRAME_BYTES) -> None:
        self._limit = limit
        self._buffer = bytearray()

    @property
    def held(self) -> int:
        """Bytes of a frame that is not complete yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies that are complete now. FrameError when a length is out of bounds."""
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            (length,) = HEADER.unpack_from(self._buffer)
            if not 0 < length <= self._limit:
                raise FrameError(f"frame length {length} is not between 1 and {self._limit}")
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            yield body
