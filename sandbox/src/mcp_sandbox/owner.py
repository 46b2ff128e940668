"""The server that claimed this Pod, whichever connection it is on.

A connection may break between a `start` and the answer to it. The server then cannot know whether its job runs, and asks again with the same job
id. As long as it has shown no sign of having heard from us, everything sent to it is kept, so that the second connection gets it all from the
beginning and the job runs once. Its first frame is that sign; from then on a lost connection ends the job.
"""

from collections.abc import Callable

from .stream import FrameStream

RETURN_SECONDS = 0.5
"""How long a server may take to come back. Its job runs on meanwhile, so that is also how long one outlives a server that died."""
KEPT_BYTES = 1024 * 1024


class Owner:
    """What the job's side sends, and where to."""

    def __init__(self, stream: FrameStream) -> None:
        self.stream = stream
        self._kept: list[bytes] | None = []
        self._size = 0
        self._end: tuple[bytes, Callable[[], None]] | None = None

    @property
    def may_return(self) -> bool:
        """Whether a second connection can still take over without missing anything."""
        return self._kept is not None

    def heard(self) -> None:
        """It sent something after its `start`: it knows that the job is its own."""
        self._kept = None

    def send(self, data: bytes) -> None:
        """A frame for the server."""
        if self._kept is not None:
            self._size += len(data)
            self._kept.append(data)
            if self._size > KEPT_BYTES:
                self._kept = None
        self.stream.send(data)

    def end_with(self, data: bytes, delivered: Callable[[], None]) -> None:
        """The last frame; told when the server has closed the connection after it."""
        self._end = (data, delivered)
        stream = self.stream
        stream.end_with(data, lambda: self._closed(stream))

    def take_over(self, stream: FrameStream) -> None:
        """The server is on this connection now: say everything again."""
        before, self.stream = self.stream, stream
        before.abort()
        for data in self._kept or ():
            stream.send(data)
        if self._end is not None:
            self.end_with(*self._end)

    def _closed(self, stream: FrameStream) -> None:
        if self._end is not None and stream is self.stream and not (stream.broken and self.may_return):
            self._end[1]()
