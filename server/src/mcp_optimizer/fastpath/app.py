"""Serving a recognised request through the endpoint."""

import asyncio
import logging
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any, Final

import orjson
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from mcp_types.methods import serialize_server_result
from pydantic import ValidationError

from mcp_optimizer.asgi import Receive, Send
from mcp_optimizer.cancellations import Cancellations
from mcp_optimizer.context import CallContext
from mcp_optimizer.endpoint import Endpoint, UnknownTool
from mcp_optimizer.errors import CallFailure
from mcp_optimizer.paging import BadCursor
from mcp_optimizer.protocol.client import LEGACY_LOG_LEVEL, TRACE_KEYS, trace_of
from mcp_optimizer.protocol.failures import error_of
from mcp_optimizer.protocol.server import list_hints
from mcp_optimizer.routes import ROUTE
from mcp_optimizer.stages import READ
from mcp_optimizer.watch import Watch

from .answer import Answer, encode_call
from .clients import Clients
from .request import Request, recognise

log = logging.getLogger(__name__)

MAX_PAGES_KEPT: Final = 64
TRACEPARENT: Final = b"traceparent"
Stamp = dict[str, Any]


class FastPath:
    """Answers requests of the usual shape; counts those, and those it leaves to the SDK-hosted server."""

    def __init__(self, endpoint: Endpoint, stamp: Stamp, running: Cancellations) -> None:
        self._endpoint = endpoint
        self._stamp = stamp
        self._running = running
        self._clients = Clients()
        self._watch = Watch()
        self._pages: dict[tuple[str, str | None, str | None], bytes] = {}
        self._cursors: set[str | None] = {None}
        """Those given out with this snapshot: what else clients send as a cursor is nothing to remember an answer by."""
        self._pages_of: object = None
        self.served = self.left = 0

    async def serve(self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes], body: bytes, receive: Receive, send: Send) -> bool:
        """Answer the request, or leave it alone and say so: False."""
        request = recognise(headers, len(headers) != len(scope["headers"]), body)
        if request is None:
            self.left += 1
            return False
        answer = Answer(send, request.id, request.modern)
        server = scope.get(ROUTE)
        context = self._context(request, answer, server)
        if context is not None and context.trace is None and TRACEPARENT in headers:
            context = replace(context, trace=trace_of({key: headers.get(key.encode(), b"").decode("latin-1") for key in TRACE_KEYS}))
        if context is None or (request.call is not None and not self._endpoint.is_quick(request.call, server)):
            self.left += 1
            return False
        self.served += 1
        self._endpoint.parsed(scope.get(READ))
        if request.call is None:
            await self._list(request, answer, server)
        else:
            await self._call(request, request.call, answer, context, server, receive, headers)
        return True

    def _context(self, request: Request, answer: Answer, server: str | None) -> CallContext | None:
        if request.modern:
            return self._clients.modern(request.meta)
        usual, trace = self._clients.legacy_trace(request.meta)
        if not usual:
            return None
        return CallContext(on_notification=answer.notify, log_level=LEGACY_LOG_LEVEL, trace=trace, own_names=server is not None)

    async def _call(
        self,
        request: Request,
        name: str,
        answer: Answer,
        context: CallContext,
        server: str | None,
        receive: Receive,
        headers: dict[bytes, bytes],
    ) -> None:
        entry = self._watch.enter(answer, receive)
        key = None if request.modern else self._running.enter(headers, request.id, entry.cancel)
        try:
            result = await self._endpoint.call_tool(name, request.arguments, context, None, server)
            encoded = encode_call(result, request.version, self._stamp if request.modern else None)
        except asyncio.CancelledError:
            if not entry.gone:
                raise
            if entry.cancelled:
                await answer.nothing()
        except UnknownTool as error:
            await answer.error(INVALID_PARAMS, str(error))
        except CallFailure as failure:
            told = error_of(failure, modern=request.modern).error
            await answer.error(told.code, told.message, told.data)
        except ValidationError:
            log.exception("a result has no form that this client could read", extra={"version": request.version})
            await answer.error(INTERNAL_ERROR, "Internal server error")
        else:
            await answer.result(encoded)
        finally:
            self._watch.leave(entry)
            self._running.leave(key)

    async def _list(self, request: Request, answer: Answer, server: str | None) -> None:
        key = (request.version, server, request.cursor)
        snapshot = self._endpoint.current()
        if snapshot is not self._pages_of:
            self._pages, self._cursors, self._pages_of = {}, {None}, snapshot
        try:
            encoded = self._pages.get(key)
            if encoded is None:
                encoded = self._encoded_list(request, server)
                if request.cursor in self._cursors and len(self._pages) < MAX_PAGES_KEPT:
                    self._pages[key] = encoded
            else:
                self._endpoint.listed_again(request.cursor, len(encoded))
        except BadCursor as error:
            await answer.error(INVALID_PARAMS, str(error))
        else:
            await answer.result(encoded)

    def _encoded_list(self, request: Request, server: str | None) -> bytes:
        result = list_hints(self._endpoint, self._endpoint.list_tools(request.cursor, server))
        if request.cursor in self._cursors:
            self._cursors.add(result.get("nextCursor"))
        shown = serialize_server_result("tools/list", request.version, result)
        return orjson.dumps({**shown, "_meta": self._stamp} if request.modern else shown, default=str)
