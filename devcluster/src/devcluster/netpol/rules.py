"""Compiles NetworkPolicies to one nftables table. The table sits behind kube-proxy's address translation, so rules speak of Pod
addresses and target ports; Pods that no policy selects are not mentioned at all.

Each direction has a map from an isolated Pod's address to a chain; Pods selected by the same policies share one. A chain returns
for what a policy allows and drops the rest, so traffic passes only when both ends agree."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from devcluster.netpol.cluster import Manifest, Pod, Snapshot, selects

TABLE = "mcp_netpol"
INGRESS, EGRESS = "Ingress", "Egress"
PEER_FIELD = {INGRESS: "saddr", EGRESS: "daddr"}


@dataclass(frozen=True)
class Peer:
    """One side of a rule: an nftables match, and the Pods it stands for (None: addresses, not Pods)."""

    match: str
    pods: tuple[Pod, ...] | None


def compile_table(snapshot: Snapshot, *, uplink: str) -> str:
    """The whole table as one atomic nftables transaction."""
    parts = [f"table ip {TABLE} {{}}", f"delete table ip {TABLE}", f"table ip {TABLE} {{"]
    maps = []
    for direction in (EGRESS, INGRESS):
        chains = _chains(snapshot, direction)
        elements = []
        for policies, pods in chains.items():
            name = _chain_name(direction, policies)
            parts += [f"  chain {name} {{", *(f"    {line}" for line in _body(snapshot, direction, policies, pods)), "  }"]
            elements += [f"{pod.ip} : jump {name}" for pod in pods]
        inner = f" elements = {{ {', '.join(elements)} }};" if elements else ""
        maps.append(f"  map {direction.lower()}_of {{ type ipv4_addr : verdict;{inner} }}")
    return "\n".join([*parts, *maps, *_hooks(uplink), "}", ""])


def _hooks(uplink: str) -> list[str]:
    """`input` as well as `forward`: traffic to the API server, the kubelet and the node's own ports is never forwarded. The host
    behind the uplink counts as the node itself, which Kubernetes always lets through to its Pods."""
    hooks = [f"  chain {hook} {{ type filter hook {hook} priority 10; policy accept; jump police; }}" for hook in ("forward", "input")]
    police = [
        "  chain police {",
        "    ct state established,related accept",
        "    ip saddr vmap @egress_of",
        f'    iifname "{uplink}" return',
        "    ip daddr vmap @ingress_of",
        "  }",
    ]
    return police + hooks


def _types(policy: Manifest) -> Sequence[str]:
    spec = policy["spec"]
    return spec.get("policyTypes") or ([INGRESS, EGRESS] if spec.get("egress") else [INGRESS])


def _chains(snapshot: Snapshot, direction: str) -> Mapping[tuple[int, ...], list[Pod]]:
    """Policies (by position) -> the Pods that exactly these policies isolate."""
    relevant = [(number, policy) for number, policy in enumerate(snapshot.policies) if direction in _types(policy)]
    grouped: dict[tuple[int, ...], list[Pod]] = {}
    # Two Pods can show the same address for a moment, when one ends and the other begins: the first in order wins.
    unique = {pod.ip: pod for pod in sorted(snapshot.pods, key=lambda pod: (pod.namespace, pod.name), reverse=True)}
    for pod in unique.values():
        own = tuple(
            number
            for number, policy in relevant
            if policy["metadata"]["namespace"] == pod.namespace and selects(policy["spec"].get("podSelector"), pod.labels)
        )
        if own:
            grouped.setdefault(own, []).append(pod)
    return grouped


def _chain_name(direction: str, policies: tuple[int, ...]) -> str:
    return f"{direction.lower()}_{hashlib.sha256(repr(policies).encode()).hexdigest()[:12]}"


def _body(snapshot: Snapshot, direction: str, policies: tuple[int, ...], pods: Sequence[Pod]) -> Iterator[str]:
    for number in policies:
        policy = snapshot.policies[number]
        yield f"# {policy['metadata']['namespace']}/{policy['metadata']['name']}"
        for rule in policy["spec"].get(direction.lower(), []):
            yield from _rule(snapshot, direction, policy["metadata"]["namespace"], rule, pods)
    yield "counter drop"


def _rule(snapshot: Snapshot, direction: str, namespace: str, rule: Manifest, pods: Sequence[Pod]) -> Iterator[str]:
    peers = rule.get("from" if direction == INGRESS else "to")
    matches = [_peer(snapshot, direction, namespace, peer) for peer in peers] if peers else [Peer("", snapshot.pods)]
    for peer in matches:
        if peer.match or not peers:  # a selector that matches nobody allows nobody
            for port in rule.get("ports") or [None]:
                yield from _with_port(direction, peer, port, pods)


def _peer(snapshot: Snapshot, direction: str, namespace: str, peer: Manifest) -> Peer:
    side = PEER_FIELD[direction]
    if block := peer.get("ipBlock"):
        if ":" in block["cidr"]:
            return Peer("", ())  # the local cluster is IPv4 only
        excluded = f" ip {side} != {{ {', '.join(block['except'])} }}" if block.get("except") else ""
        return Peer(f"ip {side} {block['cidr']}{excluded}", None)
    chosen = tuple(pod for pod in snapshot.pods if _is_peer(snapshot, namespace, peer, pod))
    addresses = sorted({pod.ip for pod in chosen})
    return Peer(f"ip {side} {{ {', '.join(addresses)} }}" if addresses else "", chosen)


def _is_peer(snapshot: Snapshot, namespace: str, peer: Manifest, pod: Pod) -> bool:
    if "namespaceSelector" in peer:
        if pod.namespace not in snapshot.namespaces or not selects(peer["namespaceSelector"], snapshot.namespaces[pod.namespace]):
            return False
    elif pod.namespace != namespace:
        return False
    return selects(peer.get("podSelector"), pod.labels)


def _with_port(direction: str, peer: Peer, port: Manifest | None, pods: Sequence[Pod]) -> Iterator[str]:
    prefix = f"{peer.match} " if peer.match else ""
    if port is None:
        yield f"{prefix}return"
        return
    protocol = port.get("protocol", "TCP")
    word, value = protocol.lower(), port.get("port")
    if value is None:
        yield f"{prefix}meta l4proto {word} return"
    elif isinstance(value, int):
        last = port.get("endPort")
        yield f"{prefix}{word} dport {value}{f'-{last}' if last else ''} return"
    else:
        # A name means what the receiving Pod says it means: the isolated Pods themselves, or the Pods they may call.
        receivers = pods if direction == INGRESS else (peer.pods or ())
        sender = prefix if direction == INGRESS else ""
        for pod in receivers:
            if (number := pod.ports.get((protocol, value))) is not None:
                yield f"{sender}ip daddr {pod.ip} {word} dport {number} return"
