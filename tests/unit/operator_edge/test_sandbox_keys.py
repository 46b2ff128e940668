"""A pool's key is decided once and survives races, stale reads, restarts and edits."""

import base64
from collections.abc import Iterator

from mcp_operator.desired.sandbox_keys import KeyHolder, KeyMemory, sandbox_keys, stored_keys

RED, BLUE = KeyHolder("red", "u-red"), KeyHolder("blue", "u-blue")


def memory() -> KeyMemory:
    def counting() -> Iterator[bytes]:
        for number in range(1, 256):
            yield bytes([number]) * 32

    return KeyMemory(fresh=counting().__next__)


def test_two_optimizers_that_see_no_secret_yet_still_agree_on_both_keys() -> None:
    ring = memory()
    first = ring.keys("apps", [RED], None)
    both = ring.keys("apps", [RED, BLUE], None)
    assert both[RED] == first[RED]
    assert both[RED] != both[BLUE]
    assert ring.keys("apps", [BLUE, RED], sandbox_keys("apps", first)) == both


def test_a_restarted_operator_takes_the_keys_from_the_secret() -> None:
    keys = memory().keys("apps", [RED, BLUE], None)
    fresh = KeyMemory(fresh=lambda: bytes(32))
    assert fresh.keys("apps", [RED, BLUE], sandbox_keys("apps", keys)) == keys


def test_the_manifest_is_the_same_whatever_the_order() -> None:
    keys = {RED: b"r" * 32, BLUE: b"b" * 32}
    assert sandbox_keys("apps", keys) == sandbox_keys("apps", dict(reversed(keys.items())))


def test_all_optimizers_own_the_secret_and_none_controls_it() -> None:
    owners = sandbox_keys("apps", {RED: b"r" * 32, BLUE: b"b" * 32})["metadata"]["ownerReferences"]
    assert [(owner["name"], owner["uid"]) for owner in owners] == [("blue", "u-blue"), ("red", "u-red")]
    assert not any(owner["controller"] or owner["blockOwnerDeletion"] for owner in owners)


def test_the_entry_of_an_optimizer_that_is_gone_is_dropped_and_forgotten() -> None:
    ring = memory()
    before = ring.keys("apps", [RED, BLUE], None)
    left = ring.keys("apps", [BLUE], sandbox_keys("apps", before))
    assert left == {BLUE: before[BLUE]}
    assert list(sandbox_keys("apps", left)["data"]) == ["blue"]
    assert ring.keys("apps", [RED, BLUE], None)[RED] != before[RED]


def test_a_name_used_again_by_a_new_optimizer_gets_a_new_key() -> None:
    ring = memory()
    old = ring.keys("apps", [RED], None)
    successor = KeyHolder("red", "u-red-2")
    assert ring.keys("apps", [successor], sandbox_keys("apps", old))[successor] != old[RED]


def test_an_edited_or_malformed_entry_does_not_change_a_key_in_use() -> None:
    ring = memory()
    keys = ring.keys("apps", [RED], None)
    edited = sandbox_keys("apps", keys)
    edited["data"]["red"] = base64.b64encode(b"x" * 32).decode()
    assert ring.keys("apps", [RED], edited) == keys
    edited["data"]["red"] = "no base64!"
    assert stored_keys(edited) == {}


def test_the_same_optimizer_name_in_two_namespaces_has_two_keys() -> None:
    ring = memory()
    assert ring.keys("apps", [RED], None)[RED] != ring.keys("other", [RED], None)[RED]


def test_default_keys_are_random_and_32_bytes_long() -> None:
    first, second = (KeyMemory().keys("apps", [RED], None)[RED] for _ in range(2))
    assert len(first) == len(second) == 32
    assert first != second
