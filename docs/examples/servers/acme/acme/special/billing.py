"""Money: totals of invoices, payments, what is owed since when, changes in the middle of a period. All amounts are cents."""

import datetime

from acme.records import TODAY, Records, Refused, Row

OWED = ("open", "overdue")
AGES = ((0, "not_due"), (30, "days_1_30"), (60, "days_31_60"), (90, "days_61_90"))


def invoice(row: Row) -> Row:
    """A stored invoice with its lines spelled out and its sums."""
    lines = [
        {"item": item, "quantity": quantity, "unit_cents": unit, "net_cents": quantity * unit} for item, quantity, unit in row["lines"]
    ]
    net = sum(line["net_cents"] for line in lines)
    tax = round(net * row["tax_percent"] / 100)
    outstanding = net + tax - row["paid_cents"] if row["status"] in OWED else 0
    return {**row, "lines": lines, "net_cents": net, "tax_cents": tax, "total_cents": net + tax, "outstanding_cents": outstanding}


def create_invoice(records: Records, arguments: Row) -> Row:
    """A draft with one line, due in thirty days unless said otherwise."""
    due = arguments.get("due_on", (TODAY + datetime.timedelta(days=30)).isoformat())
    if due < TODAY.isoformat():
        raise Refused(f"due_on: {due} is in the past; today is {TODAY}")
    row = records["invoices"].add(
        {
            "customer_id": arguments["customer_id"],
            "status": "draft",
            "currency": arguments.get("currency", "EUR"),
            "issued_on": TODAY.isoformat(),
            "due_on": due,
            "tax_percent": arguments.get("tax_percent", 21),
            "paid_cents": 0,
            "lines": [[arguments["item"], arguments["quantity"], arguments["unit_cents"]]],
        }
    )
    return {"invoice": invoice(row)}


def add_line(records: Records, arguments: Row) -> Row:
    """One more line on a draft."""
    row = records["invoices"].get(arguments["invoice_id"])
    if row["status"] != "draft":
        raise Refused(f"invoice {row['invoice_id']} is {row['status']}; lines can only be added to a draft")
    row["lines"].append([arguments["item"], arguments["quantity"], arguments["unit_cents"]])
    return {"invoice": invoice(row)}


def record_payment(records: Records, arguments: Row) -> Row:
    """Money for an invoice that is owed."""
    row = records["invoices"].get(arguments["invoice_id"])
    outstanding = invoice(row)["outstanding_cents"]
    if row["status"] not in OWED:
        raise Refused(f"invoice {row['invoice_id']} is {row['status']}; only open and overdue invoices can be paid")
    if arguments["amount_cents"] > outstanding:
        raise Refused(f"amount_cents: {arguments['amount_cents']} is more than the outstanding {outstanding}")
    payment = records["payments"].add({"received_on": TODAY.isoformat(), **arguments})
    row["paid_cents"] += arguments["amount_cents"]
    if row["paid_cents"] == invoice(row)["total_cents"]:
        row["status"] = "paid"
    return {"payment": payment, "status": row["status"], "outstanding_cents": invoice(row)["outstanding_cents"]}


def aging(records: Records, arguments: Row) -> Row:
    """What is owed, by days past due."""
    groups = dict.fromkeys([name for _, name in AGES] + ["days_over_90"], 0)
    for row in records["invoices"].rows.values():
        if row["currency"] != arguments["currency"] or row["status"] not in OWED:
            continue
        if arguments.get("customer_id") in (None, row["customer_id"]):
            days = (TODAY - datetime.date.fromisoformat(row["due_on"])).days
            name = next((name for limit, name in AGES if days <= limit), "days_over_90")
            groups[name] += invoice(row)["outstanding_cents"]
    return {"currency": arguments["currency"], "outstanding_cents": groups, "total_cents": sum(groups.values())}


def balance(records: Records, arguments: Row) -> Row:
    """Owed and paid by one customer."""
    currencies: dict[str, Row] = {}
    for row in records["invoices"].rows.values():
        if row["customer_id"] == arguments["customer_id"]:
            sums = currencies.setdefault(row["currency"], {"outstanding_cents": 0, "paid_cents": 0, "overdue_invoices": 0})
            sums["outstanding_cents"] += invoice(row)["outstanding_cents"]
            sums["paid_cents"] += row["paid_cents"]
            sums["overdue_invoices"] += row["status"] == "overdue"
    return {"customer_id": arguments["customer_id"], "balances": currencies}


def proration(records: Records, arguments: Row) -> Row:
    """Price of more or fewer seats until the renewal, thirty days to a month."""
    row = records["subscriptions"].get(arguments["subscription_id"])
    left = (datetime.date.fromisoformat(row["renews_on"]) - datetime.date.fromisoformat(arguments["change_on"])).days
    if left <= 0:
        raise Refused(f"change_on: {arguments['change_on']} is not before the renewal on {row['renews_on']}")
    per_seat = row["monthly_cents"] / row["seats"]
    change = arguments["seats"] - row["seats"]
    amount = round(per_seat * change * left / 30)
    return {
        "subscription_id": row["subscription_id"],
        "seat_change": change,
        "days_left": left,
        "amount_cents": amount,
        "kind": "charge" if amount >= 0 else "credit",
    }


FUNCTIONS = (create_invoice, add_line, record_payment, aging, balance, proration)
