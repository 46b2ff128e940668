"""What is refused before any parser sees it."""

import json
import time
from typing import Any

import pytest

from mcp_optimizer.admission import Admission
from mcp_optimizer.gate import MAX_DEPTH, Gate, check_shape
from mcp_optimizer.origins import check_origin, origin_set
from mcp_optimizer.ration import Ration
from mcp_optimizer.rejection import Rejected
from mcp_optimizer.telemetry import Telemetry
from mcp_optimizer_api.config import LimitsConfig

MAX_BODY = LimitsConfig().max_request_bytes


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "anything.example.com"),
        ("http://localhost:8080", "localhost:8080"),
        ("http://10.1.2.3", "10.1.2.3"),
        ("http://[::1]:80", "[::1]:80"),
        ("http://production-cluster-optimizer", "production-cluster-optimizer"),
        ("http://x-optimizer.ns.svc", "x-optimizer.ns.svc"),
        ("https://x-optimizer.ns.svc.cluster.local", "x-optimizer.ns.svc.cluster.local"),
    ],
)
def test_own_origins_and_programs_pass(origin: str | None, host: str) -> None:
    check_origin({b"host": host.encode(), **({b"origin": origin.encode()} if origin else {})})


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", "localhost:8080"),
        ("http://localhost:3000", "localhost:8080"),
        ("http://evil.example", "evil.example"),
        ("http://x.svc.evil.example", "x.svc.evil.example"),
        ("null", "localhost"),
        ("http://[", "["),
        ("http://localhost", ""),
    ],
)
def test_other_sites_and_rebound_names_are_refused(origin: str, host: str) -> None:
    with pytest.raises(Rejected) as rejection:
        check_origin({b"host": host.encode(), b"origin": origin.encode()})
    assert rejection.value.status == 403


@pytest.mark.parametrize("origin", ["https://app.example.com", "https://APP.example.com", "http://localhost:6274"])
def test_a_listed_page_passes_whatever_the_host_and_may_read_the_answer(origin: str) -> None:
    allowed = origin_set(["https://app.example.com:443", "http://localhost:6274"])
    granted = dict(check_origin({b"host": b"mcp.example.com", b"origin": origin.encode()}, allowed))
    assert granted[b"access-control-allow-origin"] == origin.encode() and granted[b"vary"] == b"origin"


@pytest.mark.parametrize(
    "origin", ["http://app.example.com", "https://app.example.com:8443", "https://app.example.com.evil.example", "null"]
)
def test_a_page_that_only_resembles_a_listed_one_is_refused(origin: str) -> None:
    with pytest.raises(Rejected, match=r"spec\.allowedOrigins"):
        check_origin({b"host": b"mcp.example.com", b"origin": origin.encode()}, origin_set(["https://app.example.com"]))


def nested(depth: int) -> bytes:
    return b'{"a":[' * (depth // 2) + b"1" + b"]}" * (depth // 2)


def test_depth_is_counted_outside_strings() -> None:
    check_shape(nested(MAX_DEPTH))
    check_shape(json.dumps({"code": "[{" * 500 + '\\"' + "[" * 99}).encode())
    check_shape(json.dumps([[] for _ in range(1000)]).encode())
    for deep in (nested(MAX_DEPTH + 2), b"[" * 100_000, b"[]" * 10 + b"[" * 100 + b"]" * 100):
        with pytest.raises(Rejected, match="64 levels"):
            check_shape(deep)


@pytest.mark.parametrize("body", [b"[" * MAX_BODY, b"[]" * (MAX_BODY // 2), b'""[' * (MAX_BODY // 3), b'{"a":' * (MAX_BODY // 5)])
def test_no_body_takes_long_to_check(body: bytes) -> None:
    started = time.monotonic()
    try:
        check_shape(body)
    except Rejected:
        pass
    assert time.monotonic() - started < 10


class Exchange:
    """One request to a gate whose application answers 200 with what it read."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.telemetry = Telemetry()
        self.gate = Gate(self.application, self.telemetry, Admission(Ration(48 * 1024 * 1024)))
        self.chunks = chunks
        self.sent: list[Any] = []

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"keep-alive")]})
        await send({"type": "http.response.body", "body": body})

    async def run(self, *, method: str = "POST", path: str = "/mcp", headers: list[tuple[bytes, bytes]] | None = None) -> int:
        async def receive() -> Any:
            return {"type": "http.request", "body": self.chunks.pop(0), "more_body": bool(self.chunks)}

        async def send(message: Any) -> None:
            self.sent.append(message)

        await self.gate({"type": "http", "method": method, "path": path, "headers": headers or []}, receive, send)
        return int(self.sent[0]["status"])


async def test_a_body_in_pieces_reaches_the_application_whole() -> None:
    exchange = Exchange([b'{"a"', b":1}"])
    assert await exchange.run() == 200
    assert exchange.sent[1]["body"] == b'{"a":1}'
    assert exchange.gate.in_flight == 0


@pytest.mark.parametrize(
    ("status", "arguments", "chunks"),
    [
        (405, {"method": "GET"}, [b""]),
        (405, {"method": "DELETE"}, [b""]),
        (404, {"path": "/other"}, [b""]),
        (413, {"headers": [(b"content-length", str(MAX_BODY + 1).encode())]}, [b""]),
        (413, {}, [b"x" * (MAX_BODY // 2 + 1)] * 2),
        (403, {"headers": [(b"origin", b"http://evil.example"), (b"host", b"localhost")]}, [b""]),
        (400, {}, [b"[" * 100]),
        (413, {}, [b"[" + b"[]," * 250_000 + b"1]"]),
        (400, {}, ['{"jsonrpc": "2.0"}'.encode("utf-16-le")]),
    ],
)
async def test_refusals_have_a_status_and_a_json_rpc_error(status: int, arguments: dict[str, Any], chunks: list[bytes]) -> None:
    exchange = Exchange(list(chunks))
    assert await exchange.run(**arguments) == status
    assert json.loads(exchange.sent[1]["body"])["error"]["code"] == -32600


async def test_a_request_weighs_what_it_becomes_when_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_optimizer.memory.WAIT_SECONDS", 0.01)
    small = Exchange([b"[" + b"{}," * 60_000 + b"1]"])
    small.gate = Gate(small.application, small.telemetry, Admission(Ration(1024 * 1024)))
    assert await small.run() == 429
    assert b"limits.messageMemory" in small.sent[1]["body"]


async def test_while_draining_requests_are_answered_and_connections_closed() -> None:
    exchange = Exchange([b"{}"])
    exchange.gate.draining = True
    assert await exchange.run() == 200
    assert exchange.sent[0]["headers"] == [(b"connection", b"close")]
