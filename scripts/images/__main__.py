"""Build what changed, say where it is: a table for people, `.build/images.json` for programs.

An image's tag is the hash of its inputs. An archive of that name in the user's cache is therefore up to date by definition, a second
run builds nothing, and a cluster that holds the tag holds this very image.
"""

import argparse
import fcntl
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.images import catalogue, content, engines
from scripts.images.catalogue import Image

ROOT = Path(__file__).resolve().parents[2]
KEPT_PER_IMAGE = 3


@dataclass(frozen=True)
class Target:
    """One image as this checkout wants it."""

    image: Image
    ref: str
    archive: Path


def cache_folder() -> Path:
    """Shared by all checkouts of the user."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "mcp-devcluster" / "images"


def targets(images: tuple[Image, ...], engine: engines.Engine, cache: Path) -> list[Target]:
    """Name and place of every image, from its inputs."""
    found = []
    for image in images:
        tag = content.content_hash(image, ROOT, engine.base_id(image.base))
        found.append(Target(image, f"localhost/{image.name}:{tag}", cache / "archives" / f"{image.name}-{tag}.tar"))
    return found


@contextmanager
def locked(cache: Path) -> Iterator[None]:
    """One build at a time in this cache; a second checkout waits and then finds the work done."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build(target: Target, engine: engines.Engine, logs: Path) -> None:
    """Build one image; its archive appears whole or not at all."""
    started = time.monotonic()
    log = logs / f"{target.image.name}.log"
    log.unlink(missing_ok=True)
    target.archive.parent.mkdir(parents=True, exist_ok=True)
    partial = target.archive.with_suffix(f".{os.getpid()}.partial")
    try:
        with tempfile.TemporaryDirectory(prefix="mcp-context-") as folder:
            content.stage(target.image, ROOT, Path(folder))
            if not target.ref.endswith(f":{content.content_hash(target.image, ROOT, engine.base_id(target.image.base))}"):
                raise engines.BuildFailed(f"files of {target.image.name} changed while it was being built: run it again")
            engine.build(target.image, Path(folder), target.ref, partial, log)
        partial.rename(target.archive)
    finally:
        partial.unlink(missing_ok=True)
    print(f"  {target.image.name} built in {time.monotonic() - started:.1f} s", flush=True)


def build_all(missing: list[Target], engine: engines.Engine, cache: Path, logs: Path) -> None:
    """Bases first, two at a time: downloads of one hide the unpacking of the other."""
    logs.mkdir(parents=True, exist_ok=True)
    wanted = sorted({target.image.base for target in missing})
    print(f"building {', '.join(target.image.name for target in missing)} (logs in {logs})", flush=True)
    with locked(cache), ThreadPoolExecutor(max_workers=2) as pool:
        for left_over in cache.glob("archives/*.partial"):
            left_over.unlink()
        engine.open()
        try:
            list(pool.map(lambda base: engine.prepare(base, logs / f"base-{base}.log"), wanted))
            list(pool.map(lambda target: build(target, engine, logs), [target for target in missing if not target.archive.exists()]))
        finally:
            engine.close()


def prune(target: Target) -> None:
    """Keep the newest few archives of each image; they are large."""
    target.archive.touch()
    archives = sorted(target.archive.parent.glob(f"{target.image.name}-????????????.tar"), key=lambda path: path.stat().st_mtime)
    for old in archives[:-KEPT_PER_IMAGE]:
        old.unlink(missing_ok=True)


def report(found: list[Target], manifest: Path) -> None:
    """The table and the manifest; images not named this time keep their entries."""
    known = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    known |= {target.image.name: {"ref": target.ref, "archive": str(target.archive)} for target in found}
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    width = max(len(target.ref) for target in found)
    for target in found:
        print(f"{target.ref:<{width}}  {target.archive.stat().st_size / 1e6:6.1f} MB  {target.archive}")


def main() -> int:
    """Build all images, or those named."""
    parser = argparse.ArgumentParser(prog="images", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help="images to build (default: all)")
    images = catalogue.named(parser.parse_args().names)
    cache, output = cache_folder(), ROOT / ".build"
    engine = engines.choose(cache)
    try:
        found = targets(images, engine, cache)
        missing = [target for target in found if not target.archive.exists()]
        if missing:
            if isinstance(engine, engines.Buildah):
                engines.install_missing()
            build_all(missing, engine, cache, output / "logs")
    except (engines.BuildFailed, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    for target in found:
        prune(target)
    report(found, output / "images.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
