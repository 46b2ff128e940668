"""OAuth clients learn where to sign in (RFC 9728), at the addresses where the protocol's SDK looks for it."""

from pathlib import Path

import aiohttp
import pytest
from mcp.client.auth.utils import build_protected_resource_metadata_discovery_urls
from mcp.shared.auth import ProtectedResourceMetadata

from tests.integration.server.conftest import Start
from tests.integration.server.harness import serving, write_config
from tests.integration.server.upstreams import TOOLS, Modern

RESOURCE = "https://mcp.example.com/team/mcp"
OAUTH = {"resource": RESOURCE, "authorizationServers": ["https://login.example.com"], "scopes": ["mcp:tools"]}
pytestmark = pytest.mark.integration


def found_at(base: str, resource: str) -> list[str]:
    """Where the SDK's client looks for the metadata of `resource`, as a request that a proxy passes on to us."""
    return [url.replace("https://mcp.example.com", base) for url in build_protected_resource_metadata_discovery_urls(None, resource)]


async def test_clients_find_the_metadata_of_the_endpoint_and_of_each_server(start: Start, tmp_path: Path) -> None:
    upstream, config = await start(Modern()), tmp_path / "config.json"
    write_config(config, {"it": upstream.url}, mode="mcp_only", oauth=OAUTH)
    async with serving(config) as server, aiohttp.ClientSession() as client:
        await server.tools_ready(len(TOOLS))
        base = server.url.removesuffix("/mcp")
        for resource in (RESOURCE, f"{RESOURCE}/it"):
            async with client.get(found_at(base, resource)[0], headers={"Origin": "https://any.example"}) as answer:
                assert answer.status == 200 and answer.headers["Access-Control-Allow-Origin"] == "*"
                metadata = ProtectedResourceMetadata.model_validate_json(await answer.read())
            assert str(metadata.resource) == resource
            assert [str(issuer).rstrip("/") for issuer in metadata.authorization_servers] == OAUTH["authorizationServers"]
            assert metadata.scopes_supported == ["mcp:tools"]
        async with client.get(found_at(base, RESOURCE)[-1]) as root, client.head(found_at(base, RESOURCE)[0]) as head:
            assert (await root.json())["resource"] == RESOURCE
            assert head.status == 200
        for path, status in {"team/mcp/unknown": 404, "other": 404, "team": 404, "team/mcp/it/x": 404}.items():
            async with client.get(f"{base}/.well-known/oauth-protected-resource/{path}") as refused:
                assert refused.status == status, path
        async with client.options(found_at(base, RESOURCE)[0]) as preflight, client.post(found_at(base, RESOURCE)[0]) as posted:
            assert (preflight.status, posted.status) == (200, 405)


async def test_without_the_setting_nothing_is_promised(start: Start, tmp_path: Path) -> None:
    upstream, config = await start(Modern()), tmp_path / "config.json"
    write_config(config, {"it": upstream.url})
    async with serving(config) as server, aiohttp.ClientSession() as client:
        await server.tools_ready(len(TOOLS))
        for url in found_at(server.url.removesuffix("/mcp"), "https://mcp.example.com/mcp"):
            async with client.get(url) as answer:
                assert answer.status == 404
                assert "spec.auth.oauth" in await answer.text()
