"""Base images made on this machine from Debian packages, for machines without a Docker engine and without a registry.

They stand in for the `python:…-slim` and `node:…-slim` images that the Dockerfiles name, and offer what those rely on: python3
with venv, or node. Remove the cache folder to build them again with newer packages.
"""

import hashlib
from pathlib import Path

from scripts.images.catalogue import Base

# The reference server of the protocol needs a newer node than bookworm has: its initialize fails on 18.
SUITES: dict[Base, str] = {"python": "bookworm", "node": "trixie"}
PACKAGES: dict[Base, tuple[str, ...]] = {
    "python": ("python3", "python3-venv", "ca-certificates"),
    "node": ("nodejs", "ca-certificates"),
}
# Documentation and translations are a fifth of a minimal Debian.
OPTIONS = (
    "--variant=minbase",
    # Merges /usr from the start; the package that would do it later brings all of Perl, a quarter of the image.
    "--hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
)
DOCKERFILE = 'FROM scratch\nADD base.tar /\nCMD ["/bin/sh"]\n'


def bootstrap_command(base: Base, target: Path) -> list[str]:
    """Makes the root file system as a tar archive."""
    return ["mmdebstrap", *OPTIONS, f"--include={','.join(PACKAGES[base])}", SUITES[base], str(target)]


def base_ref(base: Base) -> str:
    """The local name of a base image; the tag follows its recipe."""
    recipe = "\0".join([*bootstrap_command(base, Path("base.tar")), DOCKERFILE])
    return f"localhost/mcp-base-{base}:{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
