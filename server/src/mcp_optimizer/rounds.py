"""Calls of several rounds: a server asks the user something first, the client asks, and calls again with the answer.

What the server wants back in the next round goes to the client sealed, together with what it belongs to: the server, the operation and its
arguments. Any replica can open it; a client can neither read it, nor change it, nor use it for another call, nor use it for ever.
"""

import hashlib
import json
from dataclasses import replace
from typing import Any, Final

import orjson

from .context import CallContext
from .errors import BAD_GATEWAY, BAD_REQUEST, CallFailure, RpcError
from .seal import Expired, Sealer, SealError

PURPOSE: Final = "request-state"
TTL_SECONDS: Final = 600.0
MAX_STATE: Final = 64 * 1024
MAX_QUESTIONS: Final = 32
INVALID_PARAMS: Final = -32602
_DIGEST: Final = 16
FEATURE_OF: Final = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}
"""The capability with which a client says that it can answer such a question."""

Result = dict[str, Any]


class StateRefused(CallFailure):
    """What the client brought back belongs to no call that it may continue: its program has to know, a model could do nothing about it."""


class Rounds:
    """Opens what clients bring back, and seals what servers want back."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def opened(self, context: CallContext, server: str, operation: str, subject: str, arguments: Any) -> CallContext:
        """The context with the server's own state in place of the sealed one. Raises `StateRefused` when it belongs to another call."""
        if context.request_state is None:
            return context
        try:
            payload = self._sealer.unseal(PURPOSE, context.request_state)
        except Expired:
            raise _refused("has expired: call again without it") from None
        except SealError:
            raise _refused("is not one that this endpoint gave out: call again without it") from None
        if payload[:_DIGEST] != _binding(server, operation, subject, arguments):
            raise _refused("belongs to another call: repeat the call that it was given for, with the same arguments")
        return replace(context, request_state=payload[_DIGEST:].decode())

    def sealed(self, result: Result, context: CallContext, server: str, operation: str, subject: str, arguments: Any) -> Result:
        """The result as the client may get it: unchanged unless it asks for another round."""
        if result.get("resultType") != "input_required":
            return result
        asked: Result = {"resultType": "input_required"}
        if result.get("inputRequests"):
            asked["inputRequests"] = _questions(server, result["inputRequests"], context)
        state = result.get("requestState")
        if isinstance(state, str):
            if len(state) > MAX_STATE:
                raise CallFailure(
                    BAD_GATEWAY, f"server {server} wants more than {MAX_STATE} characters of state back, which no client keeps"
                )
            asked["requestState"] = self._sealer.seal(
                PURPOSE, _binding(server, operation, subject, arguments) + state.encode(), TTL_SECONDS
            )
        if len(asked) == 1:
            raise CallFailure(BAD_GATEWAY, f"server {server} asks for another round without saying for what")
        return asked


def _questions(server: str, questions: Any, context: CallContext) -> dict[str, Any]:
    if not isinstance(questions, dict) or len(questions) > MAX_QUESTIONS:
        raise CallFailure(BAD_GATEWAY, f"server {server} asks more than {MAX_QUESTIONS} questions at once, or none that can be read")
    able = context.client_capabilities or {}
    for question in questions.values():
        method = question.get("method") if isinstance(question, dict) else None
        feature = FEATURE_OF.get(method) if isinstance(method, str) else None
        if feature is None or feature not in able:
            raise CallFailure(BAD_GATEWAY, f"server {server} asks for {str(method)[:40]!r}, which this client has not said it can answer")
    return questions


def _binding(server: str, operation: str, subject: str, arguments: Any) -> bytes:
    whole = [server, operation, subject, arguments]
    try:
        text = orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers beyond 64 bits
        text = json.dumps(whole, sort_keys=True).encode()
    return hashlib.sha256(text).digest()[:_DIGEST]


def _refused(why: str) -> StateRefused:
    message = f"requestState {why}"
    return StateRefused(BAD_REQUEST, message, RpcError(INVALID_PARAMS, message))
