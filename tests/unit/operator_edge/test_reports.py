"""What is remembered of the server Pods, and when it is worth a status."""

from dataclasses import dataclass, field

from mcp_operator.collector import Target
from mcp_operator.kinds import Key
from mcp_operator.reports import Reports
from mcp_optimizer_api.optimizer import Metrics
from mcp_optimizer_api.stats import ServerStats, TokenStats, UpstreamStats

OWNER = Key("MCPOptimizer", "apps", "team")
ONE, TWO = (Target(name=name, uid=f"uid-{name}", address="10.0.0.1") for name in ("one", "two"))


def stats(calls: int = 0, *, tokens: int = 0, started: float = 0.0, ready: bool = True) -> ServerStats:
    upstreams = [UpstreamStats(name="a", ready=ready, tools=1)]
    return ServerStats(
        pod="p", started_at=started, config_hash="c", calls=calls, tokens=TokenStats(baseline=tokens, served=0), upstreams=upstreams
    )


@dataclass
class Desk:
    now: float = 1000.0
    told: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reports = Reports(self.told.append, lambda: self.now)

    def add(self, target: Target, found: ServerStats | None, *, later: float = 5.0) -> int:
        """How often somebody was told."""
        self.now += later
        before = len(self.told)
        self.reports.add(OWNER, target, found)
        return len(self.told) - before

    def metrics(self, *targets: Target, published: Metrics | None = None) -> Metrics:
        report = self.reports.read(OWNER, targets, published)
        assert report is not None
        return report.metrics


def test_nothing_is_said_before_every_pod_has_answered_or_failed_to() -> None:
    desk = Desk()
    assert desk.reports.read(OWNER, [ONE, TWO], None) is None
    desk.add(ONE, stats())
    assert desk.reports.read(OWNER, [ONE, TWO], None) is None
    desk.add(TWO, None)
    assert desk.reports.read(OWNER, [ONE, TWO], None) is None
    desk.add(TWO, None)
    report = desk.reports.read(OWNER, [ONE, TWO], None)
    assert report is not None
    assert len(report.servers) == 1


def test_the_first_answer_and_every_change_of_the_servers_are_told_at_once() -> None:
    desk = Desk()
    assert desk.add(ONE, stats()) == 1
    assert desk.add(ONE, stats()) == 0
    assert desk.add(ONE, stats(ready=False)) == 1


def test_a_pod_that_falls_silent_and_comes_back_is_told() -> None:
    desk = Desk()
    desk.add(ONE, stats())
    assert [desk.add(ONE, None), desk.add(ONE, None), desk.add(ONE, None)] == [0, 1, 0]
    assert desk.add(ONE, stats()) == 1


def test_an_idle_optimizer_is_left_in_peace() -> None:
    desk = Desk()
    desk.add(ONE, stats(100))
    assert sum(desk.add(ONE, stats(100)) for _ in range(200)) == 0


def test_a_busy_optimizer_is_told_every_30_seconds_and_once_after_it_fell_silent() -> None:
    desk = Desk()
    desk.add(ONE, stats(0))
    busy = sum(desk.add(ONE, stats(10 * number)) for number in range(1, 61))
    assert 9 <= busy <= 10
    quiet = [desk.add(ONE, stats(600)) for _ in range(100)]
    assert 1 <= sum(quiet) <= 4
    assert sum(quiet[40:]) == 0
    assert desk.metrics(ONE).calls_per_second == 0


def test_token_totals_survive_pods_and_operators() -> None:
    desk = Desk()
    desk.add(ONE, stats(tokens=100))
    first = desk.metrics(ONE)
    assert first.tokens_baseline == 100
    desk.add(ONE, stats(tokens=150))
    desk.reports.keep(OWNER, [TWO])
    desk.add(TWO, stats(tokens=30, started=desk.now))
    assert desk.metrics(TWO, published=first).tokens_baseline == 180

    restarted = Desk(now=desk.now)
    restarted.reports.add(OWNER, TWO, stats(tokens=30))
    kept = restarted.metrics(TWO, published=desk.metrics(TWO, published=first))
    assert kept.tokens_baseline == 180
    restarted.add(TWO, stats(tokens=50))
    assert restarted.metrics(TWO, published=kept).tokens_baseline == 200


def test_a_pod_that_was_unready_for_a_while_is_not_counted_twice() -> None:
    desk = Desk()
    desk.add(ONE, stats(tokens=100))
    desk.metrics(ONE)
    desk.reports.keep(OWNER, [])
    desk.add(ONE, stats(tokens=120))
    assert desk.metrics(ONE).tokens_baseline == 120


def test_a_restart_with_nothing_new_publishes_the_same_metrics() -> None:
    desk = Desk()
    desk.add(ONE, stats(7, tokens=100))
    settled = desk.metrics(ONE)
    restarted = Desk(now=desk.now + 100)
    restarted.add(ONE, stats(7, tokens=100))
    assert restarted.metrics(ONE, published=settled) == settled


def test_a_pod_that_is_gone_or_long_silent_has_no_say() -> None:
    desk = Desk()
    desk.add(ONE, stats())
    desk.add(TWO, stats(), later=40)
    report = desk.reports.read(OWNER, [ONE, TWO], None)
    assert report is not None
    assert len(report.servers) == 1
    desk.reports.forget(OWNER)
    assert desk.reports.read(OWNER, [TWO], None) is None


def test_what_an_old_pod_counted_before_the_operator_started_is_not_counted_again() -> None:
    desk = Desk()
    desk.add(ONE, stats(tokens=180))
    settled = desk.metrics(ONE)
    restarted = Desk(now=desk.now + 100)
    restarted.add(ONE, stats(tokens=180))
    assert restarted.metrics(ONE, published=settled).tokens_baseline == 180
    restarted.add(TWO, stats(tokens=500, started=desk.now))
    assert restarted.metrics(ONE, TWO, published=settled).tokens_baseline == 180
    restarted.add(TWO, stats(tokens=510, started=desk.now))
    assert restarted.metrics(ONE, TWO, published=settled).tokens_baseline == 190


def test_only_the_newest_sample_keeps_what_it_says_of_its_servers() -> None:
    desk = Desk()
    for _ in range(5):
        desk.add(ONE, stats())
    samples = desk.reports._optimizers[OWNER].pods[ONE.uid].samples
    assert [len(sample.stats.upstreams) for sample in samples] == [0, 0, 0, 0, 1]
