"""`kubectl port-forward` as a context: how a client outside the cluster reaches a Service on every provider."""

import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from .shell import CommandError, kubeconfig, tool

FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


@contextmanager
def forward(target: str, port: int, namespace: str) -> Iterator[int]:
    """Local port that leads to `target` (`svc/NAME` or `pod/NAME`) while the context is open."""
    with tempfile.TemporaryFile("w+") as output:
        command = [
            tool("kubectl"),
            "--kubeconfig",
            kubeconfig(),
            "-n",
            namespace,
            "port-forward",
            "--address",
            "127.0.0.1",
            target,
            f":{port}",
        ]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield _local_port(process, output, target)
        finally:
            process.terminate()
            process.wait(10)


def _local_port(process: "subprocess.Popen[bytes]", output: TextIO, target: str) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        output.seek(0)
        said = output.read()
        if found := FORWARDING.search(said):
            return int(found.group(1))
        if process.poll() is not None:
            raise CommandError(f"port-forward to {target} ended: {said}")
        time.sleep(0.05)
    raise CommandError(f"port-forward to {target}: no port after 30 s")
