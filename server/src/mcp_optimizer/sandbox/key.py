"""The pool's key: a file that the kubelet replaces when the operator makes a new one, read again whenever it has changed."""

from pathlib import Path

from mcp_optimizer_api.job import pod_token, token_digest


class KeyMissing(Exception):
    """No key can be read, so no Pod can be claimed; the message names the file."""


class PoolKey:
    """The proof that this server may use the pool."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._key = b""

    def token(self, pod_name: str) -> str:
        """The token of one Pod, with the key as it is now."""
        try:
            state = self._path.stat()
            seen = (state.st_mtime_ns, state.st_size, state.st_ino)
            if seen != self._seen:
                self._key, self._seen = self._path.read_bytes(), seen
        except OSError as error:
            raise KeyMissing(
                f"the pool key cannot be read ({self._path}: {error.strerror}): the operator mounts it from a Secret"
            ) from None
        if not self._key:
            raise KeyMissing(f"the pool key is empty ({self._path}): the operator mounts it from a Secret")
        return pod_token(self._key, pod_name)

    def fits(self, pod_name: str, digest: str) -> bool:
        """Whether the Pod was made with this key."""
        try:
            return token_digest(self.token(pod_name)) == digest
        except KeyMissing:
            return False
