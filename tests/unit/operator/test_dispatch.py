"""Which events lead to a look at which resource, and how soon."""

import copy
from typing import Any

from tests.unit.operator.objects import optimizer, pod, server

from mcp_operator.cache import Cache
from mcp_operator.dispatch import COALESCE_SECONDS, FEDERATION_SECONDS, Dispatcher
from mcp_operator.kinds import BY_NAME, HPA, PDB, POD, SERVICE, Key, Manifest

SERVER, OPTIMIZER = Key("MCPServer", "ns", "s"), Key("MCPOptimizer", "ns", "o")
LABELS = {"app.kubernetes.io/managed-by": "mcp-operator", "mcp.optimizer.dev/server": "s"}


class Bench:
    """A dispatcher that notes what it enqueues."""

    def __init__(self, *known: Manifest) -> None:
        self.cache = Cache()
        self.queued: list[tuple[Key, float]] = []
        self.gone: list[Key] = []
        self.dispatcher = Dispatcher(
            self.cache, lambda key, delay: self.queued.append((key, delay)), lambda key, last: self.gone.append(key)
        )
        self._version = 100
        for obj in known:
            self.cache.put(obj)

    def see(self, event: str | None, obj: Manifest, **metadata: Any) -> list[tuple[Key, float]]:
        """Report an event with a newer version; what was enqueued for it."""
        self._version += 1
        obj = copy.deepcopy(obj)
        obj["metadata"] |= {"resourceVersion": str(self._version), **metadata}
        self.queued.clear()
        self.dispatcher.saw(BY_NAME[obj["kind"]], event, obj)
        return self.queued


def child(kind: Any, **content: Any) -> Manifest:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": "c", "namespace": "ns", "uid": "u", "labels": LABELS},
        **content,
    }


def test_a_new_resource_and_a_new_generation_are_looked_at_at_once() -> None:
    bench = Bench()
    assert bench.see("ADDED", server()) == [(SERVER, 0.0)]
    assert bench.see("MODIFIED", server(), generation=2) == [(SERVER, 0.0)]
    assert bench.see("MODIFIED", server(), generation=2, labels={"a": "1"}) == [(SERVER, 0.0)]
    assert bench.see("MODIFIED", server(), generation=2, labels={"a": "1"}, deletionTimestamp="now") == [(SERVER, 0.0)]
    assert bench.see("DELETED", server()) == [(SERVER, 0.0)]


def test_our_own_status_writes_lead_to_nothing() -> None:
    bench = Bench(server())
    assert bench.see("MODIFIED", {**server(), "status": {"replicas": 1}}) == []
    assert bench.cache.get(SERVER)["status"] == {"replicas": 1}  # type: ignore[index]


def test_annotations_of_a_resource_do_not_matter() -> None:
    bench = Bench(server())
    assert bench.see("MODIFIED", server(), annotations={"a": "1"}) == []


def test_a_known_version_leads_to_nothing() -> None:
    bench = Bench(server())
    bench.dispatcher.saw(BY_NAME["MCPServer"], None, server())
    assert bench.queued == []


def test_a_server_leads_to_the_optimizers_that_select_it_before_or_now() -> None:
    chooser = optimizer(servers={"selector": {"matchLabels": {"team": "x"}}})
    bench = Bench(chooser)
    assert bench.see("ADDED", server()) == [(SERVER, 0.0)]
    assert bench.see("MODIFIED", server(), labels={"team": "x"}) == [(SERVER, 0.0), (OPTIMIZER, FEDERATION_SECONDS)]
    assert bench.see("MODIFIED", server(), labels={}) == [(SERVER, 0.0), (OPTIMIZER, FEDERATION_SECONDS)]
    assert bench.see("MODIFIED", server(), labels={"other": "x"}) == [(SERVER, 0.0)]


def test_a_server_of_another_namespace_does_not_matter() -> None:
    bench = Bench(optimizer())
    assert bench.see("ADDED", server(), namespace="elsewhere") == [(Key("MCPServer", "elsewhere", "s"), 0.0)]


def test_an_optimizer_that_goes_leads_to_its_neighbours_which_share_the_keys() -> None:
    bench = Bench(optimizer("a"), optimizer("b"))
    assert bench.see("DELETED", optimizer("a")) == [
        (Key("MCPOptimizer", "ns", "a"), 0.0),
        (Key("MCPOptimizer", "ns", "b"), FEDERATION_SECONDS),
    ]


def test_children_lead_to_their_owner_a_deleted_one_at_once() -> None:
    bench = Bench()
    assert bench.see("ADDED", child(SERVICE)) == [(SERVER, COALESCE_SECONDS)]
    assert bench.see("MODIFIED", child(SERVICE, spec={"x": 1})) == [(SERVER, COALESCE_SECONDS)]
    assert bench.see("DELETED", child(SERVICE)) == [(SERVER, 0.0)]
    assert bench.gone == [Key("Service", "ns", "c")]


def test_a_child_whose_labels_were_taken_away_still_leads_to_its_former_owner() -> None:
    bench = Bench()
    bench.see("ADDED", child(SERVICE))
    assert bench.see("MODIFIED", child(SERVICE), labels={}) == [(SERVER, COALESCE_SECONDS)]


def test_noise_of_pods_autoscalers_and_budgets_leads_to_nothing() -> None:
    bench = Bench()
    active = {"type": "ScalingActive", "status": "True"}
    for kind, quiet, loud in (
        (HPA, {"conditions": [active], "currentMetrics": [1]}, {"conditions": [{**active, "status": "False"}]}),
        (POD, {"phase": "Pending", "startTime": "x"}, {"phase": "Running"}),
    ):
        base = child(kind, status={"conditions": [active]} if kind is HPA else {"phase": "Pending"})
        bench.see("ADDED", base)
        assert bench.see("MODIFIED", {**base, "status": quiet}) == []
        assert bench.see("MODIFIED", {**base, "status": loud}) == [(SERVER, COALESCE_SECONDS)]
    bench.see("ADDED", child(PDB))
    assert bench.see("MODIFIED", child(PDB, status={"disruptionsAllowed": 1})) == []
    assert bench.see("MODIFIED", child(PDB, spec={"maxUnavailable": 0})) == [(SERVER, COALESCE_SECONDS)]


def test_a_late_deletion_of_an_earlier_incarnation_is_ignored() -> None:
    bench = Bench(pod(labels=LABELS))
    assert bench.see("DELETED", pod(labels=LABELS), uid="another") == []
    assert len(bench.cache) == 1


def test_what_a_list_shows_to_be_gone_counts_as_deleted() -> None:
    bench = Bench(server(), pod(labels=LABELS))
    bench.dispatcher.lost(Key("Pod", "ns", "p"))
    bench.dispatcher.lost(Key("Pod", "ns", "never there"))
    assert bench.queued == [(SERVER, 0.0)]
    assert bench.cache.get(Key("Pod", "ns", "p")) is None
