"""Names that both sides of the contract compute must be valid, stable and distinct."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_optimizer_api.names import (
    child_name,
    optimizer_child,
    optimizer_config_map,
    sandbox_pod_prefix,
    sandbox_policy,
    server_child,
)

LABEL = re.compile(r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
RESOURCE_NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (optimizer_child, "tools-optimizer"),
        (optimizer_config_map, "tools-optimizer-config"),
        (sandbox_policy, "tools-optimizer-sandbox"),
        (server_child, "tools-mcp"),
        (lambda name: sandbox_pod_prefix(name) + "abcdefgh", "tools-sandbox-abcdefgh"),
    ],
)
def test_a_short_name_is_kept(make, name) -> None:  # type: ignore[no-untyped-def]
    assert make("tools") == name


@given(name=RESOURCE_NAMES)
def test_every_child_of_a_valid_resource_has_a_valid_name(name: str) -> None:
    children = [make(name) for make in (optimizer_child, optimizer_config_map, sandbox_policy, server_child)]
    children.append(sandbox_pod_prefix(name) + "0a1b2c3d")
    assert [child for child in children if not LABEL.match(child)] == []
    assert len(set(children)) == len(children)


@given(left=RESOURCE_NAMES, right=RESOURCE_NAMES)
def test_two_resources_never_share_a_child(left: str, right: str) -> None:
    assert (optimizer_child(left) == optimizer_child(right)) == (left == right)
    assert (server_child(left) == server_child(right)) == (left == right)


def test_long_names_with_one_prefix_differ_and_stay_the_same_for_ever() -> None:
    first, second = "a" * 62 + "b", "a" * 62 + "c"
    assert optimizer_child(first) != optimizer_child(second)
    assert len(optimizer_child(first)) == 63
    assert optimizer_child("a" * 63) == "a" * 44 + "-7d3e74a0-optimizer"


def test_a_cut_never_leaves_two_dashes() -> None:
    assert "--" not in child_name("a" * 43 + "-" + "b" * 19, "-optimizer")
