"""How what servers offer is called where all of them are seen at once: reversible, and without a name that two servers could share.

Names of MCPServers are DNS labels: no dot, no plus. So `server.name` and `server+uri` fall apart at the first one, whatever follows it; and
`server+file` is a URI scheme as RFC 3986 allows it, so that a namespaced URI or URI template stays one.
"""

from typing import Any, Final

Block = dict[str, Any]
MAX_NAME: Final = 200


def entry_id(server: str, name: str) -> str:
    """Of a tool or a prompt."""
    return f"{server}.{name}"


def split_id(identifier: str) -> tuple[str, str]:
    """Server and name; the name is empty when this is no identifier of ours."""
    server, _, name = identifier.partition(".")
    return server, name


def entry_uri(server: str, uri: str) -> str:
    """Of a resource, or of a template of resources."""
    return f"{server}+{uri}"


def split_uri(uri: str) -> tuple[str, str]:
    """Server and the URI that it knows; the latter is empty when this is no URI of ours."""
    server, _, rest = uri.partition("+")
    return server, rest


def with_entry_uris(server: str, blocks: list[Block]) -> list[Block]:
    """Content blocks whose links to resources a client can follow."""
    if not any(block.get("type") in ("resource", "resource_link") for block in blocks):
        return blocks
    return [_renamed(server, block) for block in blocks]


def _renamed(server: str, block: Block) -> Block:
    if block.get("type") == "resource_link" and isinstance(block.get("uri"), str):
        return {**block, "uri": entry_uri(server, block["uri"])}
    if block.get("type") == "resource" and isinstance(block.get("resource"), dict):
        return {**block, "resource": renamed_contents(server, block["resource"])}
    return block


def renamed_contents(server: str, contents: Block) -> Block:
    """The contents of a resource under the URI that a client knows."""
    return {**contents, "uri": entry_uri(server, contents["uri"])} if isinstance(contents.get("uri"), str) else contents
