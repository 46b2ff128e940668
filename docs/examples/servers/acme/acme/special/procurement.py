"""Purchases from request to delivery."""

import datetime

from acme.records import TODAY, Records, Refused, Row


def order(row: Row) -> Row:
    """A stored order with its total."""
    return {**row, "total_cents": row["quantity"] * row["unit_cents"]}


def request(records: Records, arguments: Row) -> Row:
    """Ask for a purchase from an approved supplier."""
    supplier = records["suppliers"].get(arguments["supplier_id"])
    if not supplier["approved"]:
        raise Refused(f"supplier_id: {supplier['name']} is not an approved supplier; see procurement_list_suppliers")
    return {"order": order(records["orders"].add({**arguments, "status": "requested", "ordered_on": None, "expected_on": None}))}


def place(records: Records, arguments: Row) -> Row:
    """Send an approved order."""
    row = records["orders"].get(arguments["order_id"])
    if row["status"] != "approved":
        raise Refused(f"order {row['order_id']} is {row['status']}; only approved orders can be placed")
    expected = TODAY + datetime.timedelta(days=records["suppliers"].get(row["supplier_id"])["lead_days"])
    row.update(status="ordered", ordered_on=TODAY.isoformat(), expected_on=expected.isoformat())
    return {"order": order(row)}


def late(records: Records, arguments: Row) -> Row:
    """Ordered, expected, not here."""
    found = []
    for row in records["orders"].rows.values():
        if (
            row["status"] == "ordered"
            and row["expected_on"] < TODAY.isoformat()
            and arguments.get("supplier_id") in (None, row["supplier_id"])
        ):
            found.append({**order(row), "days_late": (TODAY - datetime.date.fromisoformat(row["expected_on"])).days})
    return {"orders": found, "total": len(found)}


FUNCTIONS = (request, place, late)
