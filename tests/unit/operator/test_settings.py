"""The environment is read once, and everything wrong with it is said at once."""

import pytest

from mcp_operator.errors import SettingsError
from mcp_operator.settings import DEFAULT_NAMESPACE, from_env

GOOD = {"MCP_SERVER_IMAGE": "server:1", "MCP_SANDBOX_IMAGE": "sandbox:1"}


def test_two_images_are_enough() -> None:
    settings = from_env(GOOD, host="laptop")
    assert (settings.namespace, settings.pod_name, settings.watch_namespaces) == (DEFAULT_NAMESPACE, "laptop", ())
    assert (settings.leader_election, settings.image_pull_policy, settings.log_level) == (True, "IfNotPresent", "INFO")


def test_everything_can_be_set() -> None:
    env = {
        **GOOD,
        "POD_NAMESPACE": "ops",
        "POD_NAME": "operator-1",
        "WATCH_NAMESPACES": " b, a ,b,",
        "IMAGE_PULL_POLICY": "never",
        "LEADER_ELECTION": "False",
        "LOG_LEVEL": "debug",
        "METRICS_PORT": "0",
        "HEALTH_PORT": "9000",
    }
    settings = from_env(env, host="x")
    assert (settings.namespace, settings.pod_name, settings.watch_namespaces) == ("ops", "operator-1", ("a", "b"))
    assert (settings.image_pull_policy, settings.leader_election, settings.log_level) == ("Never", False, "DEBUG")
    assert (settings.metrics_port, settings.health_port) == (0, 9000)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("MCP_SERVER_IMAGE", " ", "MCP_SERVER_IMAGE is not set"),
        ("MCP_SANDBOX_IMAGE", "", "MCP_SANDBOX_IMAGE is not set"),
        ("POD_NAMESPACE", "Not_A_Name", "POD_NAMESPACE='Not_A_Name'"),
        ("WATCH_NAMESPACES", "good, Bad", "'Bad'"),
        ("IMAGE_PULL_POLICY", "Sometimes", "none of Always, IfNotPresent, Never"),
        ("LEADER_ELECTION", "maybe", "none of true, false"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL='LOUD'"),
        ("METRICS_PORT", "http", "METRICS_PORT='http' is no port"),
        ("HEALTH_PORT", "70000", "from 0"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(name: str, value: str, text: str) -> None:
    with pytest.raises(SettingsError, match=text.replace("(", r"\(")):
        from_env({**GOOD, name: value}, host="x")


def test_all_problems_are_told_together() -> None:
    with pytest.raises(SettingsError) as caught:
        from_env({"LOG_LEVEL": "LOUD"}, host="x")
    assert all(name in str(caught.value) for name in ("MCP_SERVER_IMAGE", "MCP_SANDBOX_IMAGE", "LOG_LEVEL"))


def test_the_lease_can_be_named_and_a_bad_name_is_refused() -> None:
    assert from_env(GOOD, host="h").lease_name == "mcp-operator"
    assert from_env({**GOOD, "LEASE_NAME": "team-mcp-operator"}, host="h").lease_name == "team-mcp-operator"
    with pytest.raises(SettingsError, match="LEASE_NAME='Team A'"):
        from_env({**GOOD, "LEASE_NAME": "Team A"}, host="h")
