"""Ranges of clusters on one machine never overlap, with each other or with the host's routes."""

import ipaddress
from pathlib import Path

import pytest

from devcluster import address_plan
from devcluster.address_plan import AddressPlan, first_free
from devcluster.errors import ClusterError
from devcluster.layout import Layout


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_parts_of_a_plan_lie_inside_it_and_do_not_overlap() -> None:
    plan = AddressPlan(3)
    whole, pods, services = (ipaddress.ip_network(text) for text in (plan.all, plan.pods, plan.services))
    assert pods.subnet_of(whole) and services.subnet_of(whole) and not pods.overlaps(services)  # type: ignore[arg-type]
    for address in (plan.node, plan.host_link, plan.node_link):
        ip = ipaddress.ip_address(address)
        assert ip in whole and ip not in pods and ip not in services
    assert ipaddress.ip_address(plan.dns_service) in services and ipaddress.ip_address(plan.api_service) == next(services.hosts())


def test_a_taken_range_and_a_routed_range_are_skipped() -> None:
    assert first_free([], []).index == 0
    assert first_free([0], ["10.65.3.0/24", "192.168.0.0/16"]).index == 2
    assert first_free([], ["0.0.0.0/0", "fd00::/8"]).index == 0


def test_when_all_ranges_are_taken_the_error_says_what_to_do() -> None:
    with pytest.raises(ClusterError, match="devcluster down"):
        first_free(range(address_plan.COUNT), [])


def test_a_cluster_keeps_its_range_until_it_is_released(tmp_path: Path) -> None:
    one, two = Layout(tmp_path / "a", "local"), Layout(tmp_path / "b", "local")
    assert address_plan.allocate(one, []).index == 0
    assert address_plan.allocate(two, []).index == 1
    # The cluster's own route on the host must not push it out of its range.
    assert address_plan.allocate(one, ["10.64.0.0/16"]).index == 0
    address_plan.release(one)
    assert address_plan.allocate(two, []).index == 1
    assert address_plan.allocate(Layout(tmp_path / "c", "local"), []).index == 0
