"""Time: who and what is free when."""

import datetime

from acme.records import Records, Refused, Row


def minutes(clock: str) -> int:
    """HH:MM as minutes of the day."""
    return int(clock[:2]) * 60 + int(clock[3:])


def clock(minute: int) -> str:
    """Minutes of the day as HH:MM."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def overlapping(records: Records, day: str, start: str, end: str, leave_out: str = "") -> list[Row]:
    """Events that are not cancelled and overlap this time."""
    if start >= end:
        raise Refused(f"end: {end} must be after start {start}")
    rows = [
        row
        for row in records["events"].rows.values()
        if row["day"] == day and row["status"] != "cancelled" and row["event_id"] != leave_out
    ]
    return [row for row in rows if row["start"] < end and row["end"] > start]


def refuse_taken(room: str | None, events: list[Row]) -> None:
    """A room holds one meeting at a time."""
    taken = next((row for row in events if room and row["room"] == room), None)
    if taken:
        raise Refused(f"room: {room} is taken by {taken['title']!r} from {taken['start']} to {taken['end']}; see calendar_find_free_room")


def working_days(first: str, last: str) -> list[datetime.date]:
    """Monday to Friday between two days, two months at most."""
    begin = datetime.date.fromisoformat(first)
    count = min((datetime.date.fromisoformat(last) - begin).days + 1, 60)
    days = [begin + datetime.timedelta(days=number) for number in range(count)]
    return [day for day in days if day.weekday() < 5]


def gaps(busy: list[tuple[int, int]], earliest: int, latest: int, length: int) -> list[tuple[int, int]]:
    """Free times of at least this length within a day."""
    found, free_from = [], earliest
    for start, end in [*sorted(busy), (latest, latest)]:
        if min(start, latest) - free_from >= length:
            found.append((free_from, min(start, latest)))
        free_from = max(free_from, end)
    return found


def free_slots(records: Records, arguments: Row) -> Row:
    """Times at which everybody is free."""
    last = arguments.get("to_day") or (datetime.date.fromisoformat(arguments["from_day"]) + datetime.timedelta(days=6)).isoformat()
    if last < arguments["from_day"]:
        raise Refused(f"to_day: {last} is before from_day {arguments['from_day']}")
    earliest, latest = arguments.get("earliest", "09:00"), arguments.get("latest", "17:00")
    if earliest >= latest:
        raise Refused(f"latest: {latest} must be after earliest {earliest}")
    people, length, slots = set(arguments["attendees"]), arguments["duration_minutes"], []
    for day in working_days(arguments["from_day"], last):
        events = [row for row in overlapping(records, day.isoformat(), earliest, latest) if people & set(row["attendees"])]
        busy = [(minutes(row["start"]), minutes(row["end"])) for row in events]
        for start, end in gaps(busy, minutes(earliest), minutes(latest), length):
            slots.append({"day": day.isoformat(), "start": clock(start), "end": clock(start + length), "free_until": clock(end)})
    return {"slots": slots[: arguments.get("limit", 20)], "total": len(slots)}


def create(records: Records, arguments: Row) -> Row:
    """A new event; rooms are exclusive, people are not."""
    events = overlapping(records, arguments["day"], arguments["start"], arguments["end"])
    refuse_taken(arguments.get("room"), events)
    busy = sorted({person for row in events for person in row["attendees"]} & set(arguments["attendees"]))
    return {"event": records["events"].add({"room": None, "status": "confirmed", **arguments}), "double_booked": busy}


def move(records: Records, arguments: Row) -> Row:
    """Another time for an event."""
    row = records["events"].get(arguments["event_id"])
    if row["status"] == "cancelled":
        raise Refused(f"event {row['event_id']} is cancelled and cannot be moved")
    refuse_taken(row["room"], overlapping(records, arguments["day"], arguments["start"], arguments["end"], leave_out=row["event_id"]))
    row.update(day=arguments["day"], start=arguments["start"], end=arguments["end"])
    return {"event": row}


def invite(records: Records, arguments: Row) -> Row:
    """One more person."""
    row = records["events"].get(arguments["event_id"])
    if row["status"] == "cancelled" or arguments["new_attendee"] in row["attendees"]:
        raise Refused(f"new_attendee: {arguments['new_attendee']} is already invited, or the event is cancelled")
    row["attendees"] = [*row["attendees"], arguments["new_attendee"]]
    return {"event": row}


def conflicts(records: Records, arguments: Row) -> Row:
    """Who has something else at that time."""
    found = []
    for row in overlapping(records, arguments["day"], arguments["start"], arguments["end"]):
        people = sorted(set(row["attendees"]) & set(arguments["attendees"]))
        if people:
            found.append(
                {"event_id": row["event_id"], "title": row["title"], "start": row["start"], "end": row["end"], "attendees": people}
            )
    return {"conflicts": found, "free": sorted(set(arguments["attendees"]) - {person for row in found for person in row["attendees"]})}


def free_rooms(records: Records, arguments: Row) -> Row:
    """Rooms nobody has booked then, small ones first."""
    taken = {row["room"] for row in overlapping(records, arguments["day"], arguments["start"], arguments["end"])}
    needs = arguments.get("needs")
    rooms = [
        row
        for row in records["rooms"].rows.values()
        if row["room"] not in taken and row["seats"] >= arguments.get("min_seats", 1) and (needs is None or needs in row["equipment"])
    ]
    return {"rooms": sorted(rooms, key=lambda row: int(row["seats"]))}


FUNCTIONS = (free_slots, create, move, invite, conflicts, free_rooms)
