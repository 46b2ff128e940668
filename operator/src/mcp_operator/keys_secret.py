"""Keeps the Secret with the pool keys of a namespace in step with its MCPOptimizers.

All of them share it, so it is applied with the resourceVersion that was looked at: whoever comes second looks again. It carries no hash
annotation; nothing derived from a key belongs in metadata.
"""

from mcp_optimizer_api.names import MANAGED_BY, MANAGED_BY_LABEL, SANDBOX_KEYS_SECRET

from .apply import MANAGER
from .cache import Cache
from .children import Outcome, finding
from .client import Client
from .context import Context
from .desired.sandbox_keys import KeyHolder, KeyMemory, sandbox_keys
from .drift import drift
from .errors import NamespaceTerminatingError, TerminalError, TransientError
from .kinds import MCP_OPTIMIZER, SECRET, Key, Manifest
from .resource import Optimizer


async def converge_keys(context: Context, opt: Optimizer, *, attempt: int) -> tuple[bytes | None, Outcome]:
    """The optimizer's pool key, once it is stored; None and the reason when it could not be."""
    try:
        await _look(context.client, context.cache, opt.key.namespace)
        wanted, key = decided(context.cache, context.keys, opt)
        await _store(context.client, context.cache, wanted)
    except NamespaceTerminatingError:
        raise
    except (TransientError, TerminalError) as error:
        return None, Outcome(failure=finding(error, attempt), error=error)
    return key, Outcome()


def decided(cache: Cache, memory: KeyMemory, opt: Optimizer) -> tuple[Manifest, bytes]:
    """The Secret as it should be, and this optimizer's key in it."""
    namespace = opt.key.namespace
    holder = KeyHolder(opt.owner.name, opt.owner.uid)
    holders = {holder}
    for obj in cache.select(MCP_OPTIMIZER.kind, namespace):
        if not obj["metadata"].get("deletionTimestamp"):
            holders.add(KeyHolder(obj["metadata"]["name"], obj["metadata"]["uid"]))
    keys = memory.keys(namespace, holders, cache.get(Key(SECRET.kind, namespace, SANDBOX_KEYS_SECRET)))
    return sandbox_keys(namespace, keys), keys[holder]


async def _look(client: Client, cache: Cache, namespace: str) -> None:
    """Ask before a key is decided on: a Secret that is merely not in the cache holds keys that Pods rely on."""
    if cache.get(Key(SECRET.kind, namespace, SANDBOX_KEYS_SECRET)) is None:
        found = await client.get(SECRET, namespace, SANDBOX_KEYS_SECRET)
        if found is not None:
            cache.put(found)


async def _store(client: Client, cache: Cache, wanted: Manifest) -> None:
    namespace = wanted["metadata"]["namespace"]
    live = cache.get(Key(SECRET.kind, namespace, SANDBOX_KEYS_SECRET))
    if live is None:
        cache.put((await client.apply(SECRET, wanted, manager=MANAGER, force=False)).obj)
        return
    if (live["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) != MANAGED_BY and live.get("data"):
        raise TerminalError(f"Secret {SANDBOX_KEYS_SECRET} exists and is not ours: delete or rename it")
    if live["metadata"].get("deletionTimestamp"):
        raise TransientError(f"Secret {SANDBOX_KEYS_SECRET} is being deleted; it is made again when it is gone", retry_after=1.0)
    if _as_wanted(live, wanted):
        return
    body = {**wanted, "metadata": {**wanted["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}}
    cache.put((await client.apply(SECRET, body, manager=MANAGER, force=True)).obj)


def _as_wanted(live: Manifest, wanted: Manifest) -> bool:
    same_owners = len(live["metadata"].get("ownerReferences") or ()) == len(wanted["metadata"]["ownerReferences"])
    return same_owners and set(live.get("data") or ()) == set(wanted["data"]) and not drift(live, wanted)
