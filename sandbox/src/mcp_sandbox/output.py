"""What the job prints: read from a pipe, bounded, forwarded as text. Whatever is over the limit is read and counted, never kept."""

import asyncio
import codecs
import os
from collections.abc import Callable

READ_BYTES = 64 * 1024
MAX_DRAIN_READS = 64


class OutputPump:
    """One of stdout and stderr."""

    def __init__(self, descriptor: int, limit: int, emit: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._left = limit
        self._emit = emit
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._reading = False
        self._open = True
        self.truncated = 0

    def start(self) -> None:
        """Read whenever there is something."""
        self.pause(False)

    def pause(self, paused: bool) -> None:
        """Stop or go on; a job whose output is not taken blocks in print."""
        loop = asyncio.get_running_loop()
        if paused and self._reading:
            loop.remove_reader(self._descriptor)
            self._reading = False
        elif not paused and not self._reading and self._open:
            loop.add_reader(self._descriptor, self._read_some)
            self._reading = True

    def finish(self) -> None:
        """Take what is in the pipe now and stop. Bounded: a job that still prints cannot keep us here."""
        for _ in range(MAX_DRAIN_READS):
            if not self._open or not self._read_some():
                break
        self._deliver(b"", final=True)
        self.pause(True)
        self._open = False

    def _read_some(self) -> bool:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if not data:
            self.pause(True)
            self._open = False
            return False
        kept = data[: self._left]
        self._left -= len(kept)
        self.truncated += len(data) - len(kept)
        self._deliver(kept)
        return True

    def _deliver(self, data: bytes, *, final: bool = False) -> None:
        text = self._decode(data, final)
        if text:
            self._emit(text)
