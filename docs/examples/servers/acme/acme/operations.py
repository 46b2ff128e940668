"""What most tools do, said once: search, list, get, create, update, delete, totals. A tool's line in its family file picks one."""

from collections.abc import Callable
from typing import Any

from acme import special
from acme.records import TODAY, Collection, Records, Refused, Row

Operation = Callable[[Records, Row], Row]
# A filter parameter is compared with a column: (column, comparison).
Filters = dict[str, tuple[str, str]]
PAGING = ("limit", "offset", "query")


def shown(collection: Collection, row: Row) -> Row:
    """A row with its computed columns."""
    return special.VIEWS[collection.view](row) if collection.view else dict(row)


def passes(row: Row, column: str, comparison: str, wanted: Any) -> bool:
    """Does one filter hold?"""
    value = row.get(column)
    if value is None:
        return False
    if comparison == ">=":
        return bool(value >= wanted)
    if comparison == "<=":
        return bool(value <= wanted)
    if isinstance(value, list):
        return str(wanted).lower() in [str(item).lower() for item in value]
    return str(value).lower() == str(wanted).lower() if isinstance(value, str) else bool(value == wanted)


def selected(collection: Collection, arguments: Row, filters: Filters, where: Row) -> list[Row]:
    """Rows that satisfy the fixed conditions and the caller's filters."""
    rows = [shown(collection, row) for row in collection.rows.values()]
    tests = [(column, "=", value) for column, value in where.items()]
    tests += [(*filters.get(name, (name, "=")), value) for name, value in arguments.items() if name not in PAGING]
    return [row for row in rows if all(passes(row, *test) for test in tests)]


def page(name: str, rows: list[Row], arguments: Row) -> Row:
    """One page and how many there are in all."""
    start, size = arguments.get("offset", 0), arguments.get("limit", 20)
    return {name: rows[start : start + size], "total": len(rows)}


def search(spec: Row, filters: Filters) -> Operation:
    """Rows that contain the words of the query, most matching words first."""

    def run(records: Records, arguments: Row) -> Row:
        collection = records[spec["search"]]
        words = arguments["query"].lower().split()
        scored = []
        for row in selected(collection, arguments, filters, spec.get("where", {})):
            text = " ".join(str(row.get(column)) for column in spec.get("in", row)).lower()
            scored.append((sum(word in text for word in words), row))
        hits = [row for score, row in sorted(scored, key=lambda pair: -pair[0]) if score]
        return page(collection.name, hits, arguments)

    return run


def listing(spec: Row, filters: Filters) -> Operation:
    """Filtered rows in a fixed order."""

    def run(records: Records, arguments: Row) -> Row:
        collection = records[spec["list"]]
        rows = selected(collection, arguments, filters, spec.get("where", {}))
        column = spec.get("sort", collection.key)
        rows.sort(key=lambda row: (row[column] is None, row[column]), reverse=spec.get("descending", False))
        return page(collection.name, rows, arguments)

    return run


def get(spec: Row, filters: Filters) -> Operation:
    """One row, with rows of other tables that belong to it."""

    def run(records: Records, arguments: Row) -> Row:
        collection = records[spec["get"]]
        key = arguments[collection.key]
        result: Row = {collection.one: shown(collection, collection.get(key))}
        for name in spec.get("also", ()):
            related = records[name]
            result[name] = [shown(related, row) for row in related.rows.values() if row.get(collection.key) == key]
        return result

    return run


def filled(values: Row) -> Row:
    """Fixed values of a family file, with `$today` resolved."""
    return {name: TODAY.isoformat() if value == "$today" else value for name, value in values.items()}


def create(spec: Row, filters: Filters) -> Operation:
    """A new row of the caller's values."""

    def run(records: Records, arguments: Row) -> Row:
        collection = records[spec["create"]]
        first, last = spec.get("ordered", (None, None))
        if first and arguments[first] > arguments[last]:
            raise Refused(f"{last}: {arguments[last]} must not be before or below {first} {arguments[first]}")
        columns = {name for row in list(collection.rows.values())[:1] for name in row}
        blank = dict.fromkeys(sorted(columns - {collection.key}))
        row = collection.add({**blank, **filled(spec.get("set", {})), **arguments})
        return {collection.one: shown(collection, row)}

    return run


def update(spec: Row, filters: Filters) -> Operation:
    """Change one row, when its state allows it."""

    def run(records: Records, arguments: Row) -> Row:
        collection = records[spec["update"]]
        values = {name: value for name, value in arguments.items() if name != collection.key}
        if not values and not spec.get("set"):
            raise Refused(f"nothing to change: give at least one field besides {collection.key}")
        row = collection.get(arguments[collection.key])
        for column, allowed in spec.get("only", {}).items():
            if row[column] not in allowed:
                raise Refused(f"{collection.one} {row[collection.key]} has {column} {row[column]!r}; this needs {' or '.join(allowed)}")
        row.update({**filled(spec.get("set", {})), **values})
        return {collection.one: shown(collection, row)}

    return run


def delete(spec: Row, filters: Filters) -> Operation:
    """Remove one row."""

    def run(records: Records, arguments: Row) -> Row:
        collection = records[spec["delete"]]
        row = collection.get(arguments[collection.key])
        del collection.rows[row[collection.key]]
        return {"deleted": row[collection.key], "remaining": len(collection.rows)}

    return run


def totals(spec: Row, filters: Filters) -> Operation:
    """Count, and sum one column, by the values of another."""

    def run(records: Records, arguments: Row) -> Row:
        by, column = spec["by"], spec.get("sum")
        groups: dict[str, Row] = {}
        for row in selected(records[spec["totals"]], arguments, filters, spec.get("where", {})):
            group = groups.setdefault(str(row[by]), {by: row[by], "count": 0, **({column: 0} if column else {})})
            group["count"] += 1
            if column:
                group[column] = round(group[column] + (row[column] or 0), 2)
        return {"groups": [groups[name] for name in sorted(groups)], "total": sum(group["count"] for group in groups.values())}

    return run


def computed(spec: Row, filters: Filters) -> Operation:
    """Something of this family alone, written in `special`."""
    operation: Operation = special.FUNCTIONS[spec["special"]]
    return operation


VERBS: dict[str, Callable[[Row, Filters], Operation]] = {
    "search": search,
    "list": listing,
    "get": get,
    "create": create,
    "update": update,
    "delete": delete,
    "totals": totals,
    "special": computed,
}
READ_ONLY = frozenset({"search", "list", "get", "totals"})
