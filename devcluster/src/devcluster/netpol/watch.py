"""Keeps a copy of one kind of object: list, then watch, and start again whenever the API server says so or goes away."""

import threading
import time
from collections.abc import Callable
from typing import Any

from devcluster.api_client import ApiClient, ApiError

WATCH_SECONDS = 300


class Mirror:
    """All objects of one path, kept current by a thread of its own."""

    def __init__(self, client: ApiClient, path: str, changed: Callable[[], None]) -> None:
        self._client = client
        self._path = path
        self._changed = changed
        self._objects: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self.synced = threading.Event()

    def start(self) -> None:
        """Begin; `synced` is set after the first list."""
        threading.Thread(target=self._run, name=self._path, daemon=True).start()

    def objects(self) -> list[dict[str, Any]]:
        """The objects now, in a stable order."""
        with self._lock:
            return [self._objects[key] for key in sorted(self._objects)]

    def _run(self) -> None:
        while True:
            try:
                version = self._list()
                while True:
                    version = self._watch(version)
            except (OSError, ApiError, ValueError):
                # The API server restarts, or the version is too old: rules stay as they are until the next list.
                time.sleep(0.5)

    def _list(self) -> str:
        answer = self._client.request("GET", self._path, timeout=30)
        with self._lock:
            self._objects = {_key(item): item for item in answer["items"]}
        self.synced.set()
        self._changed()
        return str(answer["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> str:
        for event in self._client.watch(self._path, version=version, seconds=WATCH_SECONDS):
            item = event["object"]
            if event["type"] == "ERROR":
                raise OSError(f"watch of {self._path}: {item.get('message')}")
            version = item["metadata"]["resourceVersion"]
            if event["type"] == "BOOKMARK":
                continue
            with self._lock:
                if event["type"] == "DELETED":
                    self._objects.pop(_key(item), None)
                else:
                    self._objects[_key(item)] = item
            self._changed()
        return version


def _key(item: dict[str, Any]) -> str:
    return f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
