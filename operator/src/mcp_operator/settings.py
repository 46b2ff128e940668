"""What the process is told by its environment (docs/contract.md), checked once at the start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import SettingsError

NAMESPACE = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
DEFAULT_LEASE = "mcp-operator"
DEFAULT_NAMESPACE = "mcp-system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything configurable about the operator itself."""

    namespace: str
    """Where the operator runs: its Lease lives here, and policies admit its Pods from here."""
    pod_name: str
    server_image: str
    sandbox_image: str
    watch_namespaces: tuple[str, ...] = ()
    """Empty: the whole cluster."""
    image_pull_policy: str = "IfNotPresent"
    leader_election: bool = True
    lease_name: str = DEFAULT_LEASE
    """Releases that share a namespace must not share it: the second would wait for ever."""
    log_level: str = "INFO"
    workers: int = 16
    resync_seconds: float = 600.0
    metrics_port: int = 8080
    health_port: int = 8081


def from_env(env: Mapping[str, str], *, host: str) -> Settings:
    """Settings from environment variables; every problem is reported at once.

    `host` identifies the process in the Lease when `POD_NAME` is not set (outside a cluster).
    """
    problems: list[str] = []
    settings = Settings(
        namespace=_namespace(env, problems),
        pod_name=env.get("POD_NAME") or host,
        server_image=_required(env, "MCP_SERVER_IMAGE", "the image of the server Pods", problems),
        sandbox_image=_required(env, "MCP_SANDBOX_IMAGE", "the image of the sandbox Pods", problems),
        watch_namespaces=_namespaces(env, problems),
        image_pull_policy=_choice(env, "IMAGE_PULL_POLICY", "IfNotPresent", PULL_POLICIES, problems),
        leader_election=_choice(env, "LEADER_ELECTION", "true", ("true", "false"), problems) == "true",
        lease_name=_lease(env, problems),
        log_level=_choice(env, "LOG_LEVEL", "INFO", LOG_LEVELS, problems),
        metrics_port=_port(env, "METRICS_PORT", 8080, problems),
        health_port=_port(env, "HEALTH_PORT", 8081, problems),
    )
    if problems:
        raise SettingsError("; ".join(problems))
    return settings


def _required(env: Mapping[str, str], name: str, meaning: str, problems: list[str]) -> str:
    value = env.get(name, "").strip()
    if not value:
        problems.append(f"{name} is not set: give {meaning}")
    return value


def _choice(env: Mapping[str, str], name: str, default: str, choices: tuple[str, ...], problems: list[str]) -> str:
    value = env.get(name) or default
    for choice in choices:
        if value.lower() == choice.lower():
            return choice
    problems.append(f"{name}={value!r} is none of {', '.join(choices)}")
    return default


def _namespace(env: Mapping[str, str], problems: list[str]) -> str:
    value = env.get("POD_NAMESPACE") or DEFAULT_NAMESPACE
    if not NAMESPACE.match(value):
        problems.append(f"POD_NAMESPACE={value!r} is no namespace name")
    return value


def _lease(env: Mapping[str, str], problems: list[str]) -> str:
    value = env.get("LEASE_NAME") or DEFAULT_LEASE
    if not NAMESPACE.match(value):
        problems.append(f"LEASE_NAME={value!r} is no object name: use lower-case letters, digits and dashes, at most 63")
    return value


def _namespaces(env: Mapping[str, str], problems: list[str]) -> tuple[str, ...]:
    names = sorted({name.strip() for name in env.get("WATCH_NAMESPACES", "").split(",") if name.strip()})
    for name in names:
        if not NAMESPACE.match(name):
            problems.append(f"WATCH_NAMESPACES contains {name!r}, which is no namespace name: separate names by commas")
    return tuple(names)


def _port(env: Mapping[str, str], name: str, default: int, problems: list[str]) -> int:
    value = env.get(name) or str(default)
    if value.isdigit() and int(value) < 65536:
        return int(value)
    problems.append(f"{name}={value!r} is no port: give a number from 0 (any free one) to 65535")
    return default
