"""Which MCPServers an MCPOptimizer federates, and how its server Pods reach them."""

from mcp_optimizer_api.config import UpstreamConfig

from .cache import Cache
from .desired.configmap import upstream
from .kinds import MCP_SERVER, Key, Manifest, key_of
from .resource import InvalidSpecError, Optimizer, server


class Federation:
    """Remembers what was parsed: an optimizer is looked at for each of its jobs, its thousand servers change once a day."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._parsed: dict[Key, tuple[tuple[str, int], UpstreamConfig | None]] = {}

    def of(self, opt: Optimizer) -> list[UpstreamConfig]:
        """The MCPServers of the namespace that the selector picks, in the order of their names."""
        selector = opt.spec.servers.selector
        found = []
        for obj in self._cache.select(MCP_SERVER.kind, opt.key.namespace):
            metadata = obj["metadata"]
            if not metadata.get("deletionTimestamp") and selector.matches(metadata.get("labels") or {}):
                parsed = self._upstream(obj)
                if parsed is not None:  # else its own status says why
                    found.append(parsed)
        return found

    def forget(self, key: Key) -> None:
        """The MCPServer is gone."""
        self._parsed.pop(key, None)

    def _upstream(self, obj: Manifest) -> UpstreamConfig | None:
        key, version = key_of(obj), (obj["metadata"]["uid"], obj["metadata"].get("generation", 0))
        known = self._parsed.get(key)
        if known is None or known[0] != version:
            try:
                srv = server(obj)
                known = version, upstream(srv.owner, srv.spec)
            except InvalidSpecError:
                known = version, None
            self._parsed[key] = known
        return known[1]
