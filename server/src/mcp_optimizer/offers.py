"""What servers offer besides tools, in direct mode: resources, their templates, prompts and completion of their arguments.

On the endpoint of all servers each entry has a name that holds its server's (see `naming`); on a server's own route it has its own.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

from . import naming
from .artifacts import RESOURCE_NOT_FOUND, SCHEME, Artifacts, is_artifact
from .context import CallContext
from .errors import BAD_GATEWAY, NOT_FOUND, CallFailure, RpcError
from .invoke import Invoker
from .paging import Entry, page
from .results import MAX_BLOCKS
from .snapshot import Snapshot
from .tools.definitions import offers_code
from .upstream.extras import Extras
from .upstream.upstream import Offer, Upstream

INVALID_PARAMS: Final = -32602
METHOD_NOT_FOUND: Final = -32601
MAX_PROPOSALS: Final = 100
Kind = Literal["resources", "resourceTemplates", "prompts"]
_KEYS: Final[dict[Kind, str]] = {"resources": "uri", "resourceTemplates": "uriTemplate", "prompts": "name"}
Result = dict[str, Any]
ARTIFACT_TEMPLATE: Final[Result] = {
    "uriTemplate": SCHEME + "{handle}",
    "name": "artifact",
    "description": "A file that a job of execute_code left behind, by the handle in its answer.",
}


class Offers:
    """Answers of the methods on resources, prompts and completion. `server` is that of the route, None on the endpoint of all."""

    def __init__(self, invoker: Invoker, artifacts: Artifacts) -> None:
        self._invoker = invoker
        self._artifacts = artifacts
        self._entries: dict[tuple[Kind, str | None], list[Entry]] = {}
        self._entries_of: Snapshot | None = None

    def listed(self, kind: Kind, server: str | None, cursor: str | None) -> Result:
        """A page of the list. Raises `paging.BadCursor` or `CallFailure`."""
        if kind != "prompts" and offers_artifacts(self._invoker.snapshot(), server):
            return {kind: [ARTIFACT_TEMPLATE] if kind == "resourceTemplates" else []}
        snapshot = self.offering(server, "prompts" if kind == "prompts" else "resources")
        if snapshot is not self._entries_of:
            self._entries, self._entries_of = {}, snapshot
        entries = self._entries.get((kind, server))
        if entries is None:
            names = [server] if server is not None else sorted(snapshot.offers)
            entries = [entry for name in names for entry in _entries(snapshot.offers[name][1].extras, kind, name, server is None)]
            self._entries[kind, server] = entries
        return page(kind, entries, cursor)

    async def read(self, uri: str, server: str | None, context: CallContext) -> Result:
        """The contents of a resource, with the server's cache hints; a job's file by its handle, in every mode."""
        if is_artifact(uri):
            return await self._artifacts.read(uri)
        snapshot = self.offering(server, "resources")
        name, own = (server, uri) if server is not None else naming.split_uri(uri)
        upstream = _upstream(snapshot, name, own)
        if upstream is None:
            text = f"no resource {uri[: naming.MAX_NAME]!r}: take its uri from resources/list"
            raise CallFailure(NOT_FOUND, text, RpcError(RESOURCE_NOT_FOUND, text))
        result = await self._invoker.ask(upstream, "resources/read", own, {"uri": own}, None, context)
        contents = _bounded(upstream.name, result.get("contents", []))
        if server is None and contents:
            result = {**result, "contents": [naming.renamed_contents(name, item) if isinstance(item, dict) else item for item in contents]}
        return result

    async def prompt(self, prompt: str, arguments: dict[str, str] | None, server: str | None, context: CallContext) -> Result:
        """A prompt with its arguments filled in."""
        snapshot = self.offering(server, "prompts")
        name, own = (server, prompt) if server is not None else naming.split_id(prompt)
        upstream = _upstream(snapshot, name, own)
        if upstream is None:
            text = f"no prompt {prompt[: naming.MAX_NAME]!r}: take its name from prompts/list"
            raise CallFailure(NOT_FOUND, text, RpcError(INVALID_PARAMS, text))
        params: Result = {"name": own} if arguments is None else {"name": own, "arguments": arguments}
        result = await self._invoker.ask(upstream, "prompts/get", own, params, None, context)
        messages = _bounded(upstream.name, result.get("messages", []))
        if server is None and messages:
            result = {**result, "messages": [_renamed(name, message) for message in messages]}
        return result

    async def complete(self, params: Result, server: str | None, context: CallContext) -> Result:
        """Proposals for an argument of a prompt or of a template. `params` has `ref`, `argument` and perhaps `context`."""
        snapshot = self.offering(server, "completions")
        ref = params["ref"]
        field, split = ("name", naming.split_id) if ref.get("type") == "ref/prompt" else ("uri", naming.split_uri)
        name, own = (server, str(ref.get(field))) if server is not None else split(str(ref.get(field)))
        upstream = _upstream(snapshot, name, own)
        if upstream is None:
            text = f"nothing to complete is called {str(ref.get(field))[: naming.MAX_NAME]!r}: take it from a list of this endpoint"
            raise CallFailure(NOT_FOUND, text, RpcError(INVALID_PARAMS, text))
        relayed = {key: params[key] for key in ("argument", "context") if params.get(key) is not None}
        result = await self._invoker.ask(upstream, "completion/complete", own, {**relayed, "ref": {**ref, field: own}}, None, context)
        return {**result, "completion": _first_values(result.get("completion"))}

    def offering(self, server: str | None, feature: str) -> Snapshot:
        """The snapshot in force. Raises `CallFailure` (METHOD_NOT_FOUND) when the route does not have this."""
        snapshot = self._invoker.snapshot()
        if feature not in features(snapshot, server):
            text = "not offered here: resources and prompts are relayed in mode mcp_only, where a server has them"
            raise CallFailure(NOT_FOUND, text, RpcError(METHOD_NOT_FOUND, text))
        return snapshot


def offers_artifacts(snapshot: Snapshot, server: str | None) -> bool:
    """Whether files of jobs are the resources of this route. They are not listed: whoever has a handle has the file."""
    return snapshot.config.mode != "mcp_only" and server is None and offers_code(snapshot.config.sandbox)


def features(snapshot: Snapshot, server: str | None) -> set[str]:
    """Capabilities of the endpoint besides tools; of the route when `server` is given. A server that is not contacted yet has none.

    Raises `CallFailure` when the server went since the request came.
    """
    if snapshot.config.mode != "mcp_only":
        return set()
    if server is not None and server not in snapshot.offers:
        text = f"no server {server!r} is federated here"
        raise CallFailure(NOT_FOUND, text, RpcError(METHOD_NOT_FOUND, text))
    offers = [snapshot.offers[server][1]] if server is not None else [offer for _, offer in snapshot.offers.values()]
    return {name for offer in offers for name in offer.capabilities} - {"tools"}


def _upstream(snapshot: Snapshot, server: str, own: str) -> Upstream | None:
    found: tuple[Upstream, Offer] | None = snapshot.offers.get(server)
    return found[0] if found is not None and own else None


def _entries(extras: Extras, kind: Kind, server: str, namespaced: bool) -> Sequence[Entry]:
    key = _KEYS[kind]
    definitions = {"resources": extras.resources, "resourceTemplates": extras.templates, "prompts": extras.prompts}[kind]
    if not namespaced:
        return [Entry(server, definition[key], definition) for definition in definitions]
    named = naming.entry_id if kind == "prompts" else naming.entry_uri
    return [Entry(server, definition[key], {**definition, key: named(server, definition[key])}) for definition in definitions]


def _renamed(server: str, message: Any) -> Any:
    if not isinstance(message, dict) or not isinstance(message.get("content"), dict):
        return message
    return {**message, "content": naming.with_entry_uris(server, [message["content"]])[0]}


def _first_values(completion: Any) -> Result:
    """No more proposals than the protocol allows, whatever a server sends."""
    if not isinstance(completion, dict) or not isinstance(completion.get("values"), list):
        return {"values": []}
    more = {"hasMore": True} if len(completion["values"]) > MAX_PROPOSALS else {}
    return {**completion, "values": completion["values"][:MAX_PROPOSALS], **more}


def _bounded(server: str, items: Any) -> list[Any]:
    if not isinstance(items, list) or len(items) > MAX_BLOCKS:
        raise CallFailure(BAD_GATEWAY, f"server {server} answered with no list, or one of more than {MAX_BLOCKS} items: ask for less")
    return items
