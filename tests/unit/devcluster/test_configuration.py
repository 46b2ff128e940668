"""Command lines and configuration files that the cluster's programs get."""

import json
import tomllib
from pathlib import Path

import pytest
import yaml

from devcluster import addons, control_plane, network, node
from devcluster.address_plan import AddressPlan
from devcluster.control_plane import Endpoint, Ports
from devcluster.errors import ClusterError
from devcluster.layout import Layout
from devcluster.network import Network
from devcluster.node import Node
from devcluster.process import Command

LAYOUT = Layout(Path("/co"), "local")
LOOPBACK = Endpoint("127.0.0.1", Ports(1111, 2222, 3333))
IN_NAMESPACE = Endpoint("10.64.192.1", Ports(6443, 2379, 2380), "10.64.128.0/18", netns="ns", with_node=True)


def flags(command: Command) -> dict[str, str]:
    pairs = (argument.removeprefix("--").partition("=") for argument in command.argv[1:])
    return {name: value for name, _, value in pairs}


def a_node(*, gvisor: bool) -> Node:
    return Node(LAYOUT, AddressPlan(0), "ns", Path("/bin"), gvisor)


def test_the_audit_log_counts_writes_only_and_can_be_read_at_once() -> None:
    levels = [(rule["level"], rule.get("verbs")) for rule in control_plane.AUDIT_POLICY["rules"]]  # type: ignore[index,union-attr]
    assert levels == [("Metadata", ["create", "update", "patch", "delete", "deletecollection"]), ("None", None)]
    got = flags(control_plane.apiserver(LAYOUT, LOOPBACK, Path("/bin/a")))
    assert got["audit-log-mode"] == "blocking" and got["audit-log-path"] == "/co/.devcluster/local/audit.log"


def test_the_loopback_control_plane_listens_on_loopback_only() -> None:
    api, etcd = control_plane.apiserver(LAYOUT, LOOPBACK, Path("a")), control_plane.etcd(LAYOUT, LOOPBACK, Path("e"))
    assert flags(api)["bind-address"] == "127.0.0.1" and flags(api)["secure-port"] == "1111"
    assert flags(api)["endpoint-reconciler-type"] == "none"
    assert flags(etcd)["listen-client-urls"] == "https://127.0.0.1:2222" == flags(api)["etcd-servers"]


def test_the_database_serves_only_clients_with_its_own_certificates() -> None:
    got = flags(control_plane.etcd(LAYOUT, LOOPBACK, Path("e")))
    assert got["client-cert-auth"] == "true" and got["trusted-ca-file"].endswith("etcd-ca.crt")


def test_a_cluster_with_a_node_publishes_its_api_server_to_pods() -> None:
    command = control_plane.apiserver(LAYOUT, IN_NAMESPACE, Path("a"))
    assert command.netns == "ns" and "endpoint-reconciler-type" not in flags(command)
    assert flags(command)["service-cluster-ip-range"] == "10.64.128.0/18"


def test_containerds_configuration_is_valid_and_mentions_gvisor_only_when_it_is_there() -> None:
    runtime = "io.containerd.cri.v1.runtime"
    without = tomllib.loads(node.containerd_config(a_node(gvisor=False)))
    assert list(without["plugins"][runtime]["containerd"]["runtimes"]) == ["runc"]
    having = tomllib.loads(node.containerd_config(a_node(gvisor=True)))
    assert having["plugins"][runtime]["containerd"]["runtimes"]["runsc"]["runtime_type"] == "io.containerd.runsc.v1"
    assert tomllib.loads(node.runsc_config(a_node(gvisor=True)))["runsc_config"]["platform"] == "systrap"
    assert not any(path.name == "runsc.toml" for path in node.files(a_node(gvisor=False)))


def test_two_clusters_share_neither_cgroup_nor_sockets_nor_namespace() -> None:
    one, two = Layout(Path("/a"), "local"), Layout(Path("/b"), "local")
    assert one.run != two.run and node.cgroup_name(one) != node.cgroup_name(two)
    assert network.netns_name(one.ident) != network.netns_name(two.ident)


def test_interface_names_fit_the_kernel_and_socket_paths_fit_their_limit() -> None:
    layout = Layout(Path("/a/very/long/path/" + "x" * 200), "a-name-of-thirty-characters-xx")
    assert len(network.host_interface(layout.ident)) <= 15
    assert len(f"{layout.containerd_socket}.ttrpc") <= 107


def test_the_kubelet_hands_out_the_dns_service_and_refuses_anonymous_callers() -> None:
    got = node.kubelet_config(a_node(gvisor=False))
    assert got["clusterDNS"] == ["10.64.128.10"] and got["authentication"]["anonymous"] == {"enabled": False}
    assert got["podPidsLimit"] == 1024 and got["cgroupRoot"] == f"/{node.cgroup_name(LAYOUT)}"


def test_every_configuration_file_of_the_node_is_below_its_config_folder() -> None:
    files = node.files(a_node(gvisor=True))
    assert all(path.is_relative_to(LAYOUT.config) for path in files)
    assert json.loads(files[LAYOUT.config / "cni" / "10-devcluster.conflist"])["plugins"][0]["type"] == "ptp"


def test_network_commands_touch_the_host_only_through_their_own_link() -> None:
    commands = network.setup_commands(Network("abcd1234", AddressPlan(0)))
    outside = [" ".join(argv) for argv in commands if argv[:2] != ["ip", "-n"] and argv[0] != "nsenter"]
    assert outside == [
        "ip netns add mcpdev-abcd1234",
        "ip link add mcpdabcd1234 type veth peer name uplink netns mcpdev-abcd1234",
        "ip addr add 10.64.255.1/30 dev mcpdabcd1234",
        "ip link set mcpdabcd1234 up",
        "ip route add 10.64.0.0/16 via 10.64.255.2",
    ]


def test_add_ons_are_valid_documents_without_open_placeholders() -> None:
    for text in (addons.manifests(AddressPlan(0), gvisor=True), addons.kind_manifests()):
        assert "$" not in text
        assert all({"apiVersion", "kind", "metadata"} <= set(document) for document in yaml.safe_load_all(text))


def test_gvisors_runtime_class_exists_only_with_gvisor() -> None:
    kinds = {gvisor: [d["kind"] for d in yaml.safe_load_all(addons.manifests(AddressPlan(0), gvisor=gvisor))] for gvisor in (True, False)}
    assert "RuntimeClass" in kinds[True] and "RuntimeClass" not in kinds[False]


def test_unknown_names_are_answered_by_a_server_block_of_their_own() -> None:
    documents = yaml.safe_load_all(addons.manifests(AddressPlan(0), gvisor=False))
    corefile = next(d["data"]["Corefile"] for d in documents if d["kind"] == "ConfigMap")
    blocks = corefile.split("\n}\n")
    assert "kubernetes cluster.local" in blocks[0] and "template" not in blocks[0] and "template ANY ANY" in blocks[1]


def test_a_dns_question_is_well_formed() -> None:
    question = addons.dns_query("a.bc", 0x1234)
    assert question == b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02bc\x00\x00\x01\x00\x01"


@pytest.mark.parametrize("name", ["", "-x", "Local", "a_b", "x" * 31, "../up"])
def test_a_cluster_name_that_could_break_a_path_or_an_interface_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="lower-case letters"):
        Layout(Path("/co"), name)
