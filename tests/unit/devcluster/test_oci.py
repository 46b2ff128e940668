"""The hand-written image archive, read back the way a container runtime does."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from devcluster import oci

IMAGE = oci.Image("localhost/tool:3", {"/usr/bin/tool": b"\x7fELF program"}, ("/usr/bin/tool", "--flag"))


def unpack(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member)) is not None}


def blob(files: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    content = files[f"blobs/{descriptor['digest'].replace(':', '/')}"]
    assert len(content) == descriptor["size"] and hashlib.sha256(content).hexdigest() == descriptor["digest"][7:]
    return content


def test_every_descriptor_leads_to_the_program() -> None:
    files = unpack(oci.archive(IMAGE))
    index = json.loads(files["index.json"])
    manifest = json.loads(blob(files, index["manifests"][0]))
    config = json.loads(blob(files, manifest["config"]))
    layer = gzip.decompress(blob(files, manifest["layers"][0]))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert config["config"]["Entrypoint"] == ["/usr/bin/tool", "--flag"]
    assert unpack(layer) == {"usr/bin/tool": b"\x7fELF program"}


def test_the_archive_names_its_image_for_containerd() -> None:
    annotations = json.loads(unpack(oci.archive(IMAGE))["index.json"])["manifests"][0]["annotations"]
    assert annotations["io.containerd.image.name"] == "localhost/tool:3"
    assert annotations["org.opencontainers.image.ref.name"] == "3"


def test_programs_are_executable_by_the_numeric_non_root_user_of_the_image() -> None:
    files = unpack(oci.archive(IMAGE))
    manifest = json.loads(blob(files, json.loads(files["index.json"])["manifests"][0]))
    user = json.loads(blob(files, manifest["config"]))["config"]["User"]
    assert user.split(":")[0].isdigit() and user.split(":")[0] != "0"
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(files, manifest["layers"][0])))) as tar:
        assert {member.name: oct(member.mode) for member in tar} == {"usr": "0o755", "usr/bin": "0o755", "usr/bin/tool": "0o755"}


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    oci.write(IMAGE, tmp_path / "deep" / "image.tar")
    assert (tmp_path / "deep" / "image.tar").read_bytes() == oci.archive(IMAGE)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["image.tar"]
