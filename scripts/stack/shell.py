"""Commands of other programs, with an error that shows what they said, and progress that shows how long each step takes."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class CommandError(RuntimeError):
    """A command failed; the message holds the command line and the end of its output."""


def run(*command: str | Path, stdin: str | None = None, timeout: float = 600) -> str:
    """Standard output of `command`, run in the checkout; raises CommandError when it fails or takes longer than `timeout` seconds."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=timeout, cwd=ROOT)
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{' '.join(words)}: no end after {timeout:.0f} s") from error
    if done.returncode:
        raise CommandError(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def devcluster(*words: str, timeout: float = 2700) -> str:
    """Output of the development cluster's command line; its progress goes straight to the terminal."""
    done = subprocess.run([sys.executable, "-m", "devcluster", *words], stdout=subprocess.PIPE, text=True, timeout=timeout, cwd=ROOT)
    if done.returncode:
        raise CommandError(f"python -m devcluster {' '.join(words)}: exit {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


@cache
def tool(name: str) -> str:
    """Path of a pinned binary, for example kubectl or helm."""
    return devcluster("tool", name).strip().splitlines()[-1]


@cache
def kubeconfig() -> str:
    """Path of the kubeconfig of the cluster in use."""
    return str(ROOT / devcluster("kubeconfig").strip().splitlines()[-1])


def kubectl(*words: str, stdin: str | None = None, timeout: float = 120) -> str:
    """Output of kubectl against the cluster in use."""
    return run(tool("kubectl"), "--kubeconfig", kubeconfig(), *words, stdin=stdin, timeout=timeout)


def get(kind: str, name: str = "", namespace: str = "default", selector: str = "") -> Any:
    """An object, or a list of objects when `name` is empty, as kubectl prints it in JSON."""
    words = ["-n", namespace, "get", kind, *([name] if name else []), *(["-l", selector] if selector else []), "-o", "json"]
    answer = json.loads(kubectl(*words))
    return answer if name else answer["items"]


def helm(*words: str, timeout: float = 600) -> str:
    """Output of helm against the cluster in use."""
    return run(tool("helm"), "--kubeconfig", kubeconfig(), *words, timeout=timeout)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print `title` when it starts and the seconds it took when it ends."""
    started = time.monotonic()
    print(f"==> {title}", flush=True)
    try:
        yield
    except BaseException:
        print(f"    failed after {time.monotonic() - started:.1f} s", flush=True)
        raise
    print(f"    {time.monotonic() - started:.1f} s", flush=True)
