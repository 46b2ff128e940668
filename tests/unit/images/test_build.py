"""The command: what is built, what is skipped, what is written down."""

import json
import os
from pathlib import Path

import pytest
from scripts.images import __main__ as command
from scripts.images import catalogue, content, engines
from scripts.images.catalogue import Base, Image


class Recorder:
    """An engine that writes an archive of a few bytes."""

    def __init__(self, broken: str = "") -> None:
        self.built: list[str] = []
        self.broken = broken

    def base_id(self, base: Base) -> str:
        return "base:1"

    def open(self) -> None:
        return

    def prepare(self, base: Base, log: Path) -> None:
        return

    def build(self, image: Image, context: Path, ref: str, archive: Path, log: Path) -> None:
        archive.write_bytes(b"half")
        if image.name == self.broken:
            raise engines.BuildFailed("the cause")
        self.built.append(ref)

    def close(self) -> None:
        return


IMAGE = Image(name="thing", base="python", context=Path("ctx"), dockerfile="Dockerfile", inputs=("src",))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one image, and a cache of its own."""
    (tmp_path / "ctx/src").mkdir(parents=True)
    (tmp_path / "ctx/Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "ctx/src/a.py").write_text("A = 1\n")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(catalogue, "IMAGES", (IMAGE,))
    monkeypatch.setattr("sys.argv", ["images"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, engine: Recorder) -> int:
    """One run of the command with this engine."""
    monkeypatch.setattr(engines, "choose", lambda cache: engine)
    return command.main()


def test_a_second_run_builds_nothing_and_a_change_builds_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Recorder()
    assert run(monkeypatch, engine) == run(monkeypatch, engine) == 0
    assert len(engine.built) == 1
    (root / "ctx/src/a.py").write_text("A = 2\n")
    assert run(monkeypatch, engine) == 0
    assert len(set(engine.built)) == 2


def test_the_manifest_names_reference_and_archive(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Recorder()
    run(monkeypatch, engine)
    entry = json.loads((root / ".build/images.json").read_text())["thing"]
    assert entry["ref"] == engine.built[0]
    assert entry["ref"].startswith("localhost/thing:")
    assert Path(entry["archive"]).is_file()


def test_a_failed_build_leaves_no_archive_and_says_why(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, Recorder(broken="thing")) == 1
    assert "the cause" in capsys.readouterr().err
    assert list((root / "cache").rglob("*.tar")) == list((root / "cache").rglob("*.partial")) == []


def test_half_an_archive_of_a_killed_build_is_removed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partial = root / "cache/mcp-devcluster/images/archives/thing-000000000000.1.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"half")
    run(monkeypatch, Recorder())
    assert not partial.exists()


def test_a_file_that_changes_during_the_build_fails_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = content.stage

    def edit_while_staging(image: Image, root: Path, target: Path) -> None:
        stage(image, root, target)
        (root / "ctx/src/a.py").write_text("A = 3\n")

    monkeypatch.setattr(content, "stage", edit_while_staging)
    assert run(monkeypatch, Recorder()) == 1
    assert "changed while it was being built" in capsys.readouterr().err


def test_only_the_newest_archives_are_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / "cache/mcp-devcluster/images/archives"
    folder.mkdir(parents=True)
    for age in range(5):
        old = folder / f"thing-00000000000{age}.tar"
        old.write_bytes(b"old")
        os.utime(old, (1000 - age, 1000 - age))
    run(monkeypatch, Recorder())
    kept = sorted(path.name for path in folder.iterdir())
    assert len(kept) == command.KEPT_PER_IMAGE
    assert {"thing-000000000000.tar", "thing-000000000001.tar"} < set(kept)
