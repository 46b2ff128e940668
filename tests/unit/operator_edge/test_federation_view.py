"""Which servers work, by the word of all server Pods."""

from mcp_operator.federation_view import federated
from mcp_optimizer_api.stats import ServerStats, UpstreamStats


def report(*upstreams: UpstreamStats) -> ServerStats:
    return ServerStats(pod="p", started_at=0, config_hash="c", upstreams=list(upstreams))


def up(name: str, tools: int = 3) -> UpstreamStats:
    return UpstreamStats(name=name, ready=True, tools=tools)


def down(name: str, error: str | None = "refused") -> UpstreamStats:
    return UpstreamStats(name=name, ready=False, error=error)


def test_a_server_is_ready_when_every_pod_sees_it_ready() -> None:
    first, second = federated([report(up("a"), up("b", 5)), report(down("b"), up("a"))])
    assert (first.name, first.ready, first.tools, first.message) == ("a", True, 3, None)
    assert (second.name, second.ready, second.tools, second.message) == ("b", False, 5, "On 1 of 2 server Pods: refused")


def test_a_pod_that_does_not_know_a_server_yet_has_no_say() -> None:
    (server,) = federated([report(), report(up("a"))])
    assert server.ready


def test_nothing_is_known_without_reports() -> None:
    assert federated([]) == []
    assert federated([report()]) == []


def test_errors_are_cleaned_and_cut() -> None:
    (server,) = federated([report(down("a", "\x1b[31m\n" + "x" * 900)), report(up("a"))])
    assert server.message is not None
    assert server.message.isprintable()
    assert len(server.message) <= 256


def test_a_server_that_gives_no_reason_gets_one() -> None:
    (server,) = federated([report(down("a", None))])
    assert server.message == "no reason given"
