"""Stock: what is there, what is free, what to order."""

import datetime

from acme.records import TODAY, Records, Refused, Row

TRANSIT_DAYS = {"Kestrel": 3, "Velo Cargo": 7}


def entry(records: Records, sku: str, site: str) -> Row:
    """The stock of a product at a site."""
    for row in records["stock"].rows.values():
        if row["sku"] == sku and row["site"] == site:
            return row
    sites = sorted(row["site"] for row in records["stock"].rows.values() if row["sku"] == sku)
    raise Refused(f"site: {sku} is not kept in {site}, only in {', '.join(sites) or 'no site'}")


def free(row: Row) -> int:
    """Pieces that nobody reserved."""
    return int(row["quantity"] - row["reserved"])


def free_everywhere(records: Records, sku: str) -> int:
    """Free pieces over all sites."""
    return sum(free(row) for row in records["stock"].rows.values() if row["sku"] == sku)


def level(records: Records, arguments: Row) -> Row:
    """Stock by site."""
    product = records["products"].get(arguments["sku"])
    rows = [row for row in records["stock"].rows.values() if row["sku"] == product["sku"] and arguments.get("site") in (None, row["site"])]
    sites = {row["site"]: {"quantity": row["quantity"], "reserved": row["reserved"], "free": free(row)} for row in rows}
    return {
        "sku": product["sku"],
        "sites": sites,
        "free": sum(map(free, rows)),
        "below_reorder_point": free_everywhere(records, product["sku"]) < product["reorder_point"],
    }


def reserve(records: Records, arguments: Row) -> Row:
    """Set pieces aside."""
    row = entry(records, arguments["sku"], arguments["site"])
    if arguments["quantity"] > free(row):
        raise Refused(f"quantity: {arguments['quantity']} is more than the {free(row)} free pieces in {row['site']}")
    row["reserved"] += arguments["quantity"]
    return {"stock_level": row, "free": free(row)}


def release(records: Records, arguments: Row) -> Row:
    """Give reserved pieces back."""
    row = entry(records, arguments["sku"], arguments["site"])
    if arguments["quantity"] > row["reserved"]:
        raise Refused(f"quantity: {arguments['quantity']} is more than the {row['reserved']} reserved pieces in {row['site']}")
    row["reserved"] -= arguments["quantity"]
    return {"stock_level": row, "free": free(row)}


def transfer(records: Records, arguments: Row) -> Row:
    """Move free pieces to another site."""
    if arguments["from_site"] == arguments["to_site"]:
        raise Refused("to_site: must be another site than from_site")
    source = entry(records, arguments["sku"], arguments["from_site"])
    if arguments["quantity"] > free(source):
        raise Refused(f"quantity: {arguments['quantity']} is more than the {free(source)} free pieces in {source['site']}")
    try:
        target = entry(records, arguments["sku"], arguments["to_site"])
    except Refused:
        target = records["stock"].add({"sku": arguments["sku"], "site": arguments["to_site"], "quantity": 0, "reserved": 0, "bin": None})
    source["quantity"] -= arguments["quantity"]
    target["quantity"] += arguments["quantity"]
    return {"from": source, "to": target}


def count(records: Records, arguments: Row) -> Row:
    """Correct a quantity."""
    row = entry(records, arguments["sku"], arguments["site"])
    if arguments["counted"] < row["reserved"]:
        raise Refused(f"counted: {arguments['counted']} is less than the {row['reserved']} reserved pieces; release some first")
    difference = arguments["counted"] - row["quantity"]
    row["quantity"] = arguments["counted"]
    return {"stock_level": row, "difference": difference, "value_cents": difference * records["products"].get(row["sku"])["unit_cents"]}


def reorder(records: Records, arguments: Row) -> Row:
    """What is running out; order twice the reorder point less what is free."""
    found = []
    for product in records["products"].rows.values():
        available = free_everywhere(records, product["sku"])
        wanted = all(arguments.get(name) in (None, product[name]) for name in ("supplier", "category"))
        if product["active"] and wanted and available < product["reorder_point"]:
            quantity = 2 * product["reorder_point"] - available
            found.append(
                {
                    "sku": product["sku"],
                    "name": product["name"],
                    "supplier": product["supplier"],
                    "free": available,
                    "order": quantity,
                    "cost_cents": quantity * product["unit_cents"],
                }
            )
    return {"suggestions": found, "cost_cents": sum(row["cost_cents"] for row in found)}


def value(records: Records, arguments: Row) -> Row:
    """Stock at sales prices."""
    sites: dict[str, int] = {}
    for row in records["stock"].rows.values():
        product = records["products"].get(row["sku"])
        if arguments.get("site") in (None, row["site"]) and arguments.get("category") in (None, product["category"]):
            sites[row["site"]] = sites.get(row["site"], 0) + row["quantity"] * product["unit_cents"]
    return {"sites": sites, "total_cents": sum(sites.values())}


def track(records: Records, arguments: Row) -> Row:
    """Where a shipment should be."""
    row = records["shipments"].get(arguments["shipment_id"])
    weight = row["quantity"] * records["products"].get(row["sku"])["weight_grams"]
    result = {"shipment": row, "weight_grams": weight, "days_since_shipping": None, "expected_on": None}
    if row.get("shipped_on"):
        shipped = datetime.date.fromisoformat(row["shipped_on"])
        expected = shipped + datetime.timedelta(days=TRANSIT_DAYS[row["carrier"]])
        result |= {"days_since_shipping": (TODAY - shipped).days, "expected_on": expected.isoformat()}
    return result


FUNCTIONS = (level, reserve, release, transfer, count, reorder, value, track)
