"""The configuration of a real ConfigMap on a real API server, read with no more rights than the operator grants."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from mcp import Client

from mcp_optimizer.kube import KubeClient
from mcp_optimizer_api.names import CONFIG_KEY
from tests.integration.control_plane import ControlPlane
from tests.integration.server.conftest import Start
from tests.integration.server.harness import Running, document, eventually, serving
from tests.integration.server.upstreams import TOOLS, Modern

pytestmark = pytest.mark.integration
NAME = "x-optimizer-config"
RIGHTS: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x-optimizer"}},
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "x-optimizer"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [NAME], "verbs": ["get", "list", "watch"]}],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "x-optimizer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x-optimizer"},
        "subjects": [{"kind": "ServiceAccount", "name": "x-optimizer"}],
    },
]


@pytest.fixture
async def client(bare_control_plane: ControlPlane, namespace: str, tmp_path: Path) -> AsyncIterator[KubeClient]:
    """Our client, as the server's own service account."""
    cluster = yaml.safe_load(bare_control_plane.kubeconfig.read_text())["clusters"][0]["cluster"]
    for manifest in RIGHTS:
        subjects = [{**subject, "namespace": namespace} for subject in manifest.get("subjects", [])]
        bare_control_plane.kubectl(
            "apply", "-n", namespace, "-f", "-", stdin=json.dumps(manifest | ({"subjects": subjects} if subjects else {}))
        )
    token = tmp_path / "token"
    token.write_text(bare_control_plane.kubectl("create", "token", "x-optimizer", "-n", namespace).stdout)
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode() if "certificate-authority-data" in cluster else None
    tls = ssl.create_default_context(cafile=None if authority else cluster["certificate-authority"], cadata=authority)
    yield KubeClient(cluster["server"], tls, token)


async def put(plane: ControlPlane, namespace: str, text: str) -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": {CONFIG_KEY: text}}
    await asyncio.to_thread(plane.kubectl, "apply", "-n", namespace, "-f", "-", stdin=json.dumps(config_map))


async def rejected(server: Running) -> bool:
    return 'config_documents_total{result="rejected"} 1.0' in (await server.get("/metrics"))[1]


async def test_the_config_map_is_followed_through_its_whole_life(
    start: Start, bare_control_plane: ControlPlane, namespace: str, client: KubeClient, tmp_path: Path
) -> None:
    upstream = await start(Modern())
    async with serving(tmp_path, kube=client, config_map=NAME, namespace=namespace) as server:
        assert (await server.get("/readyz"))[0] == 503
        await put(bare_control_plane, namespace, document({"it": upstream.url}))
        await server.tools_ready(len(TOOLS))
        await eventually(lambda: server.process.management.settled)
        assert (await server.get("/readyz"))[0] == 200
        await put(bare_control_plane, namespace, document({"it": upstream.url, "too": upstream.url}))
        await server.tools_ready(2 * len(TOOLS))
        await put(bare_control_plane, namespace, "{")
        for _ in range(300):
            if await rejected(server):
                break
            await asyncio.sleep(0.05)
        assert await rejected(server)
        await asyncio.to_thread(bare_control_plane.kubectl, "delete", "configmap", NAME, "-n", namespace)
        async with Client(server.url) as session:
            assert not (await session.call_tool("execute", {"tool": "too.echo"})).is_error
        await put(bare_control_plane, namespace, document({"it": upstream.url}))
        await server.tools_ready(len(TOOLS))
