"""The extension `io.modelcontextprotocol/tasks` on the wire: a long call of a client that declared it becomes a task that is asked for.

Clients do not ask for a task, they say that they understand one; this endpoint makes one when a call takes longer than
`state.tasks.AFTER_SECONDS`.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import HEADER_MISMATCH, INTERNAL_ERROR, INVALID_PARAMS, MISSING_REQUIRED_CLIENT_CAPABILITY, RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

from mcp_optimizer.context import NOTHING, CallContext
from mcp_optimizer.errors import UNAVAILABLE, CallFailure
from mcp_optimizer.lane import OnOutput
from mcp_optimizer.memory import holding
from mcp_optimizer.ration import Ration
from mcp_optimizer.state.running import Round
from mcp_optimizer.state.tasks import Tasks

log = logging.getLogger(__name__)

EXTENSION: Final = "io.modelcontextprotocol/tasks"
_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
Context = ServerRequestContext[Any, Any]
Call = Callable[[CallContext, OnOutput | None], Awaitable[dict[str, Any]]]


class TaskParams(RequestParams):
    """Which task."""

    task_id: str = Field(alias="taskId", max_length=200)


class UpdateParams(TaskParams):
    """Answers by the keys of what the task asked."""

    input_responses: dict[str, Any] = Field(alias="inputResponses")


def declares_tasks(capabilities: Any) -> bool:
    """Whether a client that declares these capabilities understands tasks. It may have declared anything."""
    extensions = capabilities.get("extensions") if isinstance(capabilities, Mapping) else None
    return isinstance(extensions, Mapping) and EXTENSION in extensions


async def call_as_task(tasks: Tasks, call: Call, context: CallContext, progress: OnOutput | None, memory: Ration) -> dict[str, Any]:
    """The call's result, or the task it has become. What it reports goes to the client for as long as the request is open.

    Its large messages weigh by themselves, in `memory`; what the request holds goes over to the task.
    """
    open_request = True
    notify = context.on_notification

    def close() -> None:
        nonlocal open_request
        open_request = False

    async def on_notification(method: str, params: dict[str, Any]) -> None:
        if open_request and notify is not None:
            await notify(method, params)

    async def on_output(stream: Any, data: str) -> None:
        if open_request and progress is not None:
            await progress(stream, data)

    heard = replace(context, on_notification=on_notification) if notify is not None else context

    async def work(attempt: Round) -> dict[str, Any]:
        now = heard
        if attempt.responses is not None or attempt.state is not None:
            now = replace(heard, input_responses=attempt.responses, request_state=attempt.state)
        with holding(memory):
            return await call(now, on_output)

    return await tasks.run(work, _explained, close)


def serve_tasks(server: Server[Any], tasks: Tasks) -> None:
    """Let `server` answer the methods of the extension."""

    async def get(ctx: Context, params: TaskParams) -> dict[str, Any]:
        _check(ctx, params.task_id)
        return {**await _answered(tasks.get(params.task_id))}

    async def update(ctx: Context, params: UpdateParams) -> dict[str, Any]:
        _check(ctx, params.task_id)
        await _answered(tasks.update(params.task_id, params.input_responses))
        return {}

    async def cancel(ctx: Context, params: TaskParams) -> dict[str, Any]:
        _check(ctx, params.task_id)
        await _answered(tasks.cancel(params.task_id))
        return {}

    server.add_request_handler("tasks/get", TaskParams, get)
    server.add_request_handler("tasks/update", UpdateParams, update)
    server.add_request_handler("tasks/cancel", TaskParams, cancel)


def _check(ctx: Context, task_id: str) -> None:
    """Refuse clients that did not declare the extension, and a header that names another task: something routed by it."""
    meta = (ctx.params or NOTHING).get("_meta")
    declared = isinstance(meta, Mapping) and declares_tasks(meta.get(_CAPABILITIES))
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS or not declared:
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message=f"declare the extension {EXTENSION} in the request's client capabilities",
            data={"requiredCapabilities": {"extensions": {EXTENSION: {}}}},
        )
    header = ctx.request.headers.get(MCP_NAME_HEADER) if ctx.request is not None else None
    if header is not None and decode_header_value(header) != task_id:
        raise MCPError(code=HEADER_MISMATCH, message=f"{MCP_NAME_HEADER} header does not match the request body's 'taskId' parameter")


async def _answered(answer: Awaitable[Any]) -> Any:
    try:
        return await answer
    except CallFailure as failure:
        code = INTERNAL_ERROR if failure.code == UNAVAILABLE else INVALID_PARAMS
        raise MCPError(code=code, message=failure.message) from None


def _explained(raised: BaseException) -> dict[str, Any]:
    """The error with which the request would have been answered."""
    if isinstance(raised, MCPError):
        return raised.error.model_dump(by_alias=True, exclude_none=True)
    if isinstance(raised, CallFailure):
        return {"code": INTERNAL_ERROR, "message": raised.message}
    log.error("a task failed for a reason no rule foresaw", exc_info=raised)
    return {"code": INTERNAL_ERROR, "message": "the endpoint failed; its log tells why"}
