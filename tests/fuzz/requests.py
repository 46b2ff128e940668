"""Malformed requests: each kind takes a valid request and one decision after the other from the seed."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from tests.fuzz.corpus import CANARY, Request, call
from tests.fuzz.values import doubled, paths, replaced, value, without


@dataclass(frozen=True)
class Attempt:
    """What is sent. `silent`: the server may close without a word. `cut`: the sender goes away before it is answered."""

    kind: str
    data: bytes
    silent: bool = False
    cut: bool = False


def field(random: Random, valid: Request) -> Attempt:
    """One value of the message wrong, missing or twice."""
    tree = json.loads(valid.body)
    path = random.choice(paths(tree))
    change = random.random()
    if change < 0.7:
        text = replaced(tree, path, value(random))
    elif change < 0.85:
        text = without(tree, path)
    else:
        text = doubled(tree, path, value(random))
    body = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.3:
        return Attempt("field", follow(valid, path, text, body).encode())
    return Attempt("field", replace(valid, body=body).encode())


def follow(valid: Request, path: tuple[object, ...], text: str, body: bytes) -> Request:
    """The headers that mirror the body say the same as the changed body, so that the change gets past their check."""
    request = replace(valid, body=body)
    try:
        message = json.loads(text)
        params = message["params"]
        subject = params.get("name", params.get("uri"))
        for name, mirrored in (("Mcp-Method", message["method"]), ("Mcp-Name", subject)):
            if isinstance(mirrored, str) and any(header[0] == name for header in valid.headers):
                request = request.with_header(name, f"=?base64?{base64.b64encode(mirrored.encode('utf-8', 'surrogatepass')).decode()}?=")
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        pass
    return request


def text(random: Random, valid: Request) -> Attempt:
    """The body's bytes changed here and there."""
    body = bytearray(valid.body)
    for _ in range(random.choice((1, 1, 2, 5, 20))):
        at = random.randrange(len(body) + 1)
        match random.randrange(5):
            case 0:
                body[at:at] = random.randbytes(random.choice((1, 1, 4, 64)))
            case 1:
                del body[at : at + random.choice((1, 1, 5, 50))]
            case 2:
                body[at : at + 1] = bytes([random.choice(b'{}[]",:\\\x00\xff\xed\xa0 0e-')])
            case 3:
                body[at:at] = body[at : at + random.randrange(40)]
            case 4:
                body[at:] = b""
    return Attempt("text", replace(valid, body=bytes(body)).encode())


def body(random: Random, valid: Request) -> Attempt:
    """Another body altogether."""
    bodies: tuple[Callable[[], bytes], ...] = (
        lambda: b"",
        lambda: b" \r\n\t",
        lambda: random.randbytes(random.choice((1, 10, 1000))),
        lambda: value(random).encode("utf-8", "surrogatepass"),
        lambda: b"\xef\xbb\xbf" + valid.body,
        lambda: valid.body.decode().encode(random.choice(("utf-16", "utf-32", "utf-16-be"))),
        lambda: b"[" + valid.body + b"]",
        lambda: b"[" + b",".join([valid.body] * random.choice((2, 50))) + b"]",
        lambda: valid.body + random.choice((valid.body, b"\n" + valid.body, b"\x00", b"}")),
        lambda: b'{"jsonrpc":"2.0","id":1,"result":{}}',
        lambda: b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}',
        lambda: b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
        lambda: b"x" * random.choice((5_000_000, 4_194_305)) if random.random() < 0.05 else b'"' * 100,
    )
    return Attempt("body", replace(valid, body=random.choice(bodies)()).encode())


