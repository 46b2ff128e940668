"""The suite's own bookkeeping: what was not tried does not count, and neither does half of a row."""

from tests.attack.rows import all_rows
from tests.attack.score import ROWS, Score


def test_a_row_that_was_not_tried_is_missing_and_says_so() -> None:
    score = Score(("runc", "gvisor"))
    score.attack(1, "runc", None)
    assert score.line() == "attack runc=1/22 gvisor=0/22 controls_proven=0"
    assert "row 1 gvisor: not tried" in score.missing()
    assert not score.complete(("runc",))


def test_one_attack_with_an_effect_loses_the_row() -> None:
    score = Score(("runc",))
    for reason in (None, "a token was found", None):
        score.attack(8, "runc", reason)
    assert score.held("runc") == 0
    assert "row 8 runc: a token was found" in score.missing()


def test_a_control_without_a_proof_is_not_proven() -> None:
    score = Score(("runc",))
    for number in range(1, ROWS + 1):
        score.attack(number, "runc", None)
    score.control("RLIMIT_NPROC", None)
    assert score.complete(("runc",))
    score.control("census", "without it the attack still has no effect")
    assert (score.proven(), score.complete(("runc",))) == (1, False)
    assert score.line() == "attack runc=22/22 controls_proven=1"


def test_rows_have_numbers_of_their_own_and_attacks() -> None:
    rows = all_rows()
    assert len({row.number for row in rows}) == len(rows)
    assert all(row.attacks and 1 <= row.number <= ROWS for row in rows)


def test_every_control_says_what_is_taken_away() -> None:
    assert [control.name for row in all_rows() for control in row.controls if (control.off is None) == (control.prove is None)] == []
