"""Sealed texts: who can open them, until when, and across which replicas."""

import base64
from pathlib import Path

import pytest

from mcp_optimizer.keys import LOOK_SECONDS, Keys, KeyUnreadable
from mcp_optimizer.seal import Expired, NotOurs, Sealer

PAYLOAD = b"\x0a\x00\x00\x07\x1f\x90" + b"12345678"


class Clock:
    """Time that passes when told to."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(b"k" * 32)
    return path


def test_any_replica_opens_what_another_one_sealed(key_file: Path) -> None:
    text = Sealer(Keys(key_file)).seal("handle", PAYLOAD, 60)
    assert Sealer(Keys(key_file)).unseal("handle", text) == PAYLOAD


def test_a_process_without_the_file_opens_its_own_texts_and_nobody_elses() -> None:
    mine, theirs = Sealer(Keys(None)), Sealer(Keys(None))
    assert mine.unseal("handle", mine.seal("handle", PAYLOAD, 60)) == PAYLOAD
    with pytest.raises(NotOurs):
        mine.unseal("handle", theirs.seal("handle", PAYLOAD, 60))


def test_a_text_opens_for_its_own_purpose_only(key_file: Path) -> None:
    sealer = Sealer(Keys(key_file))
    with pytest.raises(NotOurs):
        sealer.unseal("cursor", sealer.seal("handle", PAYLOAD, 60))


def test_a_text_opens_until_its_time_is_over(key_file: Path) -> None:
    clock = Clock()
    sealer = Sealer(Keys(key_file), clock=clock)
    text = sealer.seal("handle", PAYLOAD, 60)
    clock.now += 59
    assert sealer.unseal("handle", text) == PAYLOAD
    clock.now += 2
    with pytest.raises(Expired):
        sealer.unseal("handle", text)


def test_every_changed_bit_is_noticed(key_file: Path) -> None:
    sealer = Sealer(Keys(key_file))
    raw = bytearray(base64.urlsafe_b64decode(sealer.seal("handle", PAYLOAD, 60) + "=="))
    for index in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[index // 8] ^= 1 << index % 8
        with pytest.raises(NotOurs):
            sealer.unseal("handle", base64.urlsafe_b64encode(bytes(changed)).decode().rstrip("="))


@pytest.mark.parametrize("text", ["", "a", "abc", "====", "é" * 40, "not ours", "A" * 27, "A" * 100_000, "after:x.y"])
def test_garbage_is_not_ours(key_file: Path, text: str) -> None:
    with pytest.raises(NotOurs):
        Sealer(Keys(key_file)).unseal("handle", text)


def test_a_handle_costs_a_model_few_characters(key_file: Path) -> None:
    text = Sealer(Keys(key_file)).seal("handle", PAYLOAD, 60)
    assert len(text) <= 46
    assert text.replace("-", "").replace("_", "").isalnum()


def test_texts_of_the_key_before_stay_readable_and_new_ones_use_the_new_key(key_file: Path) -> None:
    clock = Clock()
    old, sealer = Sealer(Keys(key_file)), Sealer(Keys(key_file, clock=clock))
    before = old.seal("handle", PAYLOAD, 60)
    assert sealer.unseal("handle", before) == PAYLOAD
    key_file.write_bytes(b"n" * 32)
    clock.now += LOOK_SECONDS
    after = sealer.seal("handle", PAYLOAD, 60)
    assert sealer.unseal("handle", before) == PAYLOAD
    assert Sealer(Keys(key_file)).unseal("handle", after) == PAYLOAD
    with pytest.raises(NotOurs):
        old.unseal("handle", after)


def test_a_key_that_becomes_unreadable_stays_in_use(key_file: Path) -> None:
    clock = Clock()
    keys = Keys(key_file, clock=clock)
    derived = keys.derive("peer")
    key_file.unlink()
    clock.now += LOOK_SECONDS
    assert keys.derive("peer") == derived


@pytest.mark.parametrize("content", [None, b""])
def test_a_key_that_never_could_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(KeyUnreadable, match="key"):
        Keys(path).derive("peer")


def test_labels_give_keys_that_have_nothing_in_common(key_file: Path) -> None:
    keys = Keys(key_file)
    assert len({keys.derive(label) for label in ("peer", "seal/handle", "seal/cursor")}) == 3
    assert all(len(keys.derive(label)) == 32 for label in ("peer", "seal/handle"))
