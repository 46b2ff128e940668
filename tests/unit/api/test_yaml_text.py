"""Whatever is written is read back as the same value."""

from typing import Any

import pytest
import yaml

from mcp_optimizer_api.yaml_text import to_yaml

VALUES: list[Any] = [
    {},
    [],
    "text",
    {"a": {"b": [1, 2.5, True, None, "x"]}},
    {"list": [{"a": 1, "b": [{"c": []}]}, {"d": {}}]},
    [[1, 2], [[3]]],
    {"on": "off", "y": "no", "null": "true", "1": "1", "a: b": "c: d"},
    {"text": "- not a list", "hash": "# not a comment", "quote": "\"'", "line": "one\ntwo\n", "tab": "\t", "unicode": "é – 🦊"},
    {"pattern": r"^[a-z]([-a-z0-9]*\.)?$", "braces": "{{ x }}", "number": "0x10", "time": "2026-01-01", "empty": ""},
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_value_survives(value: Any) -> None:
    assert yaml.safe_load(to_yaml(value)) == value


def test_plain_words_are_not_quoted() -> None:
    assert to_yaml({"kind": "MCPServer", "items": [{"type": "string"}]}) == "kind: MCPServer\nitems:\n- type: string\n"
