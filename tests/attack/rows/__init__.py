"""One module per row, `rNN_name.py`, each with a `ROW`."""

import importlib
import pkgutil

from tests.attack.vocabulary import Row


def all_rows() -> list[Row]:
    """By number."""
    found = [
        importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__) if module.name[1:3].isdigit()
    ]
    return sorted((module.ROW for module in found), key=lambda row: row.number)
