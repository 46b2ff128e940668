"""Replies that no good server sends: broken HTTP, lengths that lie, endless heads and streams, JSON of every wrong shape."""

import gzip
import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz.values import paths, replaced, value

POISON = "poison"
"""In every answer that nobody may take for the one to another request."""
OK = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def result(number: Any, text: str = "fine") -> dict[str, Any]:
    """The right response to a tools/call."""
    return {"jsonrpc": "2.0", "id": number, "result": {"resultType": "complete", "content": [{"type": "text", "text": text}]}}


def plain(body: bytes, *lines: str) -> bytes:
    """A response in one piece."""
    head = OK + "".join(f"{line}\r\n" for line in lines)
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1", "replace") + body


def message(random: Random, number: Any) -> bytes:
    """The right response with one thing in it replaced."""
    right = result(number)
    text = replaced(right, random.choice(paths(right)), value(random))
    return plain(text.encode("utf-8", "surrogatepass"))


def event(*texts: str) -> bytes:
    """Events of a stream."""
    return STREAM + "".join(f"data: {text}\n\n" for text in texts).encode("utf-8", "surrogatepass")


def http(random: Random, number: Any) -> bytes:
    """HTTP that is wrong."""
    body = json.dumps(result(number)).encode()
    other = plain(json.dumps(result(number + 1 if isinstance(number, int) else 1, POISON)).encode())
    forms: tuple[Callable[[], bytes], ...] = (
        lambda: random.randbytes(random.choice((1, 100, 5000))),
        lambda: b"",
        lambda: b"HTTP/1.1 200",
        lambda: b"HTTP/9.9 200 OK\r\n\r\n" + body,
        lambda: b"HTTP/1.1 99999 Hm\r\n\r\n",
        lambda: b"HTTP/1.1 200 OK\n\n" + body,
        lambda: f"{OK}Content-Length: {len(body) + 50}\r\n\r\n".encode() + body,
        lambda: f"{OK}Content-Length: {len(body) - 5}\r\n\r\n".encode() + body,
        lambda: f"{OK}Content-Length: -1\r\n\r\n".encode() + body,
        lambda: f"{OK}Content-Length: {'9' * 50}\r\n\r\n".encode() + body,
        lambda: f"{OK}Content-Length: 5\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body,
        lambda: f"{OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n",
        lambda: f"{OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n".encode() + body,
        lambda: f"{OK}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n".encode() + body,
        lambda: f"{OK}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n" + b"T: x\r\n" * 5000 + b"\r\n",
        lambda: (OK + "".join(f"H{index}: v\r\n" for index in range(3000))).encode() + b"\r\n",
        lambda: OK.encode() + b"X: " + b"y" * 300_000 + b"\r\n\r\n",
        lambda: OK.encode() + b"X\x00: y\r\nContent-Length: 2\r\n\r\n{}",
        lambda: b"HTTP/1.1 100 Continue\r\n\r\n" * random.choice((1, 2000)) + plain(body),
        lambda: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + body,
        lambda: f"HTTP/1.1 {random.choice((204, 304))} No\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body,
        lambda: b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
        lambda: f"HTTP/1.1 {random.choice((400, 401, 404, 405, 406, 413, 429, 500, 502, 503))} No\r\nContent-Length: 3\r\n\r\nno!".encode(),
        lambda: plain(gzip.compress(body), "Content-Encoding: gzip"),
        lambda: plain(body, "Content-Encoding: br"),
        lambda: plain(body) + other,
        lambda: plain(body)[: random.randrange(len(plain(body)))],
        lambda: plain(body.replace(b"application/json", b"text/html")).replace(
            b"application/json", random.choice((b"text/html", b"\xff\xfe", b"", b"a/b;c=d"))
        ),
    )
    return random.choice(forms)()


def stream(random: Random, number: Any) -> bytes:
    """An event stream that is wrong, or right with much around it."""
    right = json.dumps(result(number))
    progress = json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "x", "progress": 1}})
    asked = json.dumps({"jsonrpc": "2.0", "id": 5, "method": "sampling/createMessage", "params": {}})
    forms: tuple[Callable[[], bytes], ...] = (
        lambda: event(),
        lambda: event(*[progress] * random.choice((1, 2000)), right),
        lambda: event(*[asked] * random.choice((1, 2000)), right),
        lambda: event(value(random), right),
        lambda: event(json.dumps(result("other", POISON)), right),
        lambda: event(right, json.dumps(result(number, POISON))),
        lambda: STREAM + b": " + b"c" * 100_000 + b"\n\n" + f"data: {right}\n\n".encode(),
        lambda: STREAM + b"data: " + b"x" * 500_000,
        lambda: STREAM + b"data: {\r\rdata: }\n\r\n\r\n" + f"data:{right}\r\r".encode(),
        lambda: STREAM + b"id: \x00\nretry: " + b"9" * 5000 + b"\nevent: " + b"e" * 5000 + f"\ndata: {right}\n\n".encode(),
        lambda: STREAM + b"\xef\xbb\xbf" + f"data: {right}\n\n".encode(),
        lambda: STREAM + b"data: \xff\xfe\n\n" + f"data: {right}\n\n".encode(),
        lambda: STREAM + "".join(f"data: {part}\n" for part in right.split(",")).encode() + b"\n",
        lambda: event(right)[:-3],
    )
    return random.choice(forms)()


def reply(random: Random, number: Any) -> bytes:
    """What the hostile server answers to request `number`; sometimes what it should."""
    (kind,) = random.choices(
        (http, stream, message, lambda random, number: plain(json.dumps(result(number)).encode())), weights=(4, 2, 4, 2)
    )
    return bytes(kind(random, number))
