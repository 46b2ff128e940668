"""Money of one country as money of another, at fixed rates."""

from acme.records import Records, Row


def converted(records: Records, amount: float, source: str, target: str) -> float:
    """By way of the euro, rounded as usual for the target."""
    rates = records["rates"]
    euros = amount / rates.get(source)["per_euro"]
    return float(round(euros * rates.get(target)["per_euro"], rates.get(target)["digits"]))


def convert(records: Records, arguments: Row) -> Row:
    """One amount, less the fee."""
    fee = arguments["amount"] * arguments.get("fee_percent", 0) / 100
    amount = converted(records, arguments["amount"] - fee, arguments["source"], arguments["target"])
    rate = records["rates"].get(arguments["target"])["per_euro"] / records["rates"].get(arguments["source"])["per_euro"]
    return {"amount": amount, "currency": arguments["target"], "rate": round(rate, 6), "fee": round(fee, 2)}


def add_up(records: Records, arguments: Row) -> Row:
    """Several amounts in one currency."""
    target = arguments["target"]
    parts = [{**part, "converted": converted(records, part["amount"], part["code"], target)} for part in arguments["amounts"]]
    return {
        "sum": round(sum(part["converted"] for part in parts), records["rates"].get(target)["digits"]),
        "currency": target,
        "parts": parts,
    }


FUNCTIONS = (convert, add_up)
