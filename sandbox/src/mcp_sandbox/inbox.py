"""Files that come with a job, written below its folder `in` before its code runs: by the agent, while nothing else of the Pod's acts."""

import base64
import binascii
import os
from collections import deque
from dataclasses import dataclass
from typing import Any

from .frames import FrameError

FOLDER = "in"


@dataclass(frozen=True)
class Notice:
    """A file to come, its name checked."""

    name: str
    size: int


class Inbox:
    """Takes the bytes of all files in the order of the notices, in pieces of any size."""

    def __init__(self, workdir: str, notices: tuple[Notice, ...]) -> None:
        self._workdir = workdir
        self._coming = deque(notices)
        self._file = -1
        self._left = 0

    def open(self) -> bool:
        """Make ready for the next bytes; True when there are none to come. OSError when there is no room."""
        while self._left == 0:
            self.close()
            if not self._coming:
                return True
            notice = self._coming.popleft()
            self._file, self._left = _create(self._workdir, notice.name), notice.size
        return False

    def take(self, frame: dict[str, Any]) -> bool:
        """Write the bytes of a `file` frame; True when they were the last. FrameError, or OSError when there is no room."""
        data = frame.get("data")
        if self._file < 0 or not isinstance(data, str):
            raise FrameError("a file that was not announced")
        try:
            content = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise FrameError("a file that is no base64") from None
        if not 0 < len(content) <= self._left:
            raise FrameError(f"{len(content)} bytes of a file of which {self._left} were left")
        view = memoryview(content)
        while view:
            view = view[os.write(self._file, view) :]
        self._left -= len(content)
        return self.open()

    def close(self) -> None:
        """Let go of the file that is open, if there is one."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _create(workdir: str, name: str) -> int:
    """A new file, every folder on the way to it opened without following a link."""
    folder = os.open(os.path.join(workdir, FOLDER), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    *folders, last = name.split("/")
    try:
        for part in folders:
            try:
                os.mkdir(part, 0o755, dir_fd=folder)
            except FileExistsError:
                pass
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.open(last, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=folder)
    finally:
        os.close(folder)
