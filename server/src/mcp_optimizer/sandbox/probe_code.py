"""What the isolation probe runs in a sandbox: a job like any other that looks around and says what it sees. It judges nothing.

Sent as source, so it imports the standard library alone and nothing of this package.
"""

import contextlib
import ctypes
import os
import socket
import tempfile
from typing import Any

PR_GET_NO_NEW_PRIVS = 39
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
FOLDERS = ("/", "/etc", "/usr", "/tmp", "/var/tmp", "/dev/shm")


def look(addresses: dict[str, list[Any]]) -> dict[str, Any]:
    """Everything seen. `addresses`: host and port of what should be out of reach, by name."""
    status = _status()
    return {
        "kernel": _first_line("/proc/version"),
        "uid": os.getuid(),
        "seccomp": status.get("Seccomp", ""),
        "capabilities": status.get("CapEff", ""),
        "noNewPrivs": ctypes.CDLL(None).prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
        "writable": [folder for folder in FOLDERS if _writable(folder)],
        "diskFiles": _disk_files(),
        "token": os.path.exists(TOKEN),
        "environment": sorted(name for name in os.environ if name.startswith("KUBERNETES_"))[:10],
        "reached": [name for name, address in addresses.items() if _reaches(address)],
        "resolved": _resolves("kubernetes.default.svc.cluster.local"),
    }


def _status() -> dict[str, str]:
    with open("/proc/self/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def _first_line(path: str) -> str:
    try:
        with open(path) as file:
            return file.readline().strip()[:300]
    except OSError:
        return ""


def _writable(folder: str) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _disk_files(mounts: str = "/proc/self/mountinfo") -> list[str]:
    """Single files that the node has put into the Pod and that anybody may write to, like the kubelet's for last messages."""
    with open(mounts) as file:
        places = [line.split(" ")[4] for line in file]
    return [place[:200] for place in places if os.path.isfile(place) and os.access(place, os.W_OK)][:10]


def _reaches(address: list[Any]) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address[0], int(address[1])), timeout=0.5):
        return True
    return False


def _resolves(name: str) -> bool:
    try:
        socket.getaddrinfo(name, 443)
    except OSError:
        return False
    return True
