"""Becomes one worker of the pool: takes its own rights away, then turns into the interpreter. Runs one job, then the pool ends it.

A worker is where a job that breaks out of the interpreter lands: it has two pipes to the child and a few system calls.
"""

import os
import resource
import sys
from pathlib import Path

from . import confine

FOLDERS = tuple(Path(folder) for folder in ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"))
ADDRESS_SPACE_BYTES = 512 * 1024 * 1024
"""The interpreter keeps a job's memory itself; this is for an interpreter that does not any more."""
CPU_SECONDS = 330
"""Of one worker, whose job may take at most 300 s."""


def interpreter() -> Path:
    """The program of the pinned package, beside the Python that runs us."""
    return Path(sys.executable).with_name("monty")


def main() -> None:
    """Never returns."""
    confine.gain_nothing()
    confine.bound({resource.RLIMIT_AS: ADDRESS_SPACE_BYTES, resource.RLIMIT_CPU: CPU_SECONDS, resource.RLIMIT_NOFILE: 16})
    program = interpreter()
    confine.confine_worker(FOLDERS, program)
    os.execve(program, [str(program), "subprocess"], {})
