"""Replicas that ask each other: one signed POST on the management port, never exposed by the Service.

An address comes out of a sealed handle, so that no client can point a replica at an address of their choice, or is that of a server Pod of this
MCPOptimizer as the API server shows it. Either way an answer counts only with a signature that takes the pool's key.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import orjson

from mcp_optimizer.errors import BAD_REQUEST, NOT_FOUND, UNAVAILABLE, CallFailure
from mcp_optimizer.http_client import open_session
from mcp_optimizer.keys import KeyUnreadable
from mcp_optimizer.results import compact

from .address import Address
from .signature import HEADER, BadSignature, Signatures

log = logging.getLogger(__name__)

PATH: Final = "/peer/"
MAX_QUESTION: Final = 1024 * 1024
MAX_ANSWER: Final = 20 * 1024 * 1024
CONNECT_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 10.0
OUTCOMES: Final = ("ok", "refused", "gone", "timeout", "failed")
GONE: Final = "the replica that held it is gone: run the call again"

Question = dict[str, Any]
Answer = tuple[dict[str, Any], bytes]
"""Some fields, and raw data when there is much of it."""
Operation = Callable[[Question], Awaitable[Answer]]
"""Answers a question about this replica's own state; raises `CallFailure`. May be asked the same twice."""


class Peers:
    """This replica among the others. `address` is set when the listener is bound; before that nobody has a handle of ours."""

    def __init__(self, signatures: Signatures) -> None:
        self.address = Address("127.0.0.1", 0)
        self.outcomes: Counter[str] = Counter()
        """Questions to others by outcome, one of OUTCOMES."""
        self._signatures = signatures
        self._operations: dict[str, Operation] = {}
        self._session: aiohttp.ClientSession | None = None

    def offer(self, name: str, operation: Operation) -> None:
        """Answer questions of this name, from this process and from others."""
        self._operations[name] = operation

    async def close(self) -> None:
        """End after the drain."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, owner: Address, name: str, question: Question) -> Answer:
        """What the replica at `owner` answers; this one answers itself. Raises `CallFailure`."""
        if owner == self.address:
            return await self._operations[name](question)
        body = compact(question).encode()
        if len(body) > MAX_QUESTION:
            raise CallFailure(
                BAD_REQUEST, f"the request has {len(body)} bytes for the replica that holds it, at most {MAX_QUESTION} are taken"
            )
        outcome = "failed"
        try:
            answer = await self._post(owner, name, body)
            outcome = "ok"
        except CallFailure as failure:
            outcome = "refused"
            raise failure
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ServerDisconnectedError):
            outcome = "gone"
            raise CallFailure(NOT_FOUND, GONE) from None
        except TimeoutError:
            outcome = "timeout"
            raise CallFailure(UNAVAILABLE, "the replica that holds it does not answer: try again in a moment") from None
        except (aiohttp.ClientError, OSError, ValueError, BadSignature) as error:
            log.warning("a peer answered what no peer would", extra={"peer": owner.netloc, "error": str(error)[:200]})
            raise CallFailure(NOT_FOUND, GONE) from None
        finally:
            self.outcomes[outcome] += 1
        return answer

    async def answer(self, name: str, header: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, signature and body of the answer to another replica's question."""
        operation = self._operations.get(name)
        try:
            self._signatures.check_request(header, self.address.netloc, name, body)
        except (BadSignature, KeyUnreadable) as error:
            return 403, "", str(error).encode()
        if operation is None:
            return 404, "", b"no such operation: the replicas run different versions"
        try:
            fields, data = await operation(orjson.loads(body))
        except CallFailure as failure:
            fields, data = {"failure": failure.envelope()}, b""
        answered = compact(fields).encode() + b"\n" + data
        return 200, self._signatures.answer(header, answered), answered

    async def _post(self, owner: Address, name: str, body: bytes) -> Answer:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
            self._session = open_session(timeout=timeout, auto_decompress=False)
        signature = self._signatures.request(owner.netloc, name, body)
        async with self._session.post(
            f"http://{owner.netloc}{PATH}{name}", data=body, headers={HEADER.decode(): signature}, allow_redirects=False
        ) as response:
            answered = await _bounded(response)
            if response.status == 503:
                raise TimeoutError
            if response.status != 200:
                raise ValueError(f"HTTP {response.status}: {answered[:120]!r}")
            self._signatures.check_answer(response.headers.get(HEADER.decode(), ""), signature, answered)
        head, _, data = answered.partition(b"\n")
        fields = orjson.loads(head)
        if failure := fields.get("failure"):
            raise CallFailure(int(failure["code"]), str(failure["message"]))
        return fields, data


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER:
            response.close()
            raise ValueError("the answer is too large")
    return b"".join(chunks)
