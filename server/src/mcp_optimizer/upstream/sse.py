"""Server-sent events, parsed as they arrive: a reply is used when its event is complete, not when the stream ends."""

import re
from collections.abc import Iterator

_END_OF_EVENT = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE = re.compile(rb"\r\n|\n|\r")


class EventParser:
    """Feed bytes, get the data of complete events. The caller bounds how many bytes it feeds."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of the event that is not complete yet."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The `data` of each event that this chunk completes; events without data (comments, pings) are dropped."""
        searched = max(0, len(self._buffer) - 3)
        self._buffer += chunk
        while (end := _END_OF_EVENT.search(self._buffer, searched)) is not None:
            block = bytes(self._buffer[: end.start()])
            del self._buffer[: end.end()]
            searched = 0
            if data := _data(block):
                yield data


def _data(block: bytes) -> bytes:
    lines = (line for line in _LINE.split(block) if line.startswith(b"data:"))
    return b"\n".join(line[6:] if line.startswith(b"data: ") else line[5:] for line in lines)
