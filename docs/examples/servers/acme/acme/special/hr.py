"""People: who reports to whom, who is away, whose days are left."""

import datetime

from acme.records import TODAY, Records, Refused, Row


def working_days(first: str, last: str) -> int:
    """Monday to Friday, both days included."""
    begin, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    return sum((begin + datetime.timedelta(days=number)).weekday() < 5 for number in range((end - begin).days + 1))


def org_chart(records: Records, arguments: Row) -> Row:
    """A manager and everybody below."""
    people = list(records["employees"].rows.values())

    def branch(person: Row, above: tuple[str, ...]) -> Row:
        path = (*above, person["employee_id"])
        reports = [branch(row, path) for row in people if row["manager_id"] == person["employee_id"] and row["employee_id"] not in path]
        return {"employee_id": person["employee_id"], "name": person["name"], "job_title": person["job_title"], "reports": reports}

    return {"chart": branch(records["employees"].get(arguments["employee_id"]), ())}


def leave_balance(records: Records, arguments: Row) -> Row:
    """Vacation days of a year, counted on the day the absence begins."""
    person, year = records["employees"].get(arguments["employee_id"]), str(arguments.get("year", TODAY.year))
    used = {"approved": 0, "requested": 0}
    for row in records["absences"].rows.values():
        if (
            row["employee_id"] == person["employee_id"]
            and row["kind"] == "vacation"
            and row["first_day"].startswith(year)
            and row["status"] in used
        ):
            used[row["status"]] += working_days(row["first_day"], row["last_day"])
    return {
        "employee_id": person["employee_id"],
        "year": int(year),
        "granted": person["leave_days"],
        **used,
        "left": person["leave_days"] - sum(used.values()),
    }


def request_absence(records: Records, arguments: Row) -> Row:
    """Ask for days off."""
    first, last = arguments["first_day"], arguments["last_day"]
    days = working_days(first, last)
    if last < first or days == 0 or days > 260:
        raise Refused(f"last_day: {first} to {last} must hold between 1 and 260 working days")
    for row in records["absences"].rows.values():
        if (
            row["employee_id"] == arguments["employee_id"]
            and row["status"] != "declined"
            and row["first_day"] <= last
            and row["last_day"] >= first
        ):
            raise Refused(f"first_day: overlaps {row['kind']} {row['absence_id']} from {row['first_day']} to {row['last_day']}")
    if arguments["kind"] == "vacation":
        left = leave_balance(records, {"employee_id": arguments["employee_id"], "year": int(first[:4])})["left"]
        if days > left:
            raise Refused(f"last_day: {days} vacation days are needed, {left} are left")
    return {"absence": records["absences"].add({**arguments, "status": "requested"}), "working_days": days}


def who_is_away(records: Records, arguments: Row) -> Row:
    """Away and there on a day."""
    away, there = [], []
    for person in records["employees"].rows.values():
        if any(arguments.get(name) not in (None, person[name]) for name in ("department", "site")):
            continue
        absence = next(
            (
                row
                for row in records["absences"].rows.values()
                if row["employee_id"] == person["employee_id"]
                and row["status"] == "approved"
                and row["first_day"] <= arguments["day"] <= row["last_day"]
            ),
            None,
        )
        if absence:
            away.append({"name": person["name"], "kind": absence["kind"], "back_after": absence["last_day"]})
        else:
            there.append(person["name"])
    return {"day": arguments["day"], "away": away, "there": there}


FUNCTIONS = (org_chart, leave_balance, request_absence, who_is_away)
