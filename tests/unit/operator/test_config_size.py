"""A ConfigMap holds 1 MiB at most; the config of a large federation has to fit with room to spare."""

from mcp_operator.desired.child import Owner
from mcp_operator.desired.configmap import config_map, render_config, upstream
from mcp_operator.kinds import Key
from mcp_optimizer_api.names import CONFIG_KEY
from mcp_optimizer_api.optimizer import MCPOptimizerSpec
from mcp_optimizer_api.server import MCPServerSpec

LIMIT = 1024 * 1024
SERVERS = 1000


def test_the_config_of_a_thousand_servers_with_the_longest_names_and_bounds_of_their_own_stays_under_a_mebibyte() -> None:
    resilience = {"maxConcurrent": 10_000, "breaker": {"openSeconds": 60}, "retries": {"when": "connect-failure"}}
    spec = MCPServerSpec.model_validate({"image": "example/server:1", "path": "/" + "p" * 100, "resilience": resilience})
    names = [f"{number:04}-{'n' * 58}" for number in range(SERVERS)]
    upstreams = [upstream(Owner(Key("MCPServer", "n" * 63, name), f"uid-{name}"), spec) for name in names]
    owner = Owner(Key("MCPOptimizer", "n" * 63, "o" * 63), "00000000-0000-0000-0000-000000000000")
    document = config_map(owner, render_config(owner, MCPOptimizerSpec(), upstreams))["data"][CONFIG_KEY]
    assert document.count("timeoutSeconds") > SERVERS
    assert len(document.encode()) < LIMIT * 0.9, f"{len(document.encode()) / SERVERS:.0f} bytes each"
