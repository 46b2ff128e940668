"""What the process is told by its environment, checked once at the start."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mcp_optimizer_api.names import MANAGEMENT_PORT, MCP_PORT

ENDING_SECONDS = 5
"""Of the grace period, for closing what the process holds."""


class SettingsError(Exception):
    """An environment variable is missing or wrong; the message names it and the fix."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment of docs/contract.md."""

    config: str
    """`configmap:NAME` or `file:PATH`."""
    pod: str = ""
    pod_ip: str = "127.0.0.1"
    """Where other replicas reach this one; a process outside a cluster has none."""
    namespace: str = "default"
    bind: str = "0.0.0.0"
    port: int = MCP_PORT
    management_port: int = MANAGEMENT_PORT
    sandbox_key_file: Path | None = None
    embedding_key_file: Path | None = None
    log_level: str = "INFO"
    drain_seconds: float = 5.0
    """How long the listener stays open after SIGTERM: endpoints of a Service take a moment to forget a Pod."""
    fast_path: bool = True
    """Whether requests of the usual shape are answered without the SDK between."""
    finish_seconds: int = 45
    """How long requests in flight may take after that: what the grace period leaves, or the kubelet would cut the end short."""


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Read the settings; raise `SettingsError` for the first that is wrong."""
    config = environ.get("MCP_CONFIG", "")
    kind, _, target = config.partition(":")
    if kind not in ("configmap", "file") or not target:
        raise SettingsError(f"MCP_CONFIG is {config!r}: set it to configmap:NAME or file:PATH")
    level = environ.get("LOG_LEVEL", "INFO").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise SettingsError(f"LOG_LEVEL is {level!r}: set it to DEBUG, INFO, WARNING or ERROR")
    key_file, embedding_key_file = environ.get("MCP_SANDBOX_KEY_FILE"), environ.get("MCP_EMBEDDING_KEY_FILE")
    drain = _seconds(environ, "MCP_DRAIN_SECONDS", 5.0, 300)
    grace = _seconds(environ, "MCP_GRACE_SECONDS", 55.0, 7200)
    if grace < drain + ENDING_SECONDS:
        raise SettingsError(f"MCP_GRACE_SECONDS is {grace:g}: set it to {drain + ENDING_SECONDS:g} or more, or lower MCP_DRAIN_SECONDS")
    return Settings(
        config=config,
        pod=environ.get("POD_NAME", ""),
        pod_ip=_address(environ, "POD_IP", "127.0.0.1"),
        namespace=environ.get("POD_NAMESPACE", "default"),
        bind=environ.get("MCP_BIND", "0.0.0.0"),
        port=_port(environ, "MCP_PORT", MCP_PORT),
        management_port=_port(environ, "MCP_MANAGEMENT_PORT", MANAGEMENT_PORT),
        sandbox_key_file=Path(key_file) if key_file else None,
        embedding_key_file=Path(embedding_key_file) if embedding_key_file else None,
        log_level=level,
        drain_seconds=drain,
        fast_path=_switch(environ, "MCP_FAST_PATH", "1"),
        finish_seconds=int(grace - drain - ENDING_SECONDS) or 1,
    )


def _address(environ: Mapping[str, str], name: str, default: str) -> str:
    text = environ.get(name, default)
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise SettingsError(f"{name} is {text!r}: set it to the IP address under which other replicas reach this one") from None


def _switch(environ: Mapping[str, str], name: str, default: str) -> bool:
    text = environ.get(name, default)
    if text not in ("0", "1"):
        raise SettingsError(f"{name} is {text!r}: set it to 1 (on) or 0 (off)")
    return text == "1"


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, str(default))
    if not text.isdigit() or int(text) > 65535:
        raise SettingsError(f"{name} is {text!r}: set it to a port number (0 picks a free one)")
    return int(text)


def _seconds(environ: Mapping[str, str], name: str, default: float, most: int) -> float:
    text = environ.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise SettingsError(f"{name} is {text!r}: set it to a number of seconds from 0 to {most}")
    return value
