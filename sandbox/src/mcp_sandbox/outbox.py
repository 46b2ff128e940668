"""Files that a job left in its folder `artifacts`, read when every process of the job is dead or stands still, so that nothing changes
under the walk.

The names and whatever lies behind them are hostile: each step is taken from an open folder and follows no link, and only regular files
with one name are read.
"""

import base64
import hashlib
import os
import stat
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from itertools import islice

from .filenames import MAX_PARTS, printable, why_no_name
from .folders import open_folder
from .frames import encode

FOLDER = "artifacts"
PIECE_BYTES = 256 * 1024
MAX_SEEN = 1000
"""Names that are looked at. More are a flood, not files that somebody wants."""
MAX_LEFT_OUT = 50
"""Names that the report tells of."""
_KINDS = ((stat.S_ISLNK, "a symbolic link"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


@dataclass(frozen=True)
class Taken:
    """A file as it was when it was taken.

    Whoever rewrites or touches it changes its stamp (number, size, time of the last change), and it is taken again. Stores through a
    mapping, and a second change within a tick of the kernel's clock, show in the digest alone.
    """

    stamp: tuple[int, int, int]
    digest: bytes


@dataclass(frozen=True)
class OutboxLimits:
    """Bounds on what is taken of one run."""

    max_count: int
    max_bytes: int


class Outbox:
    """`frames` reads the files; `left_out` then tells of the others, with reasons, and `taken` what a later look need not take again."""

    def __init__(self, workdir: str, limits: OutboxLimits, known: Mapping[str, Taken]) -> None:
        """`known`: what was taken in earlier runs and is left where it is if nobody has changed it since."""
        self._workdir = workdir
        self._limits = limits
        self._known = known
        self.taken: dict[str, Taken] = {}
        self._bytes = limits.max_bytes
        self._files = limits.max_count
        self._compared = limits.max_bytes
        """Bytes that are read only to see whether they have changed. Beyond, their stamps are believed."""
        self._seen = 0
        self.left_out: list[dict[str, str]] = []

    def is_empty(self) -> bool:
        """Whether nothing lies there, which is usual and costs one look."""
        try:
            with os.scandir(os.path.join(self._workdir, FOLDER)) as entries:
                return next(entries, None) is None
        except OSError:
            return True

    def frames(self) -> Generator[bytes, None, None]:
        """Pieces of the files, each file's in order, the files by name. Never raises."""
        try:
            folder = open_folder(os.path.join(self._workdir, FOLDER), None)
        except OSError as error:
            self._leave_out(FOLDER, f"it cannot be opened: {error.strerror}")
            return
        yield from self._walk(folder, "")

    def cut_short(self, reason: str) -> None:
        """The rest is not read: what was known of it stays so."""
        self.left_out.append({"name": "…", "reason": reason})
        self.taken = {**self._known, **self.taken}

    def _walk(self, folder: int, prefix: str) -> Generator[bytes, None, None]:
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in islice(entries, MAX_SEEN + 1))
            for name in names:
                self._seen += 1
                if self._seen > MAX_SEEN:
                    self._leave_out(prefix or FOLDER, f"there are more than {MAX_SEEN} names, the others were not looked at")
                    return
                yield from self._entry(folder, name, prefix + name)
        except OSError as error:
            self._leave_out(prefix or FOLDER, f"it cannot be read: {error.strerror}")
        finally:
            os.close(folder)

    def _entry(self, folder: int, name: str, path: str) -> Generator[bytes, None, None]:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                if path.count("/") + 1 >= MAX_PARTS:
                    self._leave_out(path, f"it lies more than {MAX_PARTS - 1} folders deep")
                else:
                    yield from self._walk(open_folder(name, folder), f"{path}/")
                return
            stamp, known = (found.st_ino, found.st_size, found.st_ctime_ns), self._known.get(path)
            if known is not None and known.stamp == stamp and self._is_unchanged(_open_file(name, folder), known):
                self.taken[path] = known
                return
            if (reason := self._why_not(path, found)) is not None:
                self._leave_out(path, reason)
                return
            self.taken[path] = Taken(stamp, (yield from self._read(_open_file(name, folder), path)))
        except OSError as error:
            self._leave_out(path, f"it cannot be read: {error.strerror}")

    def _why_not(self, path: str, found: os.stat_result) -> str | None:
        if not stat.S_ISREG(found.st_mode):
            return f"it is {next((word for is_kind, word in _KINDS if is_kind(found.st_mode)), 'a device')}, not a regular file"
        if found.st_nlink > 1:
            return f"it has {found.st_nlink} names (hard links)"
        if (reason := why_no_name(path)) is not None:
            return reason
        if self._files < 1:
            return f"at most {self._limits.max_count} files are taken (spec.sandbox.artifacts.maxCount)"
        if found.st_size > self._bytes:
            return (
                f"it has {found.st_size} bytes, and of {self._limits.max_bytes} for all files"
                f" (spec.sandbox.artifacts.maxBytes) {self._bytes} are left"
            )
        return None

    def _is_unchanged(self, file: int, known: Taken) -> bool:
        with open(file, "rb") as opened:
            self._compared -= known.stamp[1]
            return self._compared < 0 or hashlib.file_digest(opened, "sha256").digest() == known.digest

    def _read(self, file: int, path: str) -> Generator[bytes, None, bytes]:
        """Its pieces; returns its digest."""
        digest = hashlib.sha256()
        try:
            size = left = os.fstat(file).st_size
            self._files -= 1
            self._bytes -= size
            while True:
                data = os.read(file, min(left, PIECE_BYTES)) if left else b""
                left -= len(data)
                digest.update(data)
                yield encode({"type": "artifact", "name": path, "size": size, "data": base64.b64encode(data).decode()})
                if not left or not data:
                    return digest.digest()
        finally:
            os.close(file)

    def _leave_out(self, name: str, reason: str) -> None:
        if len(self.left_out) < MAX_LEFT_OUT:
            self.left_out.append({"name": printable(name), "reason": reason})
        elif len(self.left_out) == MAX_LEFT_OUT:
            self.left_out.append({"name": "…", "reason": "more were left out"})


def _open_file(name: str, folder: int) -> int:
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
