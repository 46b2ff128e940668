"""What the token benchmark makes up and adds up."""

import statistics

import pytest
from bench.recorder import Exchange
from bench.tokens import saving
from bench.tokens_catalogue import arguments, catalogue, query, size
from bench.tokens_tasks import Cost, Step, list_cost, steps_of

from mcp_optimizer.upstream.catalogue import sanitise
from mcp_optimizer.validation import compile_validator


def test_generated_definitions_have_the_sizes_of_real_ones() -> None:
    sizes = sorted(size(step.definition) for step in steps_of(catalogue(2800)))
    assert 640 < statistics.mean(sizes) < 720 and 400 < statistics.median(sizes) < 470
    assert 1800 < sizes[len(sizes) * 95 // 100] < 2300 and sizes[-1] < 7000


@pytest.mark.parametrize("tools", [10, 527])
def test_a_catalogue_is_the_same_every_time_and_names_nothing_twice(tools: int) -> None:
    servers = catalogue(tools)
    assert servers == catalogue(tools)
    assert len({step.id for step in steps_of(servers)}) == tools == len(steps_of(servers))
    assert len({server.name for server in servers}) == len(servers)


def test_generated_calls_fit_their_schemas_and_no_definition_is_refused() -> None:
    for step in steps_of(catalogue(300)):
        compile_validator(step.definition["inputSchema"])(arguments(step.definition))
        assert sanitise(step.server, [step.definition])


def test_a_query_is_an_action_and_a_thing() -> None:
    assert query({"name": "approve_invoice_3"}) == "approve invoice"
    assert Step("ledger-1", {"name": "get_ledger"}).queries == ["get ledger", "get ledger ledger-1", "ledger-1.get_ledger"]


@pytest.mark.parametrize(
    "body", [b'{"result":{"tools":[]}}', b': ping\r\n\r\ndata: {"method":"x"}\r\n\r\ndata: {"result":{"tools":[]}}\r\n\r\n']
)
def test_a_reply_is_read_in_both_forms_and_counted_whole(body: bytes) -> None:
    exchange = Exchange("tools/list", 10, bytearray(body))
    assert exchange.result == {"tools": []} and exchange.received == len(body)
    assert list_cost([exchange, exchange], len) == Cost(2 * len(body), 2)


def test_costs_add_up_and_savings_are_percents_of_the_direct_way() -> None:
    assert Cost(1, 2) + Cost(3, 4) == Cost(4, 6)
    assert saving(5, 1000) == 99.5
