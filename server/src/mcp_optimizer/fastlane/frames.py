"""The child's end of one job's connection: the frames of `mcp_optimizer_api.job`, with nothing but the standard library.

The same shapes and bounds as a sandbox Pod's agent, so that the server reads both with the same care.
"""

import json
import socket
import struct
import threading
from typing import Any

MAX_FRAME_BYTES = 4 * 1024 * 1024
MAX_CALL_BYTES = 1024 * 1024
MAX_DEPTH = 64
HEADER = struct.Struct(">I")


def encode(frame: dict[str, Any]) -> bytes:
    """One frame, ready to send. ValueError and TypeError for what is no JSON."""
    body = json.dumps(frame, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {len(body)} bytes is over the limit of {MAX_FRAME_BYTES}")
    return HEADER.pack(len(body)) + body


def too_deep(value: Any) -> bool:
    """Whether a value is nested more than `MAX_DEPTH` levels. Iterative: it may be hostile."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for item in level
            if isinstance(item, dict | list | tuple)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


class Channel:
    """One connection. One thread receives; any may send."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()

    def send(self, frame: bytes) -> None:
        """Send one frame whole. OSError when the server is gone."""
        with self._lock:
            self._sock.sendall(frame)

    def receive(self) -> dict[str, Any]:
        """The next frame. EOFError or OSError when the server is gone; it is the trusted side."""
        (length,) = HEADER.unpack(self._read(HEADER.size))
        frame = json.loads(self._read(length))
        assert isinstance(frame, dict)
        return frame

    def close(self) -> None:
        """End the conversation, for a thread that receives as well."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            data = self._sock.recv(min(size - len(parts), 1 << 20))
            if not data:
                raise EOFError
            parts += data
        return bytes(parts)
