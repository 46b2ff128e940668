"""The node's network: a namespace of its own with one link to the host. Everything the cluster adds (bridge, routes, nftables, Pod
links) lives in the namespace and disappears with it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.address_plan import AddressPlan
from devcluster.layout import Layout
from devcluster.provider import Runner, checked

UPLINK = "uplink"
BRIDGE = "node0"
# Only IPv4, so that no rule is needed for the other; and a Pod cannot borrow another Pod's address to escape its policy.
SYSCTLS = (
    "net.ipv4.ip_forward=1",
    "net.ipv4.conf.all.rp_filter=1",
    "net.ipv4.conf.default.rp_filter=1",
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
)


@dataclass(frozen=True)
class Network:
    """Names and addresses of one cluster's network."""

    ident: str
    plan: AddressPlan

    @property
    def netns(self) -> str:
        """Name of the network namespace."""
        return netns_name(self.ident)

    @property
    def host_interface(self) -> str:
        """The host's end of the link."""
        return host_interface(self.ident)


def netns_name(ident: str) -> str:
    """Known without the plan: `down` works even when the register of ranges is lost."""
    return f"mcpdev-{ident}"


def host_interface(ident: str) -> str:
    """At most 15 characters."""
    return f"mcpd{ident}"


def setup_commands(network: Network) -> list[list[str]]:
    """Everything, in order, on a clean machine."""
    plan, inside = network.plan, ["ip", "-n", network.netns]
    # An address on a bridge without members stays: this is the node's own address (some kernels lack the `dummy` link type).
    return [
        ["ip", "netns", "add", network.netns],
        [*inside, "link", "set", "lo", "up"],
        [*inside, "link", "add", BRIDGE, "type", "bridge"],
        [*inside, "addr", "add", f"{plan.node}/32", "dev", BRIDGE],
        [*inside, "link", "set", BRIDGE, "up"],
        ["ip", "link", "add", network.host_interface, "type", "veth", "peer", "name", UPLINK, "netns", network.netns],
        [*inside, "addr", "add", f"{plan.node_link}/30", "dev", UPLINK],
        [*inside, "link", "set", UPLINK, "up"],
        ["ip", "addr", "add", f"{plan.host_link}/30", "dev", network.host_interface],
        ["ip", "link", "set", network.host_interface, "up"],
        [*inside, "route", "add", "default", "via", plan.host_link],
        ["ip", "route", "add", plan.all, "via", plan.node_link],
        ["nsenter", f"--net=/run/netns/{network.netns}", "--", "sysctl", "-qew", *SYSCTLS],
    ]


def setup(network: Network, runner: Runner) -> None:
    """Build the network from nothing."""
    for argv in setup_commands(network):
        checked(runner, argv)


def teardown(layout: Layout, runner: Runner) -> None:
    """Remove namespace and link; removing the link also removes its route. Quiet when there is nothing."""
    if Path(f"/sys/class/net/{host_interface(layout.ident)}").exists():
        checked(runner, ["ip", "link", "del", host_interface(layout.ident)])
    if Path(f"/run/netns/{netns_name(layout.ident)}").exists():
        checked(runner, ["ip", "netns", "del", netns_name(layout.ident)])


def exists(layout: Layout) -> bool:
    """Are both ends there?"""
    paths = (f"/sys/class/net/{host_interface(layout.ident)}", f"/run/netns/{netns_name(layout.ident)}")
    return all(Path(path).exists() for path in paths)


def host_routes(runner: Runner) -> Sequence[str]:
    """Destinations the host already routes somewhere."""
    routes = json.loads(checked(runner, ["ip", "-j", "-4", "route", "show", "table", "all"]) or "[]")
    return [route["dst"] for route in routes if route.get("dst", "default") != "default"]
