"""What the job prints: read from a pipe, bounded, forwarded as text. Whatever is over the limit is read and counted, never kept."""

import asyncio
import codecs
import os
from collections.abc import Callable

READ_BYTES = 64 * 1024
MAX_DRAIN_READS = 64
SMALL_BYTES = 4096
SMALL_GAP_SECONDS = 0.005
"""After a read of less than SMALL_BYTES: what a job prints byte by byte is gathered, or each byte would cost the server a frame."""


class OutputPump:
    """One of stdout and stderr."""

    def __init__(self, descriptor: int, limit: int, emit: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._left = limit
        self._emit = emit
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._reading = False
        self._paused = True
        self._gap: asyncio.TimerHandle | None = None
        self._open = True
        self.truncated = 0

    def start(self) -> None:
        """Read whenever there is something."""
        self.pause(False)

    def pause(self, paused: bool) -> None:
        """Stop or go on; a job whose output is not taken blocks in print."""
        self._paused = paused
        self._watch()

    def _watch(self) -> None:
        """Wait for output while somebody takes it and the last of it was not just read."""
        loop = asyncio.get_running_loop()
        wanted = self._open and not self._paused and self._gap is None
        if self._reading and not wanted:
            loop.remove_reader(self._descriptor)
        elif wanted and not self._reading:
            loop.add_reader(self._descriptor, self._read_and_gather)
        self._reading = wanted

    def _read_and_gather(self) -> None:
        if 0 < self._read_some() < SMALL_BYTES:
            self._gap = asyncio.get_running_loop().call_later(SMALL_GAP_SECONDS, self._gap_over)
            self._watch()

    def _gap_over(self) -> None:
        self._gap = None
        self._watch()

    def finish(self) -> None:
        """Take what is in the pipe now and stop. Bounded: a job that still prints cannot keep us here."""
        for _ in range(MAX_DRAIN_READS):
            if not self._open or not self._read_some():
                break
        self._deliver(b"", final=True)
        self._open = False
        self._watch()

    def _read_some(self) -> int:
        """How many bytes there were; 0 when there is nothing now, or nothing more."""
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            data = b""
        if not data:
            self._open = False
            self._watch()
            return 0
        kept = data[: self._left]
        self._left -= len(kept)
        self.truncated += len(data) - len(kept)
        self._deliver(kept)
        return len(data)

    def _deliver(self, data: bytes, *, final: bool = False) -> None:
        text = self._decode(data, final)
        if text:
            self._emit(text)
