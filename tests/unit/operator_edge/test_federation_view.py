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
    totals, servers = federated(["a", "b"], [report(up("a"), up("b", 5)), report(up("a"), down("b"))])
    assert (totals.total, totals.ready, totals.tools) == (2, 1, 3)
    assert [(server.name, server.ready) for server in servers] == [("b", False), ("a", True)]
    assert servers[0].message == "On 1 of 2 server Pods: refused"
    assert servers[1].message is None


def test_a_pod_that_does_not_know_a_server_yet_has_no_say() -> None:
    totals, _ = federated(["a"], [report(), report(up("a"))])
    assert totals.ready == 1


def test_a_server_that_no_pod_knows_is_not_ready() -> None:
    _, (server,) = federated(["a"], [report()])
    assert (server.ready, server.message) == (False, "The server Pods have not loaded it yet.")
    _, (server,) = federated(["a"], [])
    assert (server.ready, server.message) == (False, "No server Pod has reported yet.")


def test_servers_nobody_selects_any_more_are_left_out() -> None:
    assert federated([], [report(up("old"))])[1] == []


def test_the_list_shows_a_hundred_and_those_in_trouble_first() -> None:
    names = [f"s{number:03}" for number in range(150)]
    totals, servers = federated(names, [report(*[up(name) for name in names[:-1]], down(names[-1]))])
    assert (totals.total, totals.ready, len(servers)) == (150, 149, 100)
    assert servers[0].name == "s149"


def test_errors_are_cleaned_and_cut() -> None:
    _, (server,) = federated(["a"], [report(down("a", "\x1b[31m\n" + "x" * 900)), report(up("a"))])
    assert server.message is not None
    assert server.message.isprintable()
    assert len(server.message) <= 256
