"""What a build borrows from the machine it runs on: package index settings and CA bundle, mounted while building, never stored.

A machine behind a company's proxy or mirror has them configured for pip and npm already. Settings whose value only makes sense
on the host (folders of wheels, caches) are left out.
"""

import ast
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CA_IN_BUILD = "/run/host-ca.crt"
PIP_FILE = "/etc/pip.conf"
NPM_FILE = "/etc/npmrc"
"""Dockerfiles pass it to npm as its global configuration; whether it is there or not makes no difference to npm."""
PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries")
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


@dataclass(frozen=True)
class Mount:
    """A host file shown to the build at another path."""

    source: Path
    target: str


def output(*command: str) -> str:
    """What a command prints; nothing when it is missing or fails, since all of this is optional."""
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def parse_pip(listing: str) -> dict[str, str]:
    """The settings of `pip config list`; the environment's win over those of files, as they do for pip."""
    found: dict[str, str] = {}
    lines = [line for line in listing.splitlines() if "=" in line]
    for line in sorted(lines, key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in ("global", "install", ":env:"):
            found[key] = str(ast.literal_eval(value))
    return found


def pip_settings() -> dict[str, str]:
    """How pip is set up here, asked of pip itself."""
    listing = output(sys.executable, "-m", "pip", "config", "list") or output("python3", "-m", "pip", "config", "list")
    return parse_pip(listing)


def ca_bundle(pip: dict[str, str]) -> Path | None:
    """The first configured CA bundle that exists."""
    candidates = [pip.get("cert"), *(os.environ.get(name) for name in CA_VARIABLES)]
    return next((Path(name).resolve() for name in candidates if name and Path(name).is_file()), None)


def pip_file(pip: dict[str, str], *, ca: bool) -> str:
    """A pip.conf with what a build needs of the host's."""
    lines = ["[global]", "disable-pip-version-check = 1", "root-user-action = ignore"]
    lines += [f"{key} = {' '.join(pip[key].split())}" for key in PIP_KEYS if key in pip]
    return "\n".join([*lines, f"cert = {CA_IN_BUILD}"] if ca else lines) + "\n"


def npm_file(registry: str, *, ca: bool) -> str:
    """The same for npm."""
    lines = ["update-notifier=false"]
    lines += [f"registry={registry}"] if registry.startswith("http") else []
    return "\n".join([*lines, f"cafile={CA_IN_BUILD}"] if ca else lines) + "\n"


def mounts(folder: Path) -> list[Mount]:
    """Write the borrowed settings into a private folder and say where a build wants to see them."""
    pip = pip_settings()
    ca = ca_bundle(pip)
    registry = output("npm", "config", "get", "registry").strip()
    wanted = {
        PIP_FILE: pip_file(pip, ca=ca is not None),
        NPM_FILE: npm_file(registry, ca=ca is not None),
    }
    if ca:
        wanted[CA_IN_BUILD] = ca.read_text(encoding="utf-8", errors="replace")
    found = []
    for number, (target, body) in enumerate(wanted.items()):
        source = folder / f"mount-{number}"
        source.touch(mode=0o600)
        source.write_text(body, encoding="utf-8")
        found.append(Mount(source, target))
    return found
