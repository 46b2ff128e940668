"""The company's records: small tables in memory, seeded from the family files and the same after every start."""

import copy
import datetime
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

# A fixed day, so that "overdue" or "this week" mean the same in every run.
TODAY = datetime.date(2026, 6, 15)
MAX_ROWS = 5000

Row = dict[str, Any]


class Refused(Exception):
    """The request cannot be served; the message tells the caller what to change."""


@dataclass
class Collection:
    """One table: rows by the value of their key column."""

    name: str
    one: str
    key: str
    pattern: str
    view: str | None = None
    rows: dict[str, Row] = field(default_factory=dict)

    def get(self, key: str) -> Row:
        """The row of this key, or a refusal that names similar ones."""
        if key in self.rows:
            return self.rows[key]
        near = get_close_matches(key, self.rows, n=3, cutoff=0.5) or list(self.rows)[:3]
        raise Refused(f"{self.key}: there is no {self.one} {key!r}; known are for example {', '.join(near)}")

    def add(self, values: Row) -> Row:
        """A new row with the next free key."""
        if len(self.rows) >= MAX_ROWS:
            raise Refused(f"{self.name} is full ({MAX_ROWS} rows); delete some or restart the server")
        number = len(self.rows) + 1001
        while self.pattern.format(number) in self.rows:
            number += 1
        row = {self.key: self.pattern.format(number), **values}
        self.rows[row[self.key]] = row
        return row


class Records:
    """All tables of the loaded families."""

    def __init__(self, seeds: dict[str, dict[str, Any]]) -> None:
        self.collections = {name: seeded(name, seed) for name, seed in seeds.items()}
        # A `local` key, such as a city, means something else in other families.
        self._by_key = {made.key: made for name, made in self.collections.items() if not seeds[name].get("local", False)}

    def __getitem__(self, name: str) -> Collection:
        return self.collections[name]

    def check_references(self, arguments: Row) -> None:
        """An identifier of another record must exist."""
        for name, value in arguments.items():
            collection = self._by_key.get(name)
            if collection and isinstance(value, str):
                collection.get(value)


def seeded(name: str, seed: dict[str, Any]) -> Collection:
    """A table from its description in a family file."""
    columns = seed["columns"]
    rows = [dict(zip(columns, copy.deepcopy(values), strict=True)) for values in seed["rows"]]
    made = Collection(name, seed["one"], columns[0], seed["pattern"], seed.get("view"))
    made.rows = {row[made.key]: row for row in rows}
    return made


def plain(value: Any) -> Any:
    """Dates as text, as clients write them too: YAML reads an unquoted date as a date."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else value
