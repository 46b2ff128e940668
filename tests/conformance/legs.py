"""What is run against what."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.conformance.processes import fixture, gateway
from tests.conformance.suite import Outcome, Suite

Where = Callable[[], AbstractContextManager[str]]
"""Starts what is needed and yields the endpoint's URL."""
MODERN, LEGACY = "2026-07-28", "2025-11-25"
UPSTREAM = "conformance"
OPTIMIZER_MODERN = (
    "server-stateless",
    "tools-list",
    "caching",
    "server-sse-multiple-streams",
    "dns-rebinding-protection",
    "sep-2164-resource-not-found",
    "input-required-result-unsupported-methods",
    "http-header-validation",
)
OPTIMIZER_LEGACY = ("server-initialize", "ping", "tools-list", "server-sse-multiple-streams", "dns-rebinding-protection")


@dataclass(frozen=True)
class Leg:
    """A server to run the suite against, and the scenarios for each revision (none: all that it requires)."""

    name: str
    url: Where
    scenarios: dict[str, tuple[str, ...]]


@contextmanager
def alone() -> Iterator[str]:
    """The fixture itself."""
    with fixture() as port:
        yield f"http://localhost:{port}/mcp"


def through(mode: str, route: str, **environ: str) -> Where:
    """Our server in front of the fixture."""

    @contextmanager
    def url() -> Iterator[str]:
        with fixture() as port, gateway({UPSTREAM: f"http://127.0.0.1:{port}/mcp"}, mode=mode, **environ) as server:
            yield server.url(route)

    return url


ALL: dict[str, tuple[str, ...]] = {MODERN: (), LEGACY: ()}
LEGS = {
    leg.name: leg
    for leg in (
        Leg("baseline", alone, ALL),
        Leg("direct", through("mcp_only", UPSTREAM), ALL),
        Leg("direct-sdk", through("mcp_only", UPSTREAM, MCP_FAST_PATH="0"), ALL),
        Leg("hybrid", through("hybrid", ""), {MODERN: OPTIMIZER_MODERN, LEGACY: OPTIMIZER_LEGACY}),
        Leg("hybrid-sdk", through("hybrid", "", MCP_FAST_PATH="0"), {MODERN: OPTIMIZER_MODERN, LEGACY: OPTIMIZER_LEGACY}),
    )
}


def run(suite: Suite, leg: Leg) -> dict[str, list[Outcome]]:
    """What came of the leg, by revision."""
    with leg.url() as url:
        return {revision: suite.server(url, revision, scenarios) for revision, scenarios in leg.scenarios.items()}
