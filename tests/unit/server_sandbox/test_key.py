"""The pool key follows its file."""

from pathlib import Path

import pytest

from mcp_optimizer.sandbox.key import KeyMissing, PoolKey
from mcp_optimizer_api.job import pod_token, token_digest


def test_a_token_is_the_one_the_operator_wrote_the_digest_of(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"secret")
    key = PoolKey(tmp_path / "key")
    assert key.token("pod-1") == pod_token(b"secret", "pod-1")
    assert key.fits("pod-1", token_digest(pod_token(b"secret", "pod-1")))
    assert not key.fits("pod-2", token_digest(pod_token(b"secret", "pod-1")))


def test_a_replaced_key_is_used_from_the_next_claim_on(tmp_path: Path) -> None:
    (tmp_path / "..1").mkdir()
    (tmp_path / "..2").mkdir()
    (tmp_path / "..1" / "key").write_bytes(b"old")
    (tmp_path / "..2" / "key").write_bytes(b"new")
    (tmp_path / "key").symlink_to("..1/key")
    key = PoolKey(tmp_path / "key")
    assert key.token("p") == pod_token(b"old", "p")
    (tmp_path / "next").symlink_to("..2/key")
    (tmp_path / "next").rename(tmp_path / "key")
    assert key.token("p") == pod_token(b"new", "p")


@pytest.mark.parametrize("content", [None, b""])
def test_a_missing_or_empty_key_names_its_file(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(KeyMissing, match="key"):
        PoolKey(tmp_path / "key").token("p")
    assert not PoolKey(tmp_path / "key").fits("p", "")
