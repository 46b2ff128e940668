"""The catalogue looks like a real one: many tools, well described, of the usual size."""

import json
import re

import pytest
from acme.catalogue import Catalogue, load
from jsonschema import Draft202012Validator


def test_there_are_at_least_150_tools_in_at_least_ten_families(acme: Catalogue) -> None:
    names = [tool.name for tool in acme.definitions]
    assert len(names) == len(set(names)) >= 150
    assert len({name.split("_")[0] for name in names}) >= 10


def test_definitions_are_as_large_as_those_of_real_catalogues(acme: Catalogue) -> None:
    sizes = [len(json.dumps(tool.model_dump(by_alias=True, exclude_none=True), separators=(",", ":"))) for tool in acme.definitions]
    assert 550 <= sum(sizes) / len(sizes) <= 800


def test_every_tool_and_every_parameter_is_described(everything: Catalogue) -> None:
    for tool in everything.definitions:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", tool.name)
        assert 30 <= len(tool.description or "") <= 400, tool.name
        Draft202012Validator.check_schema(tool.input_schema)
        for name, parameter in tool.input_schema["properties"].items():
            assert parameter["type"], (tool.name, name)
            assert 10 <= len(parameter["description"]) <= 200, (tool.name, name)
            assert not {"column", "test"} & parameter.keys()


def test_no_two_tools_share_a_description(everything: Catalogue) -> None:
    descriptions = [tool.description for tool in everything.definitions]
    assert len(descriptions) == len(set(descriptions))


def test_the_tools_of_the_demonstration_are_there(acme: Catalogue) -> None:
    names = {tool.name for tool in acme.definitions}
    assert {
        "crm_search_customers",
        "billing_list_invoices",
        "billing_get_invoice",
        "tickets_search_issues",
        "calendar_find_free_slot",
    } <= names


def test_a_choice_of_families_is_a_smaller_catalogue() -> None:
    names = {tool.name.split("_")[0] for tool in load(["weather", "currency"]).definitions}
    assert names == {"weather", "currency"}


def test_public_families_are_not_part_of_the_company(acme: Catalogue) -> None:
    assert not any(tool.name.startswith(("weather_", "currency_")) for tool in acme.definitions)


def test_an_unknown_family_is_refused_with_those_there_are() -> None:
    with pytest.raises(SystemExit, match="unknown families astrology: choose from billing"):
        load(["crm", "astrology"])


def test_readers_are_marked_as_read_only_and_deletions_as_destructive(acme: Catalogue) -> None:
    hints = {tool.name: tool.annotations for tool in acme.definitions}
    assert hints["crm_search_customers"] and hints["crm_search_customers"].read_only_hint
    assert hints["crm_remove_contact"] and hints["crm_remove_contact"].destructive_hint
    assert hints["billing_record_payment"] and not hints["billing_record_payment"].read_only_hint
