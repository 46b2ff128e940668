"""What one replica keeps: bounded, for a while, and read in parts."""

import pytest

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.keys import Keys
from mcp_optimizer.seal import Sealer
from mcp_optimizer.state.address import Address
from mcp_optimizer.state.handles import KEEP_SECONDS, MAX_BYTES, Handles
from mcp_optimizer.state.peers import Answer, Peers, Question
from mcp_optimizer.state.signature import FRESH_SECONDS, BadSignature, Signatures
from mcp_optimizer.state.store import Store


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def handles(clock: Clock | None = None) -> Handles:
    keys = Keys(None)
    return Handles(Sealer(keys, clock=clock or Clock()), Peers(Signatures(keys)))


def test_what_was_used_longest_ago_makes_room_by_number_and_by_size() -> None:
    store: Store[str] = Store(max_entries=3, max_bytes=10)
    names = [store.put(text, 3, 60) for text in "abc"]
    assert None not in names
    first, second, third = (name or b"" for name in names)
    assert store.get(first) == "a"
    store.put("d", 3, 60)
    assert (store.get(first), store.get(second), store.get(third)) == ("a", None, "c")
    store.put("large", 9, 60)
    assert (len(store), store.size, store.evicted) == (1, 9, 4)


def test_a_value_larger_than_the_store_evicts_nobody() -> None:
    store: Store[str] = Store(max_entries=3, max_bytes=10)
    kept = store.put("a", 3, 60)
    assert store.put("huge", 11, 60) is None
    assert store.get(kept or b"") == "a"


def test_a_value_is_gone_when_its_time_is_over() -> None:
    clock = Clock()
    store: Store[str] = Store(max_entries=3, max_bytes=10, clock=clock)
    name = store.put("a", 3, 60) or b""
    clock.now += 61
    assert store.get(name) is None
    assert store.size == 0


@pytest.mark.parametrize("address", [Address("10.1.2.3", 8081), Address("fd00::7", 65535), Address("127.0.0.1", 1)])
def test_an_address_fits_into_a_handle(address: Address) -> None:
    assert Address.unpack(address.pack()) == address
    assert address.netloc.endswith(f":{address.port}")


async def test_the_parts_of_a_text_put_together_are_the_text() -> None:
    kept = handles()
    text = "zwölf Boxkämpfer jagen 🐙 über 東京 " * 50
    handle = kept.put(text.encode()) or ""
    for limit in (1, 2, 3, 7, 64, 10_000):
        parts, offset = [], 0
        while True:
            chunk = await kept.read(handle, offset, limit)
            parts.append(chunk.text)
            assert len(chunk.text.encode()) <= max(limit, 4)
            if chunk.next is None:
                break
            assert chunk.next > offset
            offset = chunk.next
        assert "".join(parts) == text
        assert chunk.total == len(text.encode())


@pytest.mark.parametrize(
    ("offset", "limit", "said"), [(-1, 5, "offset is -1"), (4, 5, "offset is 4: the result has 3 bytes"), (0, 0, "limit is 0")]
)
async def test_a_part_that_cannot_be_is_refused_with_its_reason(offset: int, limit: int, said: str) -> None:
    kept = handles()
    with pytest.raises(CallFailure, match=said) as refused:
        await kept.read(kept.put(b"abc") or "", offset, limit)
    assert refused.value.code == 400


async def test_the_end_of_a_text_is_an_empty_part() -> None:
    kept = handles()
    chunk = await kept.read(kept.put(b"abc") or "", 3, 10)
    assert (chunk.text, chunk.next, chunk.total) == ("", None, 3)


async def test_an_expired_a_foreign_and_a_forgotten_handle_are_told_apart() -> None:
    clock = Clock()
    kept = handles(clock)
    handle = kept.put(b"abc") or ""
    with pytest.raises(CallFailure, match="no handle of this endpoint") as foreign:
        await handles().read(handle, 0, 10)
    assert foreign.value.code == 400
    with pytest.raises(CallFailure, match="no handle of this endpoint"):
        await kept.read(handle[:-2], 0, 10)
    for _ in range(2):
        kept.put(b"x" * (MAX_BYTES - 1))
    with pytest.raises(CallFailure, match="no longer kept") as forgotten:
        await kept.read(handle, 0, 10)
    assert forgotten.value.code == 404
    clock.now += KEEP_SECONDS + 1
    with pytest.raises(CallFailure, match="expired"):
        await kept.read(handle, 0, 10)


def test_a_result_larger_than_all_that_is_kept_gets_no_handle() -> None:
    assert handles().put(b"x" * (MAX_BYTES + 1)) is None


def test_a_signature_holds_for_one_replica_one_operation_one_body_and_one_minute() -> None:
    clock = Clock()
    keys = Keys(None)
    ours = Signatures(keys, clock=clock)
    header = ours.request("10.0.0.1:8081", "read", b"{}")
    ours.check_request(header, "10.0.0.1:8081", "read", b"{}")
    for target, operation, body in (
        ("10.0.0.2:8081", "read", b"{}"),
        ("10.0.0.1:8081", "cancel", b"{}"),
        ("10.0.0.1:8081", "read", b"{ }"),
    ):
        with pytest.raises(BadSignature):
            ours.check_request(header, target, operation, body)
    with pytest.raises(BadSignature):
        Signatures(Keys(None), clock=clock).check_request(header, "10.0.0.1:8081", "read", b"{}")
    clock.now += FRESH_SECONDS + 1
    with pytest.raises(BadSignature, match="clocks"):
        ours.check_request(header, "10.0.0.1:8081", "read", b"{}")


@pytest.mark.parametrize("header", ["", ".", "1.", "x.y", "\xff.\xff"])
def test_a_header_of_a_stranger_is_no_signature(header: str) -> None:
    with pytest.raises(BadSignature):
        Signatures(Keys(None)).check_request(header, "10.0.0.1:8081", "read", b"{}")


async def test_replicas_tell_each_other_integers_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    signatures = Signatures(Keys(None))
    owner, other = Peers(signatures), Peers(signatures)
    other.address = Address("127.0.0.2", 1)
    asked: list[bytes] = []

    async def echo(question: Question) -> Answer:
        return {"number": 2**70}, b""

    async def post(to: Address, name: str, body: bytes) -> Answer:
        asked.append(body)
        status, _, answered = await owner.answer(name, signatures.request(to.netloc, name, body), body)
        assert status == 200
        return {"answered": answered}, b""

    owner.offer("echo", echo)
    monkeypatch.setattr(other, "_post", post)
    fields, _ = await other.ask(owner.address, "echo", {"number": 2**70})
    assert (asked, fields["answered"]) == ([b'{"number":%d}' % 2**70], b'{"number":%d}\n' % 2**70)
