"""Sales forecast."""

from acme.records import Records, Row

OPEN = ("qualified", "proposal", "negotiation")


def forecast(records: Records, arguments: Row) -> Row:
    """Amount times probability of open deals, by account manager."""
    latest, owner = arguments.get("closing_before", "9999-12-31"), arguments.get("owner")
    owners: dict[str, float] = {}
    for deal in records["deals"].rows.values():
        if deal["stage"] in OPEN and deal["expected_close"] <= latest and owner in (None, deal["owner"]):
            owners[deal["owner"]] = owners.get(deal["owner"], 0) + deal["amount"] * deal["probability_percent"] / 100
    return {"by_owner": {name: round(owners[name], 2) for name in sorted(owners)}, "expected_revenue": round(sum(owners.values()), 2)}


FUNCTIONS = (forecast,)
