"""Pins and builds, with a `go` that is a shell script."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.devcluster.fakes import FakeRunner

from devcluster import debian, gvisor, toolchain
from devcluster.errors import ClusterError
from devcluster.progress import Progress

FAKE_GO = """#!/bin/sh
echo "$@" >> {log}
[ -e {fail} ] && {{ echo 'compile error in x.go' >&2; exit 1; }}
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; last=$1; shift; done
[ -z "$out" ] && out=$GOBIN/$(basename "${{last%@*}}")
echo program > "$out"
"""


@pytest.fixture
def go_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    script, log = tmp_path / "bin" / "go", tmp_path / "go.log"
    script.write_text(FAKE_GO.format(log=log, fail=tmp_path / "fail"))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return log


def test_a_program_is_built_once_and_appears_under_its_name(go_log: Path) -> None:
    for _ in range(2):
        folder = toolchain.ensure(["etcd", "helm"], Progress(quiet=True))
    assert sorted(path.name for path in folder.iterdir()) == ["etcd", "helm"]
    assert len(go_log.read_text().splitlines()) == 2


def test_a_failed_build_leaves_nothing_and_quotes_the_compiler(go_log: Path, tmp_path: Path) -> None:
    (tmp_path / "fail").touch()
    with pytest.raises(ClusterError, match=r"(?s)building helm failed.*compile error in x\.go"):
        toolchain.ensure(["helm"], Progress(quiet=True))
    assert toolchain.missing(["helm"]) == ["helm"]
    (tmp_path / "fail").unlink()
    toolchain.ensure(["helm"], Progress(quiet=True))
    assert toolchain.missing(["helm"]) == []


def test_without_go_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"install Go 1\.26"):
        toolchain.ensure(["etcd"], Progress(quiet=True))


def test_the_build_lock_is_seen_by_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    probe = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    lock = str(tmp_path / "mcp-devcluster" / "build.lock")
    with toolchain.build_lock(Progress(quiet=True)):
        held = subprocess.run([sys.executable, "-c", probe, lock], capture_output=True, check=False)
    free = subprocess.run([sys.executable, "-c", probe, lock], capture_output=True, check=False)
    assert b"BlockingIOError" in held.stderr and free.returncode == 0


def test_kubernetes_programs_are_stamped_with_their_version() -> None:
    assert f"-X k8s.io/component-base/version.gitVersion={toolchain.KUBERNETES}" in toolchain.tool("kubelet").ldflags
    assert "-X k8s.io/component-base/version.gitMinor=35" in toolchain.tool("kubelet").ldflags


def test_the_module_pins_the_same_kubernetes_as_the_stamp() -> None:
    text = (toolchain.MODULE / "go.mod").read_text()
    assert f"k8s.io/kubernetes {toolchain.KUBERNETES} " in text
    staging = toolchain.KUBERNETES.replace("v1.", "v0.")
    replaced = [line.split() for line in text.split("replace (")[1].split(")")[0].splitlines() if line.strip()]
    assert len(replaced) == 31 and all(words[0] == words[2] and words[3] == staging for words in replaced)


def test_an_unknown_tool_is_refused_with_the_known_names() -> None:
    with pytest.raises(ClusterError, match=r"'kubectx' is unknown: use one of etcd, kube-apiserver"):
        toolchain.tool("kubectx")


def test_the_patch_of_gvisors_library_fits_exactly_once_or_fails() -> None:
    assert gvisor.patch(f"if {gvisor.BEFORE} {{") == f"if {gvisor.AFTER} {{"
    with pytest.raises(ClusterError, match="has changed"):
        gvisor.patch("something else")


def test_gvisors_library_version_comes_from_its_module_file() -> None:
    assert gvisor.library_version((gvisor.MODULE / "go.mod").read_text()).startswith("v2.")
    assert toolchain.GVISOR in (gvisor.MODULE / "go.mod").read_text()
    with pytest.raises(ClusterError, match="go mod tidy"):
        gvisor.library_version("module x\n")


def test_gvisor_that_cannot_be_built_costs_the_runtime_class_only(go_log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fail").touch()
    assert gvisor.ensure(Progress()) is False
    assert "RuntimeClass `gvisor` will be missing" in capsys.readouterr().err


def test_debian_packages_are_installed_by_root_and_listed_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    runner = FakeRunner()
    with pytest.raises(ClusterError, match=r"apt-get install --no-install-recommends .*runc"):
        debian.install(runner, Progress(quiet=True), packages=["runc"], root=False)
    assert runner.calls == []
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/usr/bin/x")
    debian.install(runner, Progress(quiet=True), packages=["runc", "nftables"], root=True)
    assert runner.calls[-1].endswith("apt-get install -y -qq --no-install-recommends runc nftables")


def test_nothing_is_done_or_said_when_all_packages_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    runner = FakeRunner()
    debian.install(runner, Progress(), packages=[], root=True)
    assert runner.calls == [] and capsys.readouterr().err == ""
