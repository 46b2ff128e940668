"""What an image is made of: the files that count, their hash (the image's tag) and a build context that holds nothing else."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from scripts.images.catalogue import Image

# Raise it when the way of building changes the result although no input changed.
FORMAT = "1"
IGNORED = frozenset({"__pycache__", "node_modules", "build", "dist"})


def counts(path: Path) -> bool:
    """Caches, build output and hidden files are no part of an image."""
    return not path.name.startswith(".") and path.name not in IGNORED and not path.name.endswith((".egg-info", ".pyc"))


def walk(path: Path) -> Iterator[Path]:
    """The files at or below path that count, in a stable order."""
    if not path.is_dir():
        yield path
        return
    for child in sorted(path.iterdir()):
        if counts(child):
            yield from walk(child)


def files(image: Image, root: Path) -> dict[str, Path]:
    """Every input file of the image by its name in the build context."""
    context = root / image.context
    found: dict[str, Path] = {}
    for name in (image.dockerfile, *image.inputs):
        if not (context / name).exists():
            raise FileNotFoundError(f"image {image.name}: input {context / name} does not exist: fix scripts/images/catalogue.py")
        found |= {path.relative_to(context).as_posix(): path for path in walk(context / name)}
    return found


def mode(path: Path) -> int:
    """All that git keeps of a mode; a private umask on the host must not make an image unreadable for its own user."""
    return 0o755 if path.stat().st_mode & 0o100 else 0o644


def content_hash(image: Image, root: Path, base: str) -> str:
    """Twelve hex digits that change whenever the image would."""
    digest = hashlib.sha256()
    for part in (FORMAT, image.name, base):
        digest.update(part.encode() + b"\0")
    for name, path in sorted(files(image, root).items()):
        body = path.read_bytes()
        digest.update(f"{name}\0{mode(path):o}\0{len(body)}\0".encode() + body)
    return digest.hexdigest()[:12]


def stage(image: Image, root: Path, target: Path) -> None:
    """A build context of exactly the image's inputs, with the same modes on every machine."""
    target.chmod(0o755)
    for name, path in files(image, root).items():
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        for folder in copy.parents:
            if folder == target:
                break
            folder.chmod(0o755)
        shutil.copyfile(path, copy)
        copy.chmod(mode(path))
