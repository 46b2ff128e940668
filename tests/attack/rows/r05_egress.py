"""Row 5: a job connects to the API server, to Services and Pods of the cluster, to the node, over TCP and UDP, IPv4 and IPv6."""

from tests.attack.network import reach
from tests.attack.pods import ready
from tests.attack.relay import WITNESS_PORT
from tests.attack.removals import IMPATIENT, NO_POLICY, NO_PROBE, NO_VERDICT
from tests.attack.stage import NAMESPACE
from tests.attack.vocabulary import ISOLATIONS, Control, Row, Target

KUBELET_PORT = 10250
PUBLIC = (("a public name server", "tcp", "1.1.1.1", 53), ("the same over IPv6", "tcp", "2606:4700:4700::1111", 53))


async def everywhere(target: Target) -> str | None:
    """Every address of value in the cluster, and a witness beside it that answers whoever gets through."""
    places = target.stage.addresses
    api_host, _, api_port = places.api_server.rpartition(":")
    pods = [pod for name in ISOLATIONS for pod in target.stage.watch.of(NAMESPACE, name) if ready(pod)]
    targets = [
        ("API server's Service", "tcp", places.api_service, 443),
        ("API server", "tcp", api_host, int(api_port)),
        ("Service of a server", "tcp", places.service, 80),
        ("Pod of a server", "tcp", *places.upstream),
        ("data plane", "tcp", places.server, 8080),
        ("data plane's management port", "tcp", places.server, 8081),
        ("kubelet", "tcp", places.node, KUBELET_PORT),
        ("another Pod", "tcp", places.witness, WITNESS_PORT),
        ("another Pod", "udp", places.witness, WITNESS_PORT),
        ("all nodes of the link", "udp", "ff02::1", WITNESS_PORT),
        ("broadcast", "udp", "255.255.255.255", WITNESS_PORT),
        *PUBLIC,
        *(("another sandbox", "tcp", ip, port) for ip in (pod["status"]["podIP"] for pod in pods) for port in (8765, 8766)),
    ]
    return await reach(target, targets)


ROW = Row(
    number=5,
    name="egress",
    attacks=(everywhere,),
    controls=(
        Control(name="NetworkPolicy without egress", off=NO_POLICY, others=(NO_VERDICT,)),
        Control(name="NetworkPolicy without egress", off=NO_POLICY, others=(NO_VERDICT,), isolation="gvisor"),
        Control(name="no job before the Pod has seen that it is isolated", off=NO_PROBE, others=(NO_POLICY, IMPATIENT)),
    ),
)
