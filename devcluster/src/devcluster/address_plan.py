"""Gives every local cluster of this machine a /16 of its own, so that two checkouts run full clusters next to each other and the
host reaches Pods and Services of both with one route each."""

import fcntl
import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass

from devcluster.errors import ClusterError
from devcluster.layout import Layout, user_cache

FIRST, COUNT = 64, 64


@dataclass(frozen=True)
class AddressPlan:
    """The ranges of one cluster inside 10.N.0.0/16."""

    index: int

    def _at(self, rest: str) -> str:
        return f"10.{FIRST + self.index}.{rest}"

    @property
    def all(self) -> str:
        """What the host routes into the cluster."""
        return self._at("0.0/16")

    @property
    def pods(self) -> str:
        """Pod addresses."""
        return self._at("0.0/17")

    @property
    def pod_gateway(self) -> str:
        """The node's side of every Pod's link."""
        return self._at("0.1")

    @property
    def services(self) -> str:
        """ClusterIPs."""
        return self._at("128.0/18")

    @property
    def api_service(self) -> str:
        """ClusterIP of Service `kubernetes`: always the first one."""
        return self._at("128.1")

    @property
    def dns_service(self) -> str:
        """ClusterIP of the cluster's DNS."""
        return self._at("128.10")

    @property
    def node(self) -> str:
        """The node's own address: API server, kubelet."""
        return self._at("192.1")

    @property
    def host_link(self) -> str:
        """The host's end of the link; Pods reach programs on the host here."""
        return self._at("255.1")

    @property
    def node_link(self) -> str:
        """The node's end of the link."""
        return self._at("255.2")


def first_free(taken: Iterable[int], routes: Iterable[str]) -> AddressPlan:
    """The lowest plan nobody has and no route of the host (a VPN, say) overlaps."""
    networks = [ipaddress.ip_network(route, strict=False) for route in routes]
    used = set(taken)
    for index in range(COUNT):
        plan = AddressPlan(index)
        mine = ipaddress.ip_network(plan.all)
        if index not in used and not any(network.version == 4 and network.prefixlen and mine.overlaps(network) for network in networks):
            return plan
    raise ClusterError(
        f"all of 10.{FIRST}.0.0 to 10.{FIRST + COUNT - 1}.255.255 is in use: remove a cluster with `python -m devcluster down`"
    )


def allocate(layout: Layout, routes: Iterable[str]) -> AddressPlan:
    """This cluster's plan: the same one at every call until it is released."""
    with _Register() as register:
        plans = register.plans
        if layout.ident not in plans:
            plans[layout.ident] = first_free(plans.values(), routes).index
        return AddressPlan(plans[layout.ident])


def release(layout: Layout) -> None:
    """Give the range back."""
    with _Register() as register:
        register.plans.pop(layout.ident, None)


class _Register:
    """The user's list of ranges in use, locked while it is open."""

    def __enter__(self) -> "_Register":
        user_cache().mkdir(parents=True, exist_ok=True)
        self._file = (user_cache() / "addresses.json").open("a+")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._file.seek(0)
        text = self._file.read()
        self.plans: dict[str, int] = json.loads(text) if text else {}
        return self

    def __exit__(self, *_: object) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(self.plans))
        self._file.close()
