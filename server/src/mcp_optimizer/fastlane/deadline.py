"""What ends a job from outside: the server's word or its absence, and the clock."""

import queue
import signal
import threading
from typing import Any, Final

from .frames import Channel

ENDED: Final = None
"""In the queue of answers: nothing more comes."""


class Watch:
    """Receives for a job while its code runs elsewhere, and kills its worker when the job must end."""

    def __init__(self, channel: Channel, worker: int, seconds: float) -> None:
        """`worker` is a pidfd, which can never mean another process."""
        self.answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.why = ""
        """`timeout` or `cancelled` once the worker was killed for it."""
        self._channel = channel
        self._worker = worker
        self._lock = threading.Lock()
        self._over = False
        self._timer = threading.Timer(seconds, self._kill, ["timeout"])
        self._timer.daemon = True
        self._reader = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        """From now on."""
        self._timer.start()
        self._reader.start()

    def stop(self) -> None:
        """The code has ended by itself."""
        with self._lock:
            self._over = True
        self._timer.cancel()

    def _read(self) -> None:
        try:
            while (frame := self._channel.receive()).get("type") == "callResult":
                self.answers.put(frame)
        except (EOFError, OSError, ValueError):
            pass
        self._kill("cancelled")

    def _kill(self, why: str) -> None:
        with self._lock:
            if self._over:
                return
            self._over = True
            self.why = why
            try:
                signal.pidfd_send_signal(self._worker, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.answers.put(ENDED)
