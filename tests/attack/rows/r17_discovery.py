"""Row 17: a job learns what else there is: services, addresses, names of the cluster."""

from tests.attack.own_pods import namespace_of, pods_of
from tests.attack.stage import BARE_NAMESPACE
from tests.attack.vocabulary import Control, Manifest, Removal, Row, Target

LOOK = """
import os, socket
texts = {'hostname': socket.gethostname(), 'environment': '\\n'.join(f'{k}={v}' for k, v in os.environ.items())}
for path in ('/proc/self/environ', '/proc/1/environ', '/proc/1/cmdline', '/etc/hosts', '/etc/hostname', '/etc/resolv.conf',
             '/proc/self/cgroup', '/proc/net/tcp', '/proc/net/route'):
    try:
        texts[path] = open(path, 'rb').read(20000).decode('latin-1').replace('\\0', '\\n')
    except OSError:
        texts[path] = ''
texts
"""
LINKED = "attack-linked"
WORDS = ("KUBERNETES_", "_SERVICE_HOST", "_SERVICE_PORT", "_PORT_", "MCP_SANDBOX", "svc.cluster", "cluster.local")


async def look(target: Target) -> str | None:
    """Environment, host name, name servers, control groups: of this process and of the agent."""
    texts = (await target.run(LOOK, timeout_s=8)).expect()
    names = [pod["metadata"]["name"] for pod in pods_of(target)]
    words = (*WORDS, namespace_of(target), target.stage.addresses.api_service, target.stage.addresses.dns, *names)
    found = [f"{word} in {place}" for place, text in texts.items() for word in words if word in text]
    return "; ".join(found) or None


async def links(target: Target) -> str | None:
    """Every Service of the namespace, in the variables that the kubelet makes of it."""
    ports = [{"port": 80}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": LINKED}, "spec": {"selector": {"no": "pod"}, "ports": ports}}
    target.stage.apply(service, BARE_NAMESPACE)
    texts = (await target.run(LOOK, timeout_s=8)).expect()
    wanted = LINKED.upper().replace("-", "_") + "_SERVICE_HOST"
    return f"{wanted} in the environment" if wanted in texts["environment"] else None


def _service_links(pod: Manifest) -> None:
    pod["spec"]["enableServiceLinks"] = True


def _own_hostname(pod: Manifest) -> None:
    del pod["spec"]["hostname"]


def _cluster_dns(pod: Manifest) -> None:
    del pod["spec"]["dnsPolicy"], pod["spec"]["dnsConfig"]


NOT_EMPTIED = Removal(name="environment kept", agent="import mcp_sandbox.hardening as h\nh.forget_environment = lambda keep: None")
ROW = Row(
    number=17,
    name="discovery of services",
    attacks=(look,),
    controls=(
        Control(name="the environment is emptied", off=NOT_EMPTIED),
        Control(
            name="enableServiceLinks: false", off=Removal(name="service links", pod=_service_links), others=(NOT_EMPTIED,), attack=links
        ),
        Control(name="fixed hostname", off=Removal(name="the Pod's name as hostname", pod=_own_hostname)),
        Control(name="dnsPolicy: None", off=Removal(name="the cluster's name servers", pod=_cluster_dns)),
    ),
)
