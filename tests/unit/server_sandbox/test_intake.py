"""What a Pod that was taken over by its job says about files."""

import base64
from typing import Any

import pytest

from mcp_optimizer.memory import Holding
from mcp_optimizer.ration import Ration
from mcp_optimizer.sandbox.files import MAX_LEFT_OUT, Intake
from mcp_optimizer.sandbox.wire import ProtocolError
from mcp_optimizer_api.job import Artifact, ArtifactLimits, LeftOut

LIMITS = ArtifactLimits(max_count=2, max_bytes=10)


def piece(name: str, data: bytes, size: int | None = None) -> Artifact:
    """One frame."""
    return Artifact(name=name, size=len(data) if size is None else size, data=base64.b64encode(data).decode())


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([piece("../up", b"x")], id="a name that leads up"),
        pytest.param([piece("a\x1b[2J", b"x")], id="a name that acts in a terminal"),
        pytest.param([piece("a", b"x" * 11)], id="a file over the limit"),
        pytest.param([piece("a", b"x" * 9), piece("b", b"xx")], id="files over the limit together"),
        pytest.param([piece("a", b""), piece("b", b""), piece("c", b"")], id="a file too many"),
        pytest.param([piece("a", b"x", 2), piece("a", b"xx", 2)], id="more bytes than announced"),
        pytest.param([piece("a", b"x", 2), piece("b", b"x"), piece("a", b"x", 2)], id="two files at once"),
        pytest.param([piece("a", b"x", 2), piece("a", b"x", 3)], id="a size that changes"),
        pytest.param([piece("a", b"x", 2), piece("a", b"", 2)], id="nothing, again and again"),
        pytest.param([piece("a", b"", -1)], id="a negative size"),
        pytest.param([Artifact(name="a", size=1, data="?")], id="no base64"),
    ],
)
def test_files_that_no_agent_sends_end_the_job(pieces: list[Artifact]) -> None:
    intake = Intake(LIMITS, None)
    with pytest.raises(ProtocolError, match="artifact"):
        for each in pieces:
            intake.take(each)


def test_a_job_of_which_nothing_is_taken_sends_nothing() -> None:
    with pytest.raises(ProtocolError):
        Intake(None, None).take(piece("a", b""))


def test_a_file_that_finds_no_memory_is_left_out_and_makes_room_for_the_next() -> None:
    ration = Ration(4)
    holding = Holding(ration)
    intake = Intake(LIMITS, holding)
    for each in (piece("a", b"xxx", 8), piece("a", b"xxxxx", 8), piece("b", b"yy")):
        intake.take(each)
    assert [(item.name, item.data) for item in intake.whole()] == [("b", b"yy")]
    assert [item.name for item in intake.left_out([])] == ["a"]
    assert ration.taken == 2
    holding.release()
    assert ration.taken == 0


def test_what_a_pod_tells_of_files_is_bounded_and_acts_nowhere() -> None:
    told: list[Any] = [LeftOut(name="\x1b[2J" + "x" * 10_000, reason="a\nb")] * 1000
    found = Intake(LIMITS, None).left_out(told)
    assert len(found) == MAX_LEFT_OUT
    assert (found[0].name[:5], len(found[0].name), found[0].reason) == ("?[2Jx", 300, "a?b")
