"""The compiler of NetworkPolicies, against the meaning that the Kubernetes documentation gives them."""

from typing import Any

from devcluster.netpol.cluster import Pod, Snapshot, pod_of, selects
from devcluster.netpol.rules import compile_table

WEB = Pod("shop", "web", "10.0.0.1", {"app": "web"}, {("TCP", "http"): 8080})
API = Pod("shop", "api", "10.0.0.2", {"app": "api"}, {("TCP", "http"): 9090, ("UDP", "http"): 9091})
MON = Pod("mon", "prom", "10.0.0.3", {"app": "prom"})
NAMESPACES = {"shop": {"team": "shop"}, "mon": {"team": "ops"}}


def policy(spec: dict[str, Any], *, namespace: str = "shop", name: str = "p") -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"podSelector": {}, **spec}}


def table(*policies: dict[str, Any], pods: tuple[Pod, ...] = (WEB, API, MON)) -> str:
    return compile_table(Snapshot(pods, NAMESPACES, policies), uplink="uplink")


def chain(text: str, direction: str, ip: str) -> list[str] | None:
    """The lines of the chain that an address jumps to; None when it is not isolated."""
    for line in text.splitlines():
        if line.startswith(f"  map {direction}_of") and f"{ip} : jump " in line:
            name = line.split(f"{ip} : jump ")[1].split()[0].rstrip(",")
            body = text.split(f"chain {name} {{\n")[1].split("\n  }")[0]
            return [one.strip() for one in body.splitlines() if not one.strip().startswith("#")]
    return None


def test_without_policies_no_pod_is_isolated() -> None:
    text = table()
    assert chain(text, "ingress", WEB.ip) is None and chain(text, "egress", WEB.ip) is None


def test_the_table_is_replaced_in_one_transaction() -> None:
    assert table().splitlines()[:2] == ["table ip mcp_netpol {}", "delete table ip mcp_netpol"]


def test_established_connections_are_accepted_before_anything_else() -> None:
    body = table().split("chain police {\n")[1].splitlines()
    assert body[0].strip() == "ct state established,related accept"


def test_an_empty_ingress_list_drops_everything_to_the_selected_pods_only() -> None:
    text = table(policy({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}))
    assert chain(text, "ingress", WEB.ip) == ["counter drop"]
    assert chain(text, "ingress", API.ip) is None and chain(text, "egress", WEB.ip) is None


def test_a_policy_applies_to_its_own_namespace_only() -> None:
    assert chain(table(policy({"policyTypes": ["Ingress"]})), "ingress", MON.ip) is None


def test_missing_policy_types_mean_ingress_and_egress_only_when_there_are_egress_rules() -> None:
    assert chain(table(policy({})), "ingress", WEB.ip) and chain(table(policy({})), "egress", WEB.ip) is None
    assert chain(table(policy({"egress": [{}]})), "egress", WEB.ip) == ["return", "counter drop"]


def test_a_rule_without_peers_and_ports_allows_everything() -> None:
    assert chain(table(policy({"ingress": [{}]})), "ingress", WEB.ip) == ["return", "counter drop"]


def test_a_pod_selector_alone_means_pods_of_the_policys_namespace() -> None:
    text = table(policy({"ingress": [{"from": [{"podSelector": {}}]}]}))
    assert chain(text, "ingress", WEB.ip) == ["ip saddr { 10.0.0.1, 10.0.0.2 } return", "counter drop"]


