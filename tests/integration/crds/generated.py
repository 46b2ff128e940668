"""Specs made from the schema itself: near its bounds, mostly valid, now and then not."""

import re
from typing import Any

from hypothesis import strategies as st

from mcp_optimizer_api.cel import VALIDATIONS
from mcp_optimizer_api.schema import Schema

_PATTERN = re.compile(r"^(?:self|string\(self\))\.matches\(r'(.*)'\)$", re.DOTALL)


def specs(node: Schema) -> st.SearchStrategy[Any]:
    """Values for one schema."""
    if "enum" in node:
        return st.sampled_from(node["enum"])
    if node.get("x-kubernetes-int-or-string"):
        return st.one_of(st.integers(0, 4), st.sampled_from(["100m", "0.5", "1", "64Mi", "128Mi", "1Gi", "2G", ".5", "1500k", "abc"]))
    kind = node["type"]
    if kind == "string":
        return _text(node)
    if kind == "integer":
        return _integers(node["minimum"], node["maximum"])
    if kind == "number":
        least, most = node["minimum"], node["maximum"]
        return st.one_of(st.sampled_from([least, most, most + 0.5]), st.floats(least, most))
    if kind == "boolean":
        return st.booleans()
    if kind == "array":
        keys = node.get("x-kubernetes-list-map-keys")
        unique = (lambda item: tuple(item[key] for key in keys)) if keys else None
        return st.lists(specs(node["items"]), max_size=min(3, node["maxItems"]), unique_by=unique)
    if "additionalProperties" in node:
        return st.dictionaries(st.sampled_from(["team", "example.com/tier", "a b"]), specs(node["additionalProperties"]), max_size=3)
    required = {name: specs(below) for name, below in node["properties"].items() if name in node.get("required", ())}
    optional = {name: specs(below) for name, below in node["properties"].items() if name not in required}
    return st.fixed_dictionaries(required, optional=optional)


def _integers(least: int, most: int) -> st.SearchStrategy[int]:
    return st.one_of(
        st.sampled_from([least, most, min(least + 1, most), max(most - 1, least)]), st.integers(least, most), st.just(most + 1)
    )


def _text(node: Schema) -> st.SearchStrategy[str]:
    patterns = [found[1] for rule in node.get(VALIDATIONS, ()) if (found := _PATTERN.match(rule["rule"]))]
    if patterns:
        # ASCII: in Python `\s` and `\w` mean more than in the API server's RE2.
        alphabet = st.characters(codec="ascii", exclude_categories=["Cc"])
        return st.from_regex(re.compile(patterns[0], re.ASCII), fullmatch=True, alphabet=alphabet).filter(
            lambda value: len(value) <= node["maxLength"]
        )
    return st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
