"""What a probe saw, judged: is a sandbox of this template the walled place that it is said to be? Pure."""

from collections.abc import Mapping
from typing import Any

from mcp_optimizer_api.stats import IsolationReport

from .pods import SandboxPod

GVISOR_SIGNS = ("gvisor", "Sun Jan 10 15:06:54 PST 2016")
"""In /proc/version: a constant of gVisor's own kernel."""


def judge(seen: Mapping[str, Any], pod: SandboxPod) -> IsolationReport:
    """The report on the Pod's template. Everything in `seen` comes from a sandbox."""
    kernel = _plain(seen.get("kernel", ""))
    gvisor = any(sign in kernel for sign in GVISOR_SIGNS)
    runtime = "gVisor" if gvisor else " ".join(kernel.split()[:3])[:60] or "unknown kernel"
    problem = next(iter(_problems(seen, pod, gvisor)), "")
    return IsolationReport(template=pod.template, verified=not problem, runtime=runtime, problem=problem[:500])


def _problems(seen: Mapping[str, Any], pod: SandboxPod, gvisor: bool) -> list[str]:
    found: list[str] = []

    def hold(good: bool, problem: str) -> None:
        if not good:
            found.append(problem)

    asks_for_gvisor = any(word in pod.runtime_class.lower() for word in ("gvisor", "runsc"))
    hold(
        gvisor or not asks_for_gvisor,
        f"its RuntimeClass is {pod.runtime_class} and its kernel is not gVisor's: check the class's handler and the node's container runtime",
    )
    hold(
        isinstance(uid := seen.get("uid"), int) and uid > 0,
        "its code runs as root: use a sandbox image and a runtime that honour runAsUser",
    )
    hold(
        set(str(seen.get("capabilities", "?"))) == {"0"},
        "its code has capabilities: something on the way changed the Pod's security context",
    )
    hold(seen.get("noNewPrivs") == 1, "its code may gain privileges: something on the way changed allowPrivilegeEscalation")
    # gVisor filters its own calls to the kernel, and may not show it inside.
    hold(
        seen.get("seccomp") in ("1", "2") or gvisor,
        "no seccomp filter is in force: the node's container runtime must support RuntimeDefault",
    )
    hold(not [folder for folder in _listed(seen, "writable") if folder != "/dev/shm"], "its root file system can be written to")
    hold(
        not (files := _listed(seen, "diskFiles")),
        f"its code can write to a file of the node's disk ({_plain(files[0])[:100] if files else ''}): build spec.sandbox.image from the default one",
    )
    hold(seen.get("token") is False, "a service account token is mounted: something on the way changed automountServiceAccountToken")
    hold(seen.get("environment") == [], "its code sees KUBERNETES_ variables: the sandbox image has another job agent")
    if not pod.egress_unchecked:
        reached = ", ".join(_plain(name)[:40] for name in _listed(seen, "reached")[:5])
        hold(not reached, f"its code reaches the network ({reached}): use a network plugin that enforces NetworkPolicies")
        hold(seen.get("resolved") is False, "its code resolves names: a name server answers it in spite of dnsPolicy None")
    return found


def _listed(seen: Mapping[str, Any], name: str) -> list[Any]:
    """What is no list is as bad as a list with something in it."""
    value = seen.get(name)
    return value if isinstance(value, list) else ["?"]


def _plain(text: Any) -> str:
    """It goes into a condition, and from there to terminals."""
    return "".join(sign if sign.isascii() and sign.isprintable() else "?" for sign in str(text)[:500])