STRANGE = (
    "",
    " ",
    "\t",
    "x" * 300,
    "x" * 9000,
    "é",
    "𝕏",
    "\udcff\udcfe",
    "a,b",
    "0",
    "-1",
    "1e9",
    "null",
    "*/*",
    "*",
    "=?base64?",
    "=?base64?!!?=",
    "=?base64?AA?=",
)
NAMES = (
    *("Host", "Origin", "Content-Type", "Accept", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id", "Last-Event-ID"),
    *("Mcp-Param-Repo", "Mcp-Param-X", "Authorization", "Cookie", "Accept-Encoding", "Content-Encoding", "Connection", "Expect", "TE"),
    *("Upgrade", "Range", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "traceparent", "User-Agent", "Priority", "Via"),
)
LIKELY = (
    *("application/json", "text/event-stream", "text/plain", "application/json; charset=utf-16", "gzip", "close", "100-continue", "h2c"),
    *(
        "http://evil.example",
        "http://localhost",
        "null",
        "evil.example",
        "localhost:99999",
        "[::1",
        "2026-07-28",
        "2025-06-18",
        "9999-99-99",
    ),
    *("tools/call", "TOOLS/CALL", "initialize", "execute", "bytes=0-", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
)


def header(random: Random, valid: Request) -> Attempt:
    """A header wrong, missing, twice or new."""
    request = valid
    for _ in range(random.choice((1, 1, 1, 3))):
        name = random.choice(NAMES)
        kept = tuple(item for item in request.headers if item[0].lower() != name.lower())
        added = (name, random.choice(LIKELY if random.random() < 0.6 else STRANGE))
        match random.randrange(4):
            case 0:
                request = replace(request, headers=kept)
            case 1:
                request = replace(request, headers=(*request.headers, added))
            case 2:
                request = replace(request, headers=(*kept, (name, f"  {added[1]}  ")))
            case _:
                request = replace(request, headers=(*kept, added))
    return Attempt("header", request.encode(), silent=True)


PATHS = (
    "/",
    "/mcp/",
    "/mcp//",
    "/mcp/none",
    "/mcp/modern/x",
    "/mcp/%2e%2e",
    "/mcp/..%2f",
    "/mcp?x=" + "y" * 300,
    "//mcp",
    "/mcp/\x7f",
    "/MCP",
    "*",
)
VERBS = ("GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "post", "PRI", "M-SEARCH", "X")


def line(random: Random, valid: Request) -> Attempt:
    """Another request line."""
    request = valid
    if random.random() < 0.5:
        request = replace(request, verb=random.choice(VERBS))
    if random.random() < 0.5:
        request = replace(request, path=random.choice((*PATHS, "http://evil.example/mcp", "/mcp" * 3000, "/mcp/" + "é" * 50)))
    if random.random() < 0.2:
        request = replace(request, version=random.choice(("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9.9", "HTTP/1.1.1", "", "ICY")))
    return Attempt("line", request.encode(), silent=True)


def smuggled() -> bytes:
    """A whole second request, which nobody may execute."""
    return call("execute", {"tool": f"modern.{CANARY}", "arguments": {}}).encode()


def framing(random: Random, valid: Request) -> Attempt:
    """Lengths that contradict each other or the body. All of them hide a second request where a laxer reader would find one."""
    hidden, size = smuggled(), len(valid.body)
    chunked = f"{size:x}\r\n".encode() + valid.body + b"\r\n"
    forms: tuple[tuple[tuple[str, ...], bytes], ...] = (
        ((f"Content-Length: {size + len(hidden) + 5}", "Transfer-Encoding: chunked"), b"0\r\n\r\n" + hidden),
        (("Transfer-Encoding: chunked", f"Content-Length: {size}"), chunked + b"0\r\n\r\n"),
        ((f"Content-Length: {size}", f"Content-Length: {size + len(hidden)}"), valid.body + hidden),
        (("Content-Length: -1",), valid.body),
        (("Content-Length: 9" + "9" * 40,), valid.body),
        ((f"Content-Length: +{size}",), valid.body),
        ((f"Content-Length: {size}, {size + 1}",), valid.body),
        ((f"Content-Length: 0x{size:x}",), valid.body),
        (("Content-Length : 5",), valid.body),
        (("Transfer-Encoding: xchunked",), chunked + b"0\r\n\r\n"),
        (("Transfer-Encoding: chunked, identity",), chunked + b"0\r\n\r\n"),
        (("Transfer-Encoding: identity, chunked", "Content-Length: 3"), chunked + b"0\r\n\r\n"),
        (("Transfer-Encoding:\x0bchunked",), chunked + b"0\r\n\r\n"),
        (("Transfer-Encoding: chunked",), b"zz\r\n" + valid.body),
        (("Transfer-Encoding: chunked",), b"ffffffffffffffffff\r\n" + valid.body),
        (("Transfer-Encoding: chunked",), f"{size + 3:x}\r\n".encode() + valid.body + b"0\r\n\r\n"),
        (("Transfer-Encoding: chunked",), b"5;" + b"x" * 70000 + b"\r\nabcde\r\n0\r\n\r\n"),
        (("Transfer-Encoding: chunked",), chunked + b"0\r\n" + b"A: b\r\n" * 2000 + b"\r\n"),
        ((f"X: y\nContent-Length: {size}",), valid.body),
        ((f"X: y\r Content-Length: {size}",), valid.body),
        ((f"Content-Length: {size}", "X:" + "y" * 100_000), valid.body),
        ((f"Content-Length: {size}", *(f"H{number}: v" for number in range(3000))), valid.body),
        ((f"Content-Length: {size}", " folded: value"), valid.body),
        ((f"Content-Length: {size}", "No colon here"), valid.body),
        ((f"Content-Length: {size}", "X\x00Y: z"), valid.body),
    )
    lines, payload = random.choice(forms)
    return Attempt("framing", replace(valid, framing=lines, body=payload).encode(), silent=True)


def junk(random: Random, valid: Request) -> Attempt:
    """No HTTP at all."""
    forms = (
        random.randbytes(random.choice((1, 20, 3000))),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + random.randbytes(30),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(200),
        b"\r\n" * 500,
        valid.encode().replace(b"\r\n", b"\n"),
        b"GET /" + b"a" * 100_000,
        valid.encode()[: random.randrange(60)],
    )
    return Attempt("junk", random.choice(forms), silent=True)


def gone(random: Random, valid: Request) -> Attempt:
    """The sender leaves: within the head, within the body, or while the answer is made."""
    data = valid.encode()
    return Attempt("gone", data[: random.choice((len(data), random.randrange(len(data))))], silent=True, cut=True)


KINDS: dict[Callable[[Random, Request], Attempt], float] = {
    field: 46,
    text: 16,
    body: 8,
    header: 12,
    line: 6,
    framing: 6,
    junk: 3,
    gone: 3,
}


def attempt(random: Random, valid: Request) -> Attempt:
    """The next malformed request."""
    (kind,) = random.choices(list(KINDS), weights=list(KINDS.values()))
    return kind(random, valid)
