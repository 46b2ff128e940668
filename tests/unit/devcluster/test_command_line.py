"""What a person or a script sees of `python -m devcluster`."""

import os
from pathlib import Path

import pytest

from devcluster import __main__ as cli


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    monkeypatch.setenv("CLUSTER", "local")
    return tmp_path


def test_paths_are_relative_to_the_checkout_wherever_the_command_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["kubeconfig"]) == 0
    assert cli.main(["kubeconfig", "--control-plane-only"]) == 0
    assert cli.main(["kubeconfig", "--name", "second"]) == 0
    assert capsys.readouterr().out.split() == [f".devcluster/{name}/kubeconfig" for name in ("local", "control-plane", "second")]


def test_status_is_a_table_and_quiet_is_one_word_or_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--control-plane-only"]) == 0
    assert "etcd\tstopped" in capsys.readouterr().out
    assert cli.main(["status", "--control-plane-only", "--quiet"]) == 1
    assert capsys.readouterr().out == ""
    assert cli.show_status({"a": "running", "node": "Ready"}, quiet=True) == 0
    assert capsys.readouterr().out == "running\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["load", "x.tar", "--control-plane-only"], "has no node"),
        (["restart", "etcd"], "the cluster is not up"),
        (["status", "--name", "No"], "lower-case letters"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_1(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_the_local_provider_asks_for_root_before_it_does_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main(["up"]) == 1
    assert "run it as root" in capsys.readouterr().err


def test_a_missing_compiler_is_named_before_packages_are_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cli.toolchain.shutil, "which", lambda *arguments, **options: None)
    monkeypatch.setattr(cli.debian, "install", lambda *arguments, **options: pytest.fail("packages were installed first"))
    assert cli.main(["install-deps"]) == 1
    assert "install Go 1.26 or newer" in capsys.readouterr().err
