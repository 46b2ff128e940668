"""An operator per test, in the test's own namespace."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.control_plane import ControlPlane

from .harness import Cluster, Operator


@pytest.fixture
def cluster(control_plane: ControlPlane, namespace: str) -> Cluster:
    """The test's namespace."""
    return Cluster(control_plane, namespace)


@pytest.fixture
def operator(cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Operator]:
    """A running operator; its log is shown when the test fails."""
    made = Operator(cluster.plane, cluster.namespace, tmp_path).start()
    yield made
    made.stop()
    print(made.log()[-5000:])  # noqa: T201
