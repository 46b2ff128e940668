"""Results are said once and are well-formed whatever a server sent."""

import json
from typing import Any

import pytest

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.results import MAX_BLOCKS, job_value, once, unchanged


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"content": [text("hi")]}, {"content": [text("hi")], "isError": False}),
        ({"content": [text('{"a": 1}')], "structuredContent": {"a": 1}}, {"content": [text('{"a":1}')], "isError": False}),
        ({"content": [text("7")], "structuredContent": {"result": 7}}, {"content": [text("7")], "isError": False}),
        ({"content": [text("seven")], "structuredContent": {"result": "seven"}}, {"content": [text("seven")], "isError": False}),
        ({"content": [], "structuredContent": {"a": 1}}, {"content": [text('{"a":1}')], "isError": False}),
        (
            {"content": [text("It is warm.")], "structuredContent": {"celsius": 30}},
            {"content": [text("It is warm.")], "structuredContent": {"celsius": 30}, "isError": False},
        ),
        ({"content": [text("no")], "isError": True}, {"content": [text("no")], "isError": True}),
        ({}, {"content": [], "isError": False}),
        ({"content": "nonsense", "isError": "yes"}, {"content": [], "isError": False}),
    ],
)
def test_a_result_is_said_once(result: dict[str, Any], expected: dict[str, Any]) -> None:
    assert once(result) == expected


def test_direct_mode_keeps_both_copies_because_the_client_knows_the_output_schema() -> None:
    result = {"content": [text('{"a":1}')], "structuredContent": {"a": 1}, "_meta": {"x": 1}, "resultType": "complete"}
    assert unchanged(result) == {"content": [text('{"a":1}')], "structuredContent": {"a": 1}, "isError": False}


def test_blocks_no_client_would_accept_become_text_and_the_rest_stays() -> None:
    image = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
    blocks = once({"content": [image, {"type": "hologram", "x": 1}, {"type": "text"}, 7]})["content"]
    assert blocks[0] == image
    assert [json.loads(block["text"]) for block in blocks[1:]] == [{"type": "hologram", "x": 1}, {"type": "text"}, 7]


def test_a_result_of_more_blocks_than_anybody_reads_is_refused() -> None:
    assert len(once({"content": [{}] * MAX_BLOCKS})["content"]) == MAX_BLOCKS
    with pytest.raises(CallFailure, match="1001 content blocks"):
        unchanged({"content": [{}] * (MAX_BLOCKS + 1)})


@pytest.mark.parametrize(
    ("result", "value"),
    [
        ({"content": [text('{"a": 1}')], "structuredContent": {"b": 2}}, {"b": 2}),
        ({"content": [text('{"a": 1}')]}, {"a": 1}),
        ({"content": [text("[1, 2]")]}, [1, 2]),
        ({"content": [text("17")]}, "17"),
        ({"content": [text('{"a": 1}'), text("b")]}, '{"a": 1}\nb'),
        ({"content": [{"type": "image"}, text("caption")]}, "caption"),
        ({}, ""),
    ],
)
def test_code_sees_the_value_of_the_contract(result: dict[str, Any], value: Any) -> None:
    assert job_value(result) == value
