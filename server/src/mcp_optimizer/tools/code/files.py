"""Argument `files`: what the job finds below its folder `in`."""

import base64
import binascii
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from mcp_optimizer.artifacts import Artifacts
from mcp_optimizer.errors import BAD_REQUEST, CallFailure
from mcp_optimizer.lane import JobFile
from mcp_optimizer_api.filenames import why_no_name

MAX_FILES: Final = 64
MAX_BYTES: Final = 16 * 1024 * 1024
"""Of all files of one job: as much as one job can leave behind for the next."""
_HANDLE: Final = "artifact"


async def files_of(arguments: Mapping[str, Any], artifacts: Artifacts) -> tuple[JobFile, ...]:
    """The files, those of earlier jobs fetched. Raises `CallFailure`: 400, and for handles what `Artifacts.fetch` says."""
    files: list[JobFile] = []
    left = MAX_BYTES
    for name, content in _given(arguments).items():
        data = await _data(name, content, artifacts)
        left -= len(data)
        if left < 0:
            raise CallFailure(BAD_REQUEST, f"files have more than {MAX_BYTES} bytes together at {name!r}: pass less, or in several jobs")
        files.append(JobFile(name, data))
    return tuple(files)


@contextlib.asynccontextmanager
async def lent(arguments: Mapping[str, Any], artifacts: Artifacts) -> AsyncIterator[dict[str, dict[str, Any]]]:
    """The argument for another replica: handles in place of contents, which would not fit into its question. Raises `CallFailure`.

    It fetches them as its run begins; they are taken back at the end.
    """
    given = _given(arguments)
    named = {name: content for name, content in given.items() if isinstance(content, dict) and content.keys() == {_HANDLE}}
    for content in named.values():
        artifacts.touch(str(content[_HANDLE]))
    own: dict[str, str] = {}
    try:
        for name in given.keys() - named.keys():
            own[name] = artifacts.lend(await _data(name, given[name], artifacts))
        yield {name: named.get(name) or {_HANDLE: own[name]} for name in given}
    finally:
        for handle in own.values():
            artifacts.take_back(handle)


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The argument, its names checked."""
    given = arguments.get("files")
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > MAX_FILES:
        raise CallFailure(BAD_REQUEST, f"files must be an object of at most {MAX_FILES} names with their contents")
    _check_names(given)
    return given


def _check_names(names: Mapping[str, Any]) -> None:
    for name in names:
        if (why := why_no_name(name)) is not None:
            raise CallFailure(BAD_REQUEST, f"files: {name[:100]!r} cannot be a file below in/: {why}")
        parts = name.split("/")
        for depth in range(1, len(parts)):
            if (folder := "/".join(parts[:depth])) in names:
                raise CallFailure(BAD_REQUEST, f"files: {folder[:100]!r} cannot be a file and the folder of {name[:100]!r}")


async def _data(name: str, content: Any, artifacts: Artifacts) -> bytes:
    if isinstance(content, str):
        return content.encode("utf-8", "replace")
    if isinstance(content, dict) and len(content) == 1:
        (kind, value), *_ = content.items()
        if kind == "base64" and isinstance(value, str):
            try:
                return base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                raise CallFailure(
                    BAD_REQUEST, f"files: {name[:100]!r} is no base64 text (standard alphabet, padded, no line breaks)"
                ) from None
        if kind == _HANDLE and isinstance(value, str):
            return await artifacts.fetch(value)
    raise CallFailure(
        BAD_REQUEST, f'files: {name[:100]!r} must be text, {{"base64": "…"}} or {{"artifact": "handle of an earlier job\'s file"}}'
    )