def test_a_namespace_selector_alone_means_all_pods_of_those_namespaces() -> None:
    text = table(policy({"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "ops"}}}]}]}))
    assert chain(text, "ingress", WEB.ip) == ["ip saddr { 10.0.0.3 } return", "counter drop"]


def test_both_selectors_in_one_peer_must_match_and_two_peers_are_alternatives() -> None:
    ops = {"matchLabels": {"team": "ops"}}
    together = table(policy({"ingress": [{"from": [{"namespaceSelector": ops, "podSelector": {"matchLabels": {"app": "web"}}}]}]}))
    assert chain(together, "ingress", WEB.ip) == ["counter drop"]
    either = table(policy({"ingress": [{"from": [{"namespaceSelector": ops}, {"podSelector": {"matchLabels": {"app": "api"}}}]}]}))
    assert chain(either, "ingress", WEB.ip) == ["ip saddr { 10.0.0.3 } return", "ip saddr { 10.0.0.2 } return", "counter drop"]


def test_a_selector_that_matches_nobody_allows_nobody_even_with_ports() -> None:
    text = table(policy({"ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "none"}}}], "ports": [{"port": 80}]}]}))
    assert chain(text, "ingress", WEB.ip) == ["counter drop"]


def test_numeric_ports_ranges_and_protocols() -> None:
    ports = [{"port": 80}, {"port": 53, "protocol": "UDP"}, {"port": 8000, "endPort": 8010}, {"protocol": "SCTP"}]
    text = table(policy({"egress": [{"ports": ports}]}))
    assert chain(text, "egress", WEB.ip) == [
        "tcp dport 80 return",
        "udp dport 53 return",
        "tcp dport 8000-8010 return",
        "meta l4proto sctp return",
        "counter drop",
    ]


def test_a_named_ingress_port_is_looked_up_at_each_isolated_pod() -> None:
    text = table(policy({"ingress": [{"from": [{"namespaceSelector": {}}], "ports": [{"port": "http"}]}]}))
    everybody = "ip saddr { 10.0.0.1, 10.0.0.2, 10.0.0.3 }"
    got = chain(text, "ingress", WEB.ip)
    assert got is not None
    assert set(got) == {
        f"{everybody} ip daddr 10.0.0.1 tcp dport 8080 return",
        f"{everybody} ip daddr 10.0.0.2 tcp dport 9090 return",
        "counter drop",
    }


def test_a_named_egress_port_is_looked_up_at_each_called_pod() -> None:
    peers = [{"podSelector": {"matchLabels": {"app": "api"}}}]
    text = table(policy({"egress": [{"to": peers, "ports": [{"port": "http", "protocol": "UDP"}]}]}))
    assert chain(text, "egress", WEB.ip) == ["ip daddr 10.0.0.2 udp dport 9091 return", "counter drop"]


def test_an_address_block_with_exceptions() -> None:
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.0.0/16"]}}
    text = table(policy({"egress": [{"to": [block], "ports": [{"port": 443}]}]}))
    assert chain(text, "egress", WEB.ip) == [
        "ip daddr 10.0.0.0/8 ip daddr != { 10.1.0.0/16, 10.2.0.0/16 } tcp dport 443 return",
        "counter drop",
    ]


def test_policies_that_select_the_same_pod_add_up() -> None:
    one = policy({"ingress": [{"ports": [{"port": 1}]}]}, name="a")
    two = policy({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"ports": [{"port": 2}]}]}, name="b")
    text = table(one, two)
    assert chain(text, "ingress", WEB.ip) == ["tcp dport 1 return", "tcp dport 2 return", "counter drop"]
    assert chain(text, "ingress", API.ip) == ["tcp dport 1 return", "counter drop"]


def test_the_host_behind_the_uplink_is_never_kept_from_a_pod_but_pods_are_policed_towards_it() -> None:
    body = table().split("chain police {\n")[1].split("}")[0]
    assert body.index("@egress_of") < body.index('iifname "uplink" return') < body.index("@ingress_of")


def test_an_address_that_two_pods_show_appears_once() -> None:
    twin = Pod("shop", "zz", WEB.ip, {"app": "web"})
    text = table(policy({"policyTypes": ["Ingress"]}), pods=(WEB, twin))
    assert text.count(f"{WEB.ip} : jump") == 1


def test_only_living_pods_with_an_address_of_their_own_count() -> None:
    base = {"metadata": {"namespace": "n", "name": "p"}, "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 80}]}]}}
    running = {**base, "status": {"podIP": "10.0.0.9", "phase": "Running"}}
    found = pod_of(running)
    assert found is not None and found.ip == "10.0.0.9" and found.ports == {("TCP", "http"): 80}
    assert pod_of(base) is None
    assert pod_of({**base, "status": {"podIP": "10.0.0.9", "phase": "Succeeded"}}) is None
    assert pod_of({**running, "spec": {"containers": [], "hostNetwork": True}}) is None


def test_label_expressions() -> None:
    def one(key: str, operator: str, *values: str) -> dict[str, Any]:
        return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}

    labels = {"a": "1"}
    assert selects(one("a", "In", "1", "2"), labels) and not selects(one("a", "In", "2"), labels)
    assert selects(one("b", "NotIn", "1"), labels) and not selects(one("a", "NotIn", "1"), labels)
    assert selects(one("a", "Exists"), labels) and not selects(one("b", "Exists"), labels)
    assert selects(one("b", "DoesNotExist"), labels) and not selects(one("a", "DoesNotExist"), labels)
    assert selects(None, labels) and not selects({"matchLabels": {"a": "2"}}, labels)
