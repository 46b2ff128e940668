"""The protocol's official suite against the deployed server: the operator's Deployment, its Service, a server of the cluster behind it."""

from collections.abc import Iterator

import pytest
from scripts.stack import install, waiting
from scripts.stack.forward import forward

from tests.conformance import legs, suite, verdict
from tests.e2e.conftest import Images, optimizer, server

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def direct(operator: Images, namespace: str) -> Iterator[str]:
    """URL of the fixture server's own route in an MCPOptimizer of mode mcp_only."""
    fixture = server(legs.UPSTREAM, image=operator["mcp-conformance-fixture"]["ref"], port=8080)
    install.apply([fixture, optimizer("direct", mode="mcp_only", sandbox={"pool": {"min": 0, "max": 0}})], namespace)
    waiting.ready("mcps", legs.UPSTREAM, namespace)
    waiting.ready("mcpo", "direct", namespace)
    waiting.until("the fixture federated", lambda: waiting.get("mcpo", "direct", namespace)["status"]["totals"]["ready"] == 1, seconds=60)
    with forward("svc/direct-optimizer", 80, namespace) as port:
        yield f"http://localhost:{port}/mcp/{legs.UPSTREAM}"


@pytest.mark.parametrize("revision", [legs.MODERN, legs.LEGACY])
def test_the_deployed_server_passes_what_the_process_passes(direct: str, revision: str) -> None:
    judged = verdict.judge(suite.installed().server(direct, revision), verdict.read(), "direct", revision)
    assert not judged.wrong
    assert judged.passed >= {legs.MODERN: 37, legs.LEGACY: 26}[revision]
