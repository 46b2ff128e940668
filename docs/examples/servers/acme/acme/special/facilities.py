"""What company assets are still worth."""

import datetime

from acme.records import TODAY, Records, Row


def remaining(asset: Row, day: datetime.date) -> int:
    """Price less even write-off, never below nothing."""
    age = (day - datetime.date.fromisoformat(asset["bought_on"])).days / 365.25
    return 0 if age < 0 else round(asset["price_cents"] * max(0.0, 1 - age / asset["lifetime_years"]))


def book_value(records: Records, arguments: Row) -> Row:
    """Remaining values by kind."""
    day = datetime.date.fromisoformat(arguments.get("on_day", TODAY.isoformat()))
    kinds: dict[str, int] = {}
    for asset in records["assets"].rows.values():
        if asset["status"] != "retired" and all(arguments.get(name) in (None, asset[name]) for name in ("kind", "site")):
            kinds[asset["kind"]] = kinds.get(asset["kind"], 0) + remaining(asset, day)
    return {"on_day": day.isoformat(), "kinds": kinds, "total_cents": sum(kinds.values())}


FUNCTIONS = (book_value,)
