"""An image is rebuilt when its inputs change, and only then."""

from pathlib import Path

import pytest
from scripts.images import catalogue, content
from scripts.images.catalogue import Image

IMAGE = Image(name="thing", base="python", context=Path("ctx"), dockerfile="Dockerfile", inputs=("src", "lock.txt"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one image."""
    (tmp_path / "ctx/src/package").mkdir(parents=True)
    (tmp_path / "ctx/Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "ctx/lock.txt").write_text("a==1\n")
    (tmp_path / "ctx/src/package/__init__.py").write_text("A = 1\n")
    (tmp_path / "ctx/unrelated.txt").write_text("x")
    return tmp_path


def tag(root: Path, base: str = "base:1") -> str:
    """The image's content hash."""
    return content.content_hash(IMAGE, root, base)


def test_the_hash_is_stable_and_twelve_hex_digits(root: Path) -> None:
    assert tag(root) == tag(root)
    assert len(tag(root)) == 12
    int(tag(root), 16)


@pytest.mark.parametrize("name", ["Dockerfile", "lock.txt", "src/package/__init__.py", "src/package/new.py"])
def test_every_input_changes_the_hash(root: Path, name: str) -> None:
    before = tag(root)
    (root / "ctx" / name).write_text("changed")
    assert tag(root) != before


def test_moving_text_from_one_file_to_another_changes_the_hash(root: Path) -> None:
    (root / "ctx/src/a").write_text("xy")
    (root / "ctx/src/b").write_text("")
    before = tag(root)
    (root / "ctx/src/a").write_text("x")
    (root / "ctx/src/b").write_text("y")
    assert tag(root) != before


def test_the_base_changes_the_hash(root: Path) -> None:
    assert tag(root, "base:1") != tag(root, "base:2")


@pytest.mark.parametrize("name", ["unrelated.txt", "src/__pycache__/a.pyc", "src/.mypy_cache/x", "src/thing.egg-info/PKG-INFO"])
def test_caches_and_undeclared_files_change_nothing(root: Path, name: str) -> None:
    before = tag(root)
    path = root / "ctx" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("changed")
    assert tag(root) == before


def test_the_staged_context_holds_the_inputs_and_nothing_else_readable_by_everybody(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (root / "ctx/src/package/__init__.py").chmod(0o600)
    (root / "ctx/src/run.sh").write_text("#!/bin/sh\n")
    (root / "ctx/src/run.sh").chmod(0o700)
    target = tmp_path_factory.mktemp("context")
    content.stage(IMAGE, root, target)
    staged = {path.relative_to(target).as_posix(): path.stat().st_mode & 0o777 for path in target.rglob("*")}
    assert staged == {
        "Dockerfile": 0o644,
        "lock.txt": 0o644,
        "src": 0o755,
        "src/package": 0o755,
        "src/package/__init__.py": 0o644,
        "src/run.sh": 0o755,
    }


def test_a_missing_input_is_named(root: Path) -> None:
    (root / "ctx/lock.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"image thing: input .*lock\.txt"):
        tag(root)


def test_an_unknown_image_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(SystemExit, match="no image named nonsense: choose from mcp-operator"):
        catalogue.named(["nonsense"])


def test_every_image_of_the_catalogue_has_all_its_inputs() -> None:
    root = Path(__file__).resolve().parents[3]
    for image in catalogue.IMAGES:
        assert content.files(image, root)
