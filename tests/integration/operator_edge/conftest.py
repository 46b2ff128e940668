"""The operator as a process, as in its own integration tests; and a pool runner without one."""

from collections.abc import AsyncIterator

import pytest
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import Configuration

from mcp_operator.client import Client
from mcp_operator.metrics import Metrics
from tests.integration.control_plane import ControlPlane
from tests.integration.operator.conftest import cluster, operator

from .pool_rig import Rig

__all__ = ["cluster", "operator"]


@pytest.fixture
async def rig(control_plane: ControlPlane, namespace: str) -> AsyncIterator[Rig]:
    """A namespace of its own; tests of one module may run beside those of another."""
    configuration = Configuration()
    await kube_config.load_kube_config(config_file=str(control_plane.kubeconfig), client_configuration=configuration)
    client = Client(configuration, Metrics(version="test"), version="edge-test")
    # Pods are refused until the namespace's ServiceAccount is there.
    control_plane.eventually(lambda: control_plane.kubectl("get", "sa", "default", "-n", namespace, check=False).returncode == 0)
    yield Rig(control_plane, namespace, client)
    await client.close()
