"""Which engine builds, and how it is asked to."""

from pathlib import Path

import pytest
from scripts.images import bases, catalogue, engines, host

OPERATOR = catalogue.named(["mcp-operator"])[0]


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A buildah that writes down how it is called; the real one may not be installed where these tests run."""
    program = folder / "buildah"
    program.write_text(f'#!/bin/sh\necho "$*" >> {folder}/calls\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Records the commands instead of running them."""
    seen: list[list[str]] = []

    def record(command: list[str], log: Path) -> None:
        seen.append(list(command))
        if "--iidfile" in command:
            Path(command[command.index("--iidfile") + 1]).write_text("sha256:feed")

    monkeypatch.setattr(engines, "run", record)
    monkeypatch.setattr(host, "mounts", lambda folder: [host.Mount(folder / "pip", "/etc/pip.conf")])
    return seen


def test_a_docker_engine_is_used_when_it_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("IMAGE_ENGINE", raising=False)
    monkeypatch.setattr(engines, "docker_answers", lambda: True)
    assert isinstance(engines.choose(tmp_path), engines.Docker)


def test_a_wrong_engine_name_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMAGE_ENGINE", "podman")
    with pytest.raises(SystemExit, match="IMAGE_ENGINE=podman: choose docker or buildah"):
        engines.choose(tmp_path)


def test_docker_builds_the_staged_context_and_saves_the_tag(commands: list[list[str]], tmp_path: Path) -> None:
    engines.Docker().build(OPERATOR, tmp_path, "localhost/x:1", tmp_path / "x.tar", tmp_path / "log")
    assert commands == [
        ["docker", "build", "--file", str(tmp_path / "operator/Dockerfile"), "--tag", "localhost/x:1", str(tmp_path)],
        ["docker", "save", "--output", str(tmp_path / "x.tar"), "localhost/x:1"],
    ]


def test_buildah_builds_on_the_local_base_with_the_hosts_settings_mounted(
    commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "")
    engine = engines.Buildah(tmp_path)
    engine.open()
    try:
        engine.build(OPERATOR, tmp_path, "localhost/x:1", tmp_path / "x.tar", tmp_path / "log")
    finally:
        engine.close()
    build, push = commands
    assert f"BASE_IMAGE={bases.base_ref('python')}" in build
    assert build[build.index("--volume") + 1].endswith(":/etc/pip.conf:ro")
    assert "--pull-never" in build
    assert push[-2:] == ["sha256:feed", f"docker-archive:{tmp_path / 'x.tar'}:localhost/x:1"]


def test_buildah_starts_without_what_a_killed_build_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "")
    left_over = tmp_path / "scratch/run/state"
    left_over.parent.mkdir(parents=True)
    left_over.write_text("stale")
    engine = engines.Buildah(tmp_path)
    assert left_over.exists(), "another process may be building: nothing is touched before it is our turn"
    engine.open()
    assert not left_over.exists()
    engine.close()
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize(("layers", "pruned"), [(3, False), (engines.MAX_LAYERS + 1, True)])
def test_layers_of_old_builds_do_not_pile_up_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layers: int, pruned: bool) -> None:
    stand_in(tmp_path, monkeypatch, f'case "$*" in *images*) seq {layers};; esac')
    engines.Buildah(tmp_path).open()
    assert ("rmi --prune" in (tmp_path / "calls").read_text()) is pruned


def test_a_failed_step_shows_the_end_of_its_output(tmp_path: Path) -> None:
    with pytest.raises(engines.BuildFailed, match=r"sh failed \(3\)(.|\n)*the cause"):
        engines.run(["sh", "-c", "echo the cause; exit 3"], tmp_path / "log")


def test_missing_programs_are_listed_when_they_may_not_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="install these packages: buildah mmdebstrap"):
        engines.install_missing()


def test_the_name_of_a_base_follows_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = bases.base_ref("python")
    monkeypatch.setitem(bases.PACKAGES, "python", ("python3",))
    assert bases.base_ref("python") != before
