"""The only module that knows kopf, and all it is used for: watching, and the life of the process.

No create, update, field, resume, timer, daemon or index handlers: they write annotations and finalizers onto the resources, repeat
themselves after each restart, and lose what failed (docs/decisions). Every event goes to the cache and the work queue instead.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import kopf

from .client import Client
from .errors import OperatorError
from .kinds import WATCHED, Kind, Manifest
from .settings import Settings

Event = Callable[[Kind, str | None, Manifest], None]


async def watch(settings: Settings, client: Client, event: Event, stop: Callable[[], Awaitable[None]]) -> None:
    """Report every event of the watched kinds to `event` until SIGTERM; then await `stop`, which must not raise."""
    registry = kopf.OperatorRegistry()
    for kind in WATCHED:
        _subscribe(registry, kind, event)
    _log_in(registry, client)

    @kopf.on.cleanup(registry=registry)
    async def cleanup(**_: Any) -> None:
        # kopf waits five seconds for tasks that are still there when it is done, so ours end here.
        await stop()

    try:
        await _operate(registry, settings)
    except kopf.LoginError as error:
        raise OperatorError(
            "the API server refuses the operator's credentials (401): check its ServiceAccount, or the kubeconfig it was started with"
        ) from error


async def _operate(registry: kopf.OperatorRegistry, settings: Settings) -> None:
    namespaces = settings.watch_namespaces
    await kopf.operator(
        registry=registry,
        settings=_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        # Unused without peering, but kopf would ask for the name of our user, and a numeric USER has none.
        identity=cast(Any, settings.pod_name),
    )


def _subscribe(registry: kopf.OperatorRegistry, kind: Kind, event: Event) -> None:
    @kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id=f"saw-{kind.plural}")
    async def saw(**arguments: Any) -> None:
        raw = arguments["event"]
        event(kind, raw["type"], raw["object"])


def _log_in(registry: kopf.OperatorRegistry, client: Client) -> None:
    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        configuration = client.configuration
        header = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        scheme, _space, token = (header or "").rpartition(" ")
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            insecure=not configuration.verify_ssl,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
            scheme=scheme.capitalize() or None,
            token=token or None,
        )


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # the kinds and namespaces are known; fewer permissions are needed
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.persistence.progress_storage = _NoProgress()
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 300
    settings.queueing.idle_timeout = 0.1
    settings.queueing.worker_limit = 100
    settings.networking.request_timeout = 15
    settings.networking.error_backoffs = (1, 2, 3, *[5] * 20)
    for kind in WATCHED:
        where = (kind.group, kind.version, kind.plural)
        if kind.label_selector:
            settings.watching.label_selectors[where] = kind.label_selector
        if kind.field_selector:
            settings.watching.field_selectors[where] = kind.field_selector
    return settings


class _NoDiffs(kopf.DiffBaseStorage):
    """No annotation with the last handled state. Computing one copies every object deeply, most of kopf's cost per event."""

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: Any) -> Any:
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        return


class _NoProgress(kopf.ProgressStorage):
    """No annotations with handlers' progress: the work queue remembers, and a restart looks at everything anyway."""

    def fetch(self, *, key: Any, body: Any) -> Any:
        return None

    def store(self, *, key: Any, record: Any, body: Any, patch: Any) -> None:
        return

    def purge(self, *, key: Any, body: Any, patch: Any) -> None:
        return

    def touch(self, *, body: Any, patch: Any, value: Any) -> None:
        return

    def clear(self, *, essence: Any) -> Any:
        return essence
