"""Writes an OCI image archive by hand: one layer, one platform, reproducible. Enough to put a static program onto a node without a
builder, and readable by containerd, Podman and Docker."""

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Image:
    """What goes into the image: absolute paths to contents, all executable by anybody."""

    reference: str
    files: Mapping[str, bytes]
    entrypoint: Sequence[str]
    user: str = "65532:65532"
    labels: Mapping[str, str] = field(default_factory=dict)


def architecture() -> str:
    """This machine's architecture in the words of OCI."""
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def _tar(entries: Mapping[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder in _folders(entries):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), mode
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _folders(entries: Mapping[str, bytes]) -> list[str]:
    folders = {str(parent) for name in entries for parent in Path(name).parents if str(parent) not in (".", "/")}
    return sorted(folders)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(media_type: str, content: bytes, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content), **more}


def archive(image: Image) -> bytes:
    """The archive's bytes: the same input gives the same bytes, so a content hash means something."""
    layer = _tar({name.lstrip("/"): content for name, content in image.files.items()}, mode=0o755)
    packed = gzip.compress(layer, compresslevel=1, mtime=0)
    where = {"architecture": architecture(), "os": "linux"}
    config = json.dumps(
        {
            **where,
            "created": "1970-01-01T00:00:00Z",
            "config": {"Entrypoint": list(image.entrypoint), "User": image.user, "WorkingDir": "/", "Labels": dict(image.labels)},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar+gzip", packed)],
        }
    ).encode()
    tag = image.reference.rpartition(":")[2]
    names = {"io.containerd.image.name": image.reference, "org.opencontainers.image.ref.name": tag}
    described = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest, platform=where, annotations=names)
    index = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [described]}).encode()
    blobs = {f"blobs/sha256/{_digest(blob)[7:]}": blob for blob in (config, packed, manifest)}
    return _tar({"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": index, **blobs}, mode=0o644)


def write(image: Image, path: Path) -> None:
    """Write the archive; it appears under its name only when complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(archive(image))
    partial.rename(path)
