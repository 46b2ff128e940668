"""Expense reports and the rules they have to follow."""

from acme.records import TODAY, Records, Refused, Row

MEAL_LIMIT_CENTS = 5000
DAY_CENTS, HOTEL_CENTS, KILOMETRE_CENTS = 2800, 14000, 23


def items_of(records: Records, report_id: str) -> list[Row]:
    """Items of one report."""
    return [row for row in records["items"].rows.values() if row["report_id"] == report_id]


def problem(item: Row) -> str | None:
    """Which rule an item breaks."""
    if not item["receipt"]:
        return f"{item['item_id']}: the receipt is missing"
    if item["category"] == "meals" and item["amount_cents"] > MEAL_LIMIT_CENTS:
        return f"{item['item_id']}: meals above {MEAL_LIMIT_CENTS} cents need an explanation"
    return None


def report(records: Records, arguments: Row) -> Row:
    """A report with items, total and problems."""
    items = items_of(records, arguments["report_id"])
    problems = [text for text in map(problem, items) if text]
    total = sum(item["amount_cents"] for item in items)
    return {"report": records["reports"].get(arguments["report_id"]), "items": items, "total_cents": total, "problems": problems}


def add_item(records: Records, arguments: Row) -> Row:
    """One more item of a draft."""
    row = records["reports"].get(arguments["report_id"])
    if row["status"] != "draft":
        raise Refused(f"report {row['report_id']} is {row['status']}; items can only be added to a draft")
    if arguments["spent_on"] > TODAY.isoformat():
        raise Refused(f"spent_on: {arguments['spent_on']} is in the future; today is {TODAY}")
    item = records["items"].add({"receipt": False, **arguments})
    return {"item": item, "total_cents": sum(row["amount_cents"] for row in items_of(records, row["report_id"]))}


def submit(records: Records, arguments: Row) -> Row:
    """Hand a draft in."""
    row = records["reports"].get(arguments["report_id"])
    if row["status"] != "draft" or not items_of(records, row["report_id"]):
        raise Refused(
            f"report {row['report_id']} is {row['status']} with {len(items_of(records, row['report_id']))} items; a draft with items is needed"
        )
    row.update(status="submitted", submitted_on=TODAY.isoformat())
    return report(records, arguments)


def allowance(records: Records, arguments: Row) -> Row:
    """What a journey may cost."""
    parts = {
        "daily_cents": arguments["days"] * DAY_CENTS,
        "hotel_cents": arguments.get("nights", 0) * HOTEL_CENTS,
        "car_cents": round(arguments.get("kilometres", 0) * KILOMETRE_CENTS),
    }
    return {**parts, "total_cents": sum(parts.values())}


FUNCTIONS = (report, add_item, submit, allowance)
