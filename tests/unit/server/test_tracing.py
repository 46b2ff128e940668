"""Spans: whose children they are, what a stranger's traceparent may say, and how many may wait."""

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mcp.server.lowlevel import Server

from mcp_optimizer.context import PLAIN
from mcp_optimizer.federation import Federation
from mcp_optimizer.invoke import Invoker
from mcp_optimizer.keys import Keys
from mcp_optimizer.protocol.server import _switch_off_sdk_spans
from mcp_optimizer.seal import Sealer
from mcp_optimizer.telemetry import Telemetry
from mcp_optimizer.tracing import child
from mcp_optimizer.tracing.exporter import MAX_WAITING, Exporter
from mcp_optimizer.tracing.otlp import document
from mcp_optimizer.tracing.span import MAX_TEXT, Span
from mcp_optimizer.tracing.traceparent import header, parse
from mcp_optimizer.upstream.upstream import Upstream

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def root(ended: list[Span], **attributes: Any) -> Span:
    return Span(ended.append, "root", "server", TRACE, PARENT, attributes)


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("03", True), ("02", False)])
def test_the_sampled_flag_is_one_bit(flags: str, sampled: bool) -> None:
    found = parse(f"00-{TRACE}-{PARENT}-{flags}")
    assert found is not None and (found.trace_id, found.span_id, found.sampled) == (TRACE, PARENT, sampled)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        TRACE,
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}-01\r\nX-Evil: 1",
        f"00-{TRACE}-{PARENT}-01\n",
    ],
)
def test_what_is_no_traceparent_is_neither_followed_nor_sent_as_a_header(text: str | None) -> None:
    assert parse(text) is None
    assert header({"traceparent": text} if text is not None else None) == {}


def test_without_a_traced_request_there_are_no_steps() -> None:
    assert child("policy") is None


async def test_a_step_belongs_to_what_its_task_was_doing_when_it_began() -> None:
    ended: list[Span] = []
    outer = root(ended)

    async def work() -> None:
        step = child("step")
        assert step is not None
        inner = step.child("inner")
        inner.end()
        step.end("404")

    await asyncio.gather(work(), work())
    outer.end()
    assert child("later") is None
    inner, step = ended[0], next(span for span in ended if span.name == "step")
    assert step.parent_id == outer.span_id and inner.parent_id != outer.span_id
    assert {span.trace_id for span in ended} == {TRACE}
    assert len({span.span_id for span in ended}) == 5


def test_a_span_ends_once() -> None:
    ended: list[Span] = []
    span = root(ended)
    span.end("ok")
    span.end("500")
    assert [each.outcome for each in ended] == ["ok"]


def test_text_in_a_span_is_bounded() -> None:
    ended: list[Span] = []
    span = root(ended, long="x" * 10_000, yes=True, number=2**40)
    span.child("n" * 10_000).end()
    span.end()
    shown = document(ended, {})["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert len(shown[0]["name"]) == MAX_TEXT
    assert [next(iter(each["value"])) for each in shown[1]["attributes"]] == ["stringValue", "boolValue", "intValue"]
    assert len(shown[1]["attributes"][0]["value"]["stringValue"]) == MAX_TEXT


async def test_more_spans_than_may_wait_are_dropped_and_counted() -> None:
    totals: Counter[str] = Counter()
    exporter = Exporter("http://127.0.0.1:1", {}, totals)
    span = root([])
    for _ in range(MAX_WAITING + 3):
        exporter.take(span)
    assert totals["dropped"] == 3
    await exporter.close()
    assert totals["failed"] == MAX_WAITING


def test_the_spans_of_the_sdk_are_switched_off() -> None:
    server: Server[Any] = Server("any")
    assert [layer for layer in server.middleware if type(layer).__module__.endswith("_otel")]
    _switch_off_sdk_spans(server)
    assert not [layer for layer in server.middleware if type(layer).__module__.endswith("_otel")]


@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "completion/complete", "resources/read"])
def test_what_a_client_wrote_names_no_span(method: str) -> None:
    names: list[str] = []
    tracer = SimpleNamespace(on=True, request=lambda name, *_, **__: names.append(name))
    invoker = Invoker(cast(Federation, None), cast(Telemetry, SimpleNamespace(tracer=tracer)), Sealer(Keys(None)))
    invoker._span(cast(Upstream, SimpleNamespace(name="it")), method, "text", PLAIN)
    assert names == ["tools/call text" if method == "tools/call" else method]
