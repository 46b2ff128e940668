"""Every tool answers from its data and arguments, and refuses what makes no sense."""

import json
from typing import Any

import pytest
from acme.catalogue import Catalogue, families, load
from acme.records import Refused
from tests.unit.examples.arguments import required

NAMES = sorted(tool.name for tool in load(sorted(families())).definitions)


@pytest.mark.parametrize("name", NAMES)
def test_every_tool_answers_a_plain_request(everything: Catalogue, name: str) -> None:
    if name == "mail_send_draft":
        everything.call("mail_write_draft", {"sender": "a@acme.example", "recipients": ["b@acme.example"], "subject": "s", "body": "b"})
    schema = next(tool.input_schema for tool in everything.definitions if tool.name == name)
    extra = {"labels": ["x"]} if name == "tickets_update_issue" else {}
    updates = {"crm_update_customer": {"city": "Delft"}, "billing_change_subscription": {"seats": 9}, "docs_update_page": {"body": "New."}}
    more = {"hr_update_employee": {"weekly_hours": 30}, "deploy_set_flag": {"enabled": False}}
    result = everything.call(name, {**required(name, schema), **extra, **updates.get(name, {}), **more.get(name, {})})
    assert result
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize("name", NAMES)
def test_every_tool_refuses_an_argument_it_does_not_know(everything: Catalogue, name: str) -> None:
    with pytest.raises(Refused, match="nonsense"):
        everything.call(name, {"nonsense": 1})


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("billing_list_invoices", {"limit": "many"}, "limit: 'many' is not of type 'integer'"),
        ("billing_list_invoices", {"issued_after": "yesterday"}, "issued_after: 'yesterday' is not a 'date'"),
        ("billing_get_invoice", {"invoice_id": "INV-9999"}, "there is no invoice 'INV-9999'; known are for example INV-"),
        ("crm_search_customers", {}, "'query' is a required property"),
        ("crm_create_customer", {"name": "Ox", "email": "nowhere", "segment": "enterprise"}, "email: 'nowhere' is not a 'email'"),
        ("crm_add_contact", {"customer_id": "CUS-9999", "name": "Al", "email": "a@b.example"}, "there is no customer"),
        ("crm_move_deal", {"deal_id": "DEA-1005", "stage": "lost"}, "has stage 'won'"),
        ("billing_record_payment", {"invoice_id": "INV-1009", "amount_cents": 99999999, "method": "card"}, "more than the outstanding"),
        ("billing_void_invoice", {"invoice_id": "INV-1001", "reason": "twice"}, "has status 'paid'"),
        ("warehouse_reserve_stock", {"sku": "SKU-1004", "site": "leipzig", "quantity": 2}, "more than the 1 free pieces"),
        ("warehouse_reserve_stock", {"sku": "SKU-1004", "site": "porto", "quantity": 1}, "only in leipzig"),
        ("hr_request_absence", {"employee_id": "EMP-1002", "kind": "vacation", "first_day": "2026-07-10", "last_day": "2026-07-13"}, "overlaps"),
        ("deploy_deploy_version", {"service": "checkout", "environment": "production", "version": "9.9.9", "author": "X"}, "not live in staging"),
        ("procurement_request_order", {"supplier_id": "SUP-1005", "item": "Box", "quantity": 1, "unit_cents": 1, "requested_by": "Al"}, "approved"),
        ("crm_update_customer", {"customer_id": "CUS-1001"}, "nothing to change"),
        ("no_such_tool", {}, "there is no tool"),
    ],
)  # fmt: skip
def test_bad_requests_are_refused_with_what_to_change(acme: Catalogue, name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        acme.call(name, arguments)


def test_invoices_add_up(acme: Catalogue) -> None:
    invoice = acme.call("billing_get_invoice", {"invoice_id": "INV-1003"})["invoice"]
    assert invoice["net_cents"] == 2400000 + 3 * 145000
    assert invoice["tax_cents"] == round(invoice["net_cents"] * 0.25)
    assert invoice["outstanding_cents"] == invoice["total_cents"] - 1000000


def test_filters_and_pages_narrow_a_list(acme: Catalogue) -> None:
    every = acme.call("billing_list_invoices", {"status": "open"})
    assert {row["status"] for row in every["invoices"]} == {"open"}
    assert every["total"] == len(every["invoices"]) > 3
    page = acme.call("billing_list_invoices", {"status": "open", "limit": 2, "offset": 1})
    assert page == {"invoices": every["invoices"][1:3], "total": every["total"]}


def test_a_paid_up_invoice_becomes_paid_and_leaves_the_aging_report(acme: Catalogue) -> None:
    before = acme.call("billing_aging_report", {"currency": "CHF"})["total_cents"]
    result = acme.call("billing_record_payment", {"invoice_id": "INV-1007", "amount_cents": before, "method": "card"})
    assert result["status"] == "paid"
    assert acme.call("billing_aging_report", {"currency": "CHF"})["total_cents"] == 0


def test_free_slots_collide_with_no_event_of_the_people(acme: Catalogue) -> None:
    people = ["mira@acme.example", "ben@acme.example"]
    slots = acme.call("calendar_find_free_slot", {"attendees": people, "duration_minutes": 45, "from_day": "2026-06-15", "limit": 100})
    assert slots["slots"]
    for slot in slots["slots"]:
        times = {name: slot[name] for name in ("day", "start", "end")}
        assert acme.call("calendar_check_conflicts", {"attendees": people, **times})["conflicts"] == []


def test_a_room_is_not_given_away_twice(acme: Catalogue) -> None:
    booking = {
        "title": "Talk",
        "day": "2026-06-17",
        "start": "11:00",
        "end": "12:30",
        "attendees": ["a@acme.example"],
        "organizer": "a@acme.example",
    }
    with pytest.raises(Refused, match="room: Oak is taken by 'Board meeting'"):
        acme.call("calendar_create_event", {**booking, "room": "Oak"})
    assert acme.call("calendar_create_event", {**booking, "room": "Maple"})["event"]["room"] == "Maple"


def test_what_was_created_can_be_found_and_deleted(acme: Catalogue) -> None:
    made = acme.call("crm_add_contact", {"customer_id": "CUS-1002", "name": "Zelda Quince", "email": "z@bramble.example"})["contact"]
    assert acme.call("crm_find_contacts", {"query": "quince"})["contacts"] == [made]
    acme.call("crm_remove_contact", {"contact_id": made["contact_id"]})
    assert acme.call("crm_find_contacts", {"query": "quince"})["total"] == 0


def test_two_servers_share_no_data() -> None:
    first, second = load(["crm"]), load(["crm"])
    first.call("crm_remove_contact", {"contact_id": "CON-1001"})
    assert second.call("crm_find_contacts", {"query": "pieter"})["total"] == 1


def test_moving_stock_keeps_the_sum(acme: Catalogue) -> None:
    before = acme.call("warehouse_stock_level", {"sku": "SKU-1001"})
    acme.call("warehouse_transfer_stock", {"sku": "SKU-1001", "from_site": "rotterdam", "to_site": "porto", "quantity": 10})
    after = acme.call("warehouse_stock_level", {"sku": "SKU-1001"})
    assert after["free"] == before["free"]
    assert after["sites"]["porto"]["quantity"] == 10


def test_conversion_there_and_back_loses_only_rounding(everything: Catalogue) -> None:
    there = everything.call("currency_convert", {"amount": 1000, "source": "EUR", "target": "SEK"})
    back = everything.call("currency_convert", {"amount": there["amount"], "source": "SEK", "target": "EUR"})
    assert there["amount"] == 11214.0
    assert back["amount"] == pytest.approx(1000, abs=0.01)


def test_the_weather_is_the_same_for_everybody(everything: Catalogue) -> None:
    first = everything.call("weather_forecast", {"city": "porto", "day": "2026-07-01", "days": 3})
    assert first == everything.call("weather_forecast", {"city": "Porto", "day": "2026-07-01", "days": 3})
    assert len({json.dumps(day) for day in first["days"]}) == 3
