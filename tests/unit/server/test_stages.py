"""The histogram of stages is one that Prometheus accepts."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mcp_optimizer.stages import BOUNDS, STAGES, Stages


def test_what_is_noted_is_found_in_its_bucket_of_its_stage() -> None:
    stages, registry = Stages(), CollectorRegistry()
    registry.register(stages)
    for seconds in (0.00004, 0.0001, 0.003, 1000.0):
        stages.policy.note(seconds)
    stages.sandbox.note(2.0)
    (family,) = text_string_to_metric_families(generate_latest(registry).decode())
    found = {(sample.name.rpartition("_")[2], sample.labels["stage"], sample.labels.get("le")): sample.value for sample in family.samples}
    assert {stage for _, stage, _ in found} == set(STAGES)
    assert found["bucket", "policy", "5e-05"] == 1
    assert found["bucket", "policy", "0.0001"] == 2
    assert found["bucket", "policy", "60.0"] == 3
    assert found["bucket", "policy", "+Inf"] == found["count", "policy", None] == 4
    assert found["sum", "sandbox", None] == 2.0
    assert found["count", "search", None] == 0
    assert list(BOUNDS) == sorted(BOUNDS)
