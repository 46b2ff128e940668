"""Files that come with a run, written below the job's folder `in` before the code runs: by the agent, while nothing else of the Pod's acts.

What the folder has become in earlier runs of a session is the job's doing: each step is taken from an open folder and follows no link.
"""

import base64
import binascii
import contextlib
import errno
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .folders import open_folder
from .frames import FrameError

FOLDER = "in"
_NO_ROOM = "pass less, or raise spec.sandbox.diskLimit"
_IN_THE_WAY = "an earlier run has put something else in its place, remove that"
_ADVICE = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: _NO_ROOM,
    errno.EISDIR: _IN_THE_WAY,
    errno.ENOTDIR: _IN_THE_WAY,
}


@dataclass(frozen=True)
class Notice:
    """A file to come, its name checked."""

    name: str
    size: int


class Inbox:
    """Takes the bytes of all files in the order of the notices, in pieces of any size.

    A file that cannot be written is the `problem`, and nothing of it stays. The bytes that are on their way are taken all the same, and dropped.
    """

    def __init__(self, workdir: str, notices: tuple[Notice, ...]) -> None:
        self._workdir = workdir
        self._coming = deque(notices)
        self._file = -1
        self._name = ""
        self._left = 0
        self.problem: str | None = None

    def open(self) -> bool:
        """Make ready for the next bytes; True when there are none to come."""
        while self._left == 0:
            self.close()
            if not self._coming:
                return True
            notice = self._coming.popleft()
            self._name, self._left = notice.name, notice.size
            if self.problem is None:
                try:
                    self._file = _create(self._workdir, notice.name)
                except OSError as error:
                    self._give_up(error)
        return False

    def take(self, frame: dict[str, Any]) -> bool:
        """Write the bytes of a `file` frame; True when they were the last. FrameError when nobody waits for them."""
        data = frame.get("data")
        if not self._left or not isinstance(data, str):
            raise FrameError("a file that was not announced")
        try:
            content = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise FrameError("a file that is no base64") from None
        if not 0 < len(content) <= self._left:
            raise FrameError(f"{len(content)} bytes of a file of which {self._left} were left")
        self._left -= len(content)
        view = memoryview(content)
        try:
            while view and self.problem is None:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            self._give_up(error)
        return self.open()

    def _give_up(self, error: OSError) -> None:
        advice = _ADVICE.get(error.errno or 0, "see what the code has made of that folder, or start a new session")
        self.problem = f"the file {self._name!r} could not be written below in/ ({error.strerror}): {advice}"
        if self._file >= 0:
            self.close()
            with contextlib.suppress(OSError), _folder_of(self._workdir, self._name) as (folder, last):
                os.unlink(last, dir_fd=folder)

    def close(self) -> None:
        """Let go of the file that is open, if there is one."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@contextlib.contextmanager
def _folder_of(workdir: str, name: str) -> Iterator[tuple[int, str]]:
    """The folder that the file is to be in, made where it is missing, and the last part of its name."""
    folder = open_folder(workdir, None)
    *folders, last = FOLDER, *name.split("/")
    try:
        for part in folders:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=folder)
            below = open_folder(part, folder)
            os.close(folder)
            folder = below
        yield folder, last
    finally:
        os.close(folder)


def _create(workdir: str, name: str) -> int:
    """A new file in place of one that is there."""
    with _folder_of(workdir, name) as (folder, last):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(last, dir_fd=folder)
        return os.open(last, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=folder)
