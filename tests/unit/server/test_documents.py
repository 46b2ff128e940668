"""Configurations are read whole or not at all; the metrics' page lists what exists; streams are parsed as they come."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import generate_latest

from mcp_optimizer import errors
from mcp_optimizer.admission import Admission
from mcp_optimizer.artifacts import Artifacts
from mcp_optimizer.config_source import BadDocument, follow, parse
from mcp_optimizer.discovery import Discovery
from mcp_optimizer.fastpath import FastPath, FastPathCollector
from mcp_optimizer.federation import Federation
from mcp_optimizer.flow_metrics import FlowCollector
from mcp_optimizer.job_metrics import JobStoresCollector
from mcp_optimizer.keys import Keys
from mcp_optimizer.lanes import NoLane, with_fast_lane
from mcp_optimizer.meaning import EmbeddingClient
from mcp_optimizer.patience import Patience
from mcp_optimizer.preflight.preflight import Preflight
from mcp_optimizer.ration import Ration
from mcp_optimizer.recording import Recordings
from mcp_optimizer.seal import Sealer
from mcp_optimizer.settings import Settings, from_environment
from mcp_optimizer.state.handles import Handles
from mcp_optimizer.state.metrics import KeptCollector
from mcp_optimizer.state.peers import Peers
from mcp_optimizer.state.signature import Signatures
from mcp_optimizer.state.tasks import Tasks
from mcp_optimizer.state_metrics import StateCollector
from mcp_optimizer.telemetry import OUTCOMES, Telemetry
from mcp_optimizer.upstream.sse import EventParser
from mcp_optimizer_api.config import ServerConfig

GOOD = b'{"namespace":"n","name":"x","uid":"u","sandbox":{"enabled":false},"future":1}'
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics-server.md"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{", "document: Invalid JSON"),
        (b'{"namespace":"n","name":"x","uid":"u"}', "sandbox: Field required"),
        (GOOD.replace(b'"future":1', b'"upstreams":[{"name":"a"}]'), r"upstreams\.0\.url: Field required"),
        (GOOD.replace(b'"future":1', b'"upstreams":[{"name":"a","url":"x"},{"name":"a","url":"y"}]'), "same name"),
        (GOOD.replace(b'"future":1', b'"version":2'), "version"),
    ],
)
def test_a_bad_document_is_refused_with_the_field(document: bytes, message: str) -> None:
    with pytest.raises(BadDocument, match=message):
        parse(document)


async def test_bad_and_repeated_documents_are_not_applied() -> None:
    async def documents() -> AsyncIterator[bytes]:
        for document in (GOOD, GOOD, b"{", GOOD, GOOD.replace(b'"n"', b'"m"')):
            yield document

    applied: list[str] = []
    reports: list[bool] = []

    async def apply(config: ServerConfig, document: bytes) -> None:
        applied.append(config.namespace)

    await follow(documents(), apply, reports.append)
    assert applied == ["n", "m"]
    assert reports == [True, False, True]


async def test_the_page_of_metrics_lists_exactly_the_metrics_there_are() -> None:
    telemetry = Telemetry()
    telemetry.registry.register(StateCollector(Federation(), with_fast_lane(NoLane("none"), telemetry)))
    peers = Peers(Signatures(Keys(None)))
    sealer = Sealer(Keys(None))
    Discovery(EmbeddingClient(), telemetry.registry)
    Preflight(telemetry.registry)
    telemetry.registry.register(FlowCollector(Admission(Ration(1)), Patience()))
    telemetry.registry.register(FastPathCollector(FastPath(cast(Any, None), {}, cast(Any, None))))
    handles = Handles(sealer, peers)
    telemetry.registry.register(KeptCollector(handles, Tasks(sealer, peers), peers))
    telemetry.registry.register(JobStoresCollector(Artifacts(handles), Recordings(sealer, peers)))
    scraped = set(re.findall(r"^# TYPE (mcp_optimizer\S+) ", generate_latest(telemetry.registry).decode(), re.MULTILINE))
    documented = set(re.findall(r"^\| `(mcp_optimizer\w+)`", PAGE.read_text(), re.MULTILINE))
    assert documented == {name for name in scraped if not name.endswith("_created")}


def test_each_code_that_a_call_can_fail_with_is_an_outcome_and_on_the_page() -> None:
    codes = {str(value) for value in vars(errors).values() if isinstance(value, int)}
    (listed,) = re.findall(r"an error code \(`([\d ]+)`\)", PAGE.read_text())
    assert codes == set(listed.split()) == {outcome for outcome in OUTCOMES if outcome.isdigit()}


def test_events_are_recognised_wherever_the_stream_is_cut() -> None:
    stream = b': ping\r\n\r\nevent: message\r\ndata: {"a":\r\ndata: 1}\r\n\r\nid: 3\ndata:{"b":2}\n\ndata: {"c"'
    for size in (1, 2, 3, 7, len(stream)):
        parser = EventParser()
        found = [data for start in range(0, len(stream), size) for data in parser.feed(stream[start : start + size])]
        assert found == [b'{"a":\n1}', b'{"b":2}']


def test_the_environment_of_the_contract_is_understood() -> None:
    settings = from_environment(
        {"MCP_CONFIG": "configmap:x-optimizer-config", "POD_NAME": "p", "POD_NAMESPACE": "n", "MCP_SANDBOX_KEY_FILE": "/k"}
    )
    assert settings == Settings(config="configmap:x-optimizer-config", pod="p", namespace="n", sandbox_key_file=Path("/k"))
    assert (settings.bind, settings.port, settings.management_port) == ("0.0.0.0", 8080, 8081)
