"""What the operator tells the agent through the Pod's environment, read once, checked at the start."""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

JOB_PORT = 8765
HEALTH_PORT = 8766


class SettingsError(ValueError):
    """A variable of the environment is missing or wrong; the message names it."""


@dataclass(frozen=True)
class Settings:
    """The environment, typed."""

    pod: str
    token_sha256: str
    idle_seconds: float
    linger_seconds: float
    """How long the Pod stays after its job at most. The node's work on an ended Pod is many times that of a short job, and of a burst's other
    jobs the last shall not wait for it."""
    workdir: str
    port: int
    health_port: int
    bind: str
    egress_probe: tuple[str, int] | None
    """Address that must be unreachable before the Pod opens a port: proof that the NetworkPolicy is in force. None: no proof is asked for."""
    egress_seconds: float = 30.0
    """How long that may take: network plugins need a moment for a new Pod."""


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings, or SettingsError."""
    digest = environment.get("MCP_SANDBOX_TOKEN_SHA256", "")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise SettingsError("MCP_SANDBOX_TOKEN_SHA256 must be 64 lower-case hexadecimal digits")
    workdir = environment.get("MCP_SANDBOX_WORKDIR", "/work")
    if not os.path.isdir(workdir):
        raise SettingsError(f"MCP_SANDBOX_WORKDIR={workdir!r} is no directory: mount the scratch volume there")
    _check_closed(environment.get("MCP_SANDBOX_TERMINATION_LOG", ""))
    return Settings(
        pod=environment.get("MCP_SANDBOX_POD", ""),
        token_sha256=digest,
        idle_seconds=_number(environment, "MCP_SANDBOX_IDLE_SECONDS", 3600, low=1, high=7 * 86400),
        linger_seconds=_number(environment, "MCP_SANDBOX_LINGER_SECONDS", 0, low=0, high=10),
        workdir=workdir,
        port=int(_number(environment, "MCP_SANDBOX_PORT", JOB_PORT, low=0, high=65535)),
        health_port=int(_number(environment, "MCP_SANDBOX_HEALTH_PORT", HEALTH_PORT, low=0, high=65535)),
        bind=environment.get("MCP_SANDBOX_BIND", ""),
        egress_probe=_egress_probe(environment),
        egress_seconds=_number(environment, "MCP_SANDBOX_EGRESS_SECONDS", 30, low=0, high=600),
    )


def _check_closed(termination_log: str) -> None:
    """The kubelet makes the missing folders of its file, and then everybody may enter them."""
    if termination_log and os.access(termination_log, os.W_OK):
        raise SettingsError(
            f"MCP_SANDBOX_TERMINATION_LOG={termination_log!r} is a file on the node's disk that jobs could fill: build the image "
            f"with the folder {os.path.dirname(termination_log)!r}, owned by root, mode 0700"
        )


def _number(environment: Mapping[str, str], name: str, default: float, *, low: float, high: float) -> float:
    text = environment.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{name}={text!r} is no number") from None
    if not low <= value <= high:
        raise SettingsError(f"{name}={text!r} must be between {low:g} and {high:g}")
    return value


def _egress_probe(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """The API server's Service: every Pod has its address in the environment, and no sandbox may reach it.

    An address only: without a name server no name would ever be reached, which would prove nothing.
    """
    wanted = environment.get("MCP_SANDBOX_EGRESS") or "denied"
    if wanted not in ("denied", "unchecked"):
        raise SettingsError(f"MCP_SANDBOX_EGRESS={wanted!r} must be denied or unchecked")
    if wanted == "unchecked":
        return None
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise SettingsError(
            f"KUBERNETES_SERVICE_HOST={host!r} is no IP address, so that nothing can be proven of the network: give one,"
            " or say MCP_SANDBOX_EGRESS=unchecked (spec.sandbox.allowUnenforcedEgress)"
        ) from None
    return host, int(_number(environment, "KUBERNETES_SERVICE_PORT", 443, low=1, high=65535))
