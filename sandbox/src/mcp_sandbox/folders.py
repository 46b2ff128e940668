"""Folders that a job may have replaced by something else."""

import errno
import os
import stat


def open_folder(name: str, folder: int | None) -> int:
    """Looked at first, while nothing can change it: gVisor opens a link to a folder whatever O_NOFOLLOW says. OSError when it is none."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
