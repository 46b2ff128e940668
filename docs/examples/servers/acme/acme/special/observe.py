"""Measurements that nobody took: a smooth daily curve for each service and metric, the same whenever it is asked for."""

import datetime
import hashlib
import math

from acme.records import TODAY, Records, Refused, Row

SCALES = {"requests_per_second": 400, "error_percent": 1.5, "p95_milliseconds": 350, "cpu_percent": 45, "memory_megabytes": 900}


def points(service: str, metric: str, day: str, step: int) -> list[tuple[str, float]]:
    """A curve that peaks in the early afternoon; service, metric and day decide its height."""
    seed = int(hashlib.sha256(f"{service}/{metric}/{day}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    height = SCALES[metric] * (0.5 + seed)
    times = range(0, 24 * 60, step)
    return [
        (f"{minute // 60:02d}:{minute % 60:02d}", round(height * (1 - 0.6 * math.cos((minute - 120) / 1440 * 2 * math.pi)), 2))
        for minute in times
    ]


def average(values: list[float]) -> float:
    """Mean, rounded for people."""
    return round(sum(values) / len(values), 2)


def metric(records: Records, arguments: Row) -> Row:
    """One day of one metric."""
    series = points(arguments["service"], arguments["metric"], arguments["day"], arguments.get("step_minutes", 60))
    values = [value for _, value in series]
    shown = [{"time": time, "value": value} for time, value in series]
    return {"metric": arguments["metric"], "points": shown, "minimum": min(values), "average": average(values), "maximum": max(values)}


def compare(records: Records, arguments: Row) -> Row:
    """Two days of one metric."""
    before, after = (
        average([value for _, value in points(arguments["service"], arguments["metric"], arguments[name], 15)])
        for name in ("since_day", "day")
    )
    return {
        "metric": arguments["metric"],
        arguments["since_day"]: before,
        arguments["day"]: after,
        "change_percent": round((after - before) / before * 100, 1),
    }


def budget(records: Records, arguments: Row) -> Row:
    """Outage allowed and outage seen."""
    days = arguments.get("window_days", 30)
    first = (TODAY - datetime.timedelta(days=days - 1)).isoformat()
    allowed = days * 1440 * (100 - arguments["objective_percent"]) / 100
    rows = [row for row in records["incidents"].rows.values() if row["service"] == arguments["service"] and row["started_on"] >= first]
    if allowed <= 0:
        raise Refused("objective_percent: an objective of 100 percent leaves no budget; write for example 99.9")
    spent = sum(row["minutes"] for row in rows)
    return {
        "allowed_minutes": round(allowed, 1),
        "spent_minutes": spent,
        "spent_percent": round(spent / allowed * 100, 1),
        "incidents": [row["incident_id"] for row in rows],
    }


FUNCTIONS = (metric, compare, budget)
