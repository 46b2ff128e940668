"""Our own writes count before the cache shows them."""

from mcp_operator.expectations import Expectations


def test_a_creation_stands_until_the_cache_shows_the_pod() -> None:
    expected = Expectations()
    expected.creating("a", now=0)
    expected.observe(names=["other"], staying=[])
    assert expected.creations == {"a"}
    expected.observe(names=["a"], staying=[])
    assert not expected.creations


def test_a_deletion_stands_until_the_cache_shows_it_going_or_gone() -> None:
    expected = Expectations()
    expected.deleting("u1", now=0)
    expected.observe(names=["a"], staying=["u1"])
    assert expected.deletions == {"u1"}
    expected.observe(names=["a"], staying=[])
    assert not expected.deletions


def test_a_refusal_ends_the_expectation() -> None:
    expected = Expectations()
    expected.creating("a", now=0)
    expected.deleting("u1", now=0)
    expected.not_created("a")
    expected.not_deleted("u1")
    assert not expected.creations and not expected.deletions


def test_an_expectation_that_is_not_met_in_time_makes_the_cache_suspect() -> None:
    expected = Expectations(timeout=30)
    expected.creating("a", now=100)
    assert not expected.overdue(129)
    assert expected.overdue(130)
    expected.reset()
    assert not expected.overdue(1000)
