"""What is run against what."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.conformance.processes import fixture, gateway
from tests.conformance.suite import Outcome, Suite

Where = Callable[[], AbstractContextManager[str]]
"""Starts what is needed and yields the endpoint's URL."""
MODERN, LEGACY = "2026-07-28", "2025-11-25"
UPSTREAM = "conformance"
CLIENT_LEG = "client"
LEGS_AT_ONCE = 3
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


def through(mode: str, route: str, era: str = "", **environ: str) -> Where:
    """Our server in front of the fixture."""

    @contextmanager
    def url() -> Iterator[str]:
        with fixture(FIXTURE_ERA=era) as port, gateway({UPSTREAM: f"http://127.0.0.1:{port}/mcp"}, mode=mode, **environ) as server:
            yield server.url(route)

    return url


ALL: dict[str, tuple[str, ...]] = {MODERN: (), LEGACY: ()}
LEGS = {
    leg.name: leg
    for leg in (
        Leg("baseline", alone, ALL),
        Leg("direct", through("mcp_only", UPSTREAM), ALL),
        Leg("direct-sdk", through("mcp_only", UPSTREAM, MCP_FAST_PATH="0"), ALL),
        Leg("old-upstream", through("mcp_only", UPSTREAM, era="legacy"), ALL),
        Leg("hybrid", through("hybrid", ""), {MODERN: OPTIMIZER_MODERN, LEGACY: OPTIMIZER_LEGACY}),
        Leg("hybrid-sdk", through("hybrid", "", MCP_FAST_PATH="0"), {MODERN: OPTIMIZER_MODERN, LEGACY: OPTIMIZER_LEGACY}),
    )
}


CLIENT: dict[str, tuple[str, ...]] = {
    MODERN: (
        "tools_call",
        "request-metadata",
        "sep-2322-client-request-state",
        "http-standard-headers",
        "http-custom-headers",
        "http-invalid-tool-headers",
        "json-schema-ref-no-deref",
        "json-schema-2020-12-preservation",
    ),
    LEGACY: ("initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry", "json-schema-2020-12-preservation"),
}
"""Scenarios of the other direction: a server of the suite's, our gateway as its client. The rest, `auth/…`, is OAuth."""


def run_client(suite: Suite) -> dict[str, list[Outcome]]:
    """What came of the client's leg, by revision; required scenarios that are not run count as failed."""
    command = f"{sys.executable} -m tests.conformance.client"
    found = {}
    for revision, scenarios in CLIENT.items():
        missing = [name for name in suite.required(revision, "client") if name not in scenarios]
        never = [Outcome(name, scored=True, failed=frozenset({"ran"}), said={"ran": "not run"}) for name in missing]
        found[revision] = suite.client(command, revision, scenarios) + never
    return found


def run(suite: Suite, name: str, url: str | None = None) -> dict[str, list[Outcome]]:
    """What came of the leg, by revision; with `url`, of its scenarios against what runs there already."""
    if name == CLIENT_LEG:
        return run_client(suite)
    leg = LEGS[name]
    with contextlib.nullcontext(url) if url else leg.url() as target:
        return {revision: suite.server(target, revision, scenarios) for revision, scenarios in leg.scenarios.items()}


def run_all(suite: Suite, names: Sequence[str]) -> dict[str, Future[dict[str, list[Outcome]]]]:
    """All these legs, a few at a time: a scenario mostly waits. Begins at once; results as they come."""
    pool = ThreadPoolExecutor(LEGS_AT_ONCE)
    # The longest first.
    found = {name: pool.submit(run, suite, name) for name in sorted(names, key=lambda name: name != CLIENT_LEG)}
    pool.shutdown(wait=False)
    return found
