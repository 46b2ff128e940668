"""Which cluster is used, and the command lines of those that other programs make."""

from pathlib import Path

import pytest
from tests.unit.devcluster.fakes import FakeRunner

from devcluster.errors import ClusterError
from devcluster.existing import Existing, kubeconfig_path
from devcluster.kind import Kind
from devcluster.layout import Layout
from devcluster.progress import Progress
from devcluster.provider import choose

ENGINE = {"docker info": (0, "28.2.2\n")}


def kind(tmp_path: Path, runner: FakeRunner) -> Kind:
    return Kind(Layout(tmp_path, "kind"), "kind", Path("/bin/kubectl"), Progress(quiet=True), runner)


@pytest.mark.parametrize(
    ("named", "environ", "answers", "expected"),
    [
        (None, {}, ENGINE, "kind"),
        (None, {}, {"docker info": (0, "\n")}, "local"),
        (None, {}, {"docker info": (1, "Cannot connect to the Docker daemon")}, "local"),
        (None, {"CLUSTER": "local"}, ENGINE, "local"),
        (None, {"CLUSTER": "existing"}, ENGINE, "existing"),
        (None, {"CLUSTER": "", "KUBECONFIG": "/some/file"}, {"docker info": (127, "")}, "local"),
        ("kind", {"CLUSTER": "local"}, {}, "kind"),
    ],
)
def test_the_choice_of_a_provider(named: str | None, environ: dict[str, str], answers: dict[str, tuple[int, str]], expected: str) -> None:
    assert choose(named=named, environ=environ, runner=FakeRunner(answers)) == expected


def test_an_unknown_provider_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(ClusterError, match=r"'minikube' is unknown: set CLUSTER to one of existing, kind, local"):
        choose(named=None, environ={"CLUSTER": "minikube"}, runner=FakeRunner())


def test_kind_creates_a_cluster_with_a_name_and_a_kubeconfig_of_its_own(tmp_path: Path) -> None:
    runner = FakeRunner({"kind get clusters": (0, "other\n")})
    cluster = kind(tmp_path, runner)
    cluster.up()
    expected = (
        f"kind create cluster --name={cluster.cluster} --kubeconfig={tmp_path}/.devcluster/kind/kubeconfig"
        f" --config={tmp_path}/tests/e2e/kind.yaml --wait=180s"
    )
    assert expected in runner.calls
    assert any("apply --server-side" in call for call in runner.calls)
    assert runner.calls[-1].endswith("wait --for=condition=Available --timeout=180s apiservice/v1beta1.metrics.k8s.io")


def test_kind_up_again_only_writes_the_kubeconfig(tmp_path: Path) -> None:
    name = kind(tmp_path, FakeRunner()).cluster
    runner = FakeRunner({"kind get clusters": (0, f"{name}\n")})
    kind(tmp_path, runner).up()
    assert not any("create" in call for call in runner.calls)
    assert f"kind export kubeconfig --name={name} --kubeconfig={tmp_path}/.devcluster/kind/kubeconfig" in runner.calls


def test_kind_down_removes_only_a_cluster_that_exists(tmp_path: Path) -> None:
    absent = FakeRunner({"kind get clusters": (0, "No kind clusters found.\n")})
    kind(tmp_path, absent).down()
    assert absent.calls == ["kind get clusters"]
    name = kind(tmp_path, absent).cluster
    present = FakeRunner({"kind get clusters": (0, f"{name}\n")})
    kind(tmp_path, present).down()
    assert present.calls[-1].startswith(f"kind delete cluster --name={name}")


def test_kind_loads_archives_one_by_one_and_names_a_missing_one(tmp_path: Path) -> None:
    runner, archive = FakeRunner(), tmp_path / "app.tar"
    archive.write_bytes(b"")
    cluster = kind(tmp_path, runner)
    cluster.load([archive])
    assert runner.calls == [f"kind load image-archive {archive} --name={cluster.cluster}"]
    with pytest.raises(ClusterError, match=r"nothing\.tar does not exist: build it first"):
        cluster.load([tmp_path / "nothing.tar"])


def test_a_failing_program_is_quoted_in_the_error(tmp_path: Path) -> None:
    runner = FakeRunner({"kind get clusters": (1, "permission denied on docker.sock")})
    with pytest.raises(ClusterError, match=r"`kind get clusters` failed with exit code 1: permission denied on docker\.sock"):
        kind(tmp_path, runner).up()


def test_an_existing_cluster_is_never_changed(tmp_path: Path) -> None:
    config, runner = tmp_path / "config", FakeRunner()
    config.write_text("{}")
    cluster = Existing(config, "kubectl", Progress(quiet=True), runner)
    cluster.up()
    cluster.down()
    assert runner.calls == [f"kubectl --kubeconfig={config} --request-timeout=10s get --raw=/readyz"]
    with pytest.raises(ClusterError, match="push the images to a registry"):
        cluster.load([config])


def test_an_existing_cluster_needs_exactly_one_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="set KUBECONFIG"):
        Existing(tmp_path / "none", "kubectl", Progress(quiet=True), FakeRunner()).up()
    with pytest.raises(ClusterError, match="name exactly one"):
        kubeconfig_path({"KUBECONFIG": "/a:/b"})
    assert kubeconfig_path({"KUBECONFIG": "/a"}) == Path("/a")
    assert kubeconfig_path({}) == Path.home() / ".kube" / "config"
