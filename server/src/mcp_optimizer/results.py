"""Results on their way to a model or to code: said once, well-formed whatever a server sent."""

import json
import re
from typing import Any, Final

import orjson
from mcp_types import CallToolResult
from pydantic import ValidationError

from .errors import BAD_GATEWAY, CallFailure

Result = dict[str, Any]
MAX_BLOCKS = 1000
"""Of content in one result: each is checked and shown by itself, and a reply has room for millions of empty ones."""

MAX_SQUEEZED = 1024 * 1024
"""Characters of JSON text that white space is taken out of: beyond that it costs other calls their time."""
MAX_SQUEEZED_SLOWLY = 64 * 1024
_SPACE: Final = b" \t\r\n"
_SPACE_OUTSIDE_STRINGS: Final = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\r\n]+')


def text_result(text: str, *, is_error: bool = False) -> Result:
    """One block of text."""
    return {"content": [{"type": "text", "text": text}], "isError": is_error}


def failure_result(failure: CallFailure) -> Result:
    """The error envelope: a result the model reads and can act on."""
    return text_result(compact(failure.envelope()), is_error=True)


def compact(value: Any) -> str:
    """JSON without insignificant white space."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # integers beyond 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def once(result: Result) -> Result:
    """The result without saying the same twice: structured content goes when a text block has it, and becomes text when nothing else is there."""
    if result.get("resultType") == "input_required":
        return result
    blocks = _blocks(result.get("content"))
    blocks = [_squeezed_block(block) for block in blocks]
    kept: Result = {"content": blocks, "isError": result.get("isError") is True}
    structured = result.get("structuredContent")
    if structured is None:
        return kept
    if not blocks:
        return {**kept, "content": [{"type": "text", "text": compact(structured)}]}
    if not any(_says(block, structured) for block in blocks):
        kept["structuredContent"] = structured
    return kept


def squeezed(text: str) -> str:
    """JSON objects and arrays without the white space between their tokens; every other text as it is. No token changes: numbers
    too large for us, repeated names and escapes stay as the server wrote them.
    """
    start = text[:64].lstrip()[:1]
    if start not in ("{", "[") or len(text) > MAX_SQUEEZED:
        return text
    try:
        tight = orjson.dumps(orjson.loads(text))
    except (orjson.JSONDecodeError, TypeError):
        return text
    given = text.encode()
    if tight == given:
        return text
    # Strings keep their spaces here, so when nothing but spaces differs, only spaces between tokens do.
    if tight.translate(None, _SPACE) == given.translate(None, _SPACE):
        return tight.decode()
    return _SPACE_OUTSIDE_STRINGS.sub(r"\1", text) if len(text) <= MAX_SQUEEZED_SLOWLY else text


def other_blocks(result: Result) -> list[dict[str, Any]]:
    """The content blocks that are no text, such as images."""
    return [block for block in _blocks(result.get("content")) if block.get("type") != "text"]


def weight(result: Result) -> int:
    """Roughly the size of what the result says, in characters, whatever form it has."""
    blocks = result.get("content")
    size = sum(len(json_text) for block in blocks if (json_text := _text(block)) is not None) if isinstance(blocks, list) else 0
    structured = result.get("structuredContent")
    others = [block for block in blocks if _text(block) is None] if isinstance(blocks, list) else []
    return size + (len(compact(structured)) if structured is not None else 0) + (len(compact(others)) if others else 0)


def unchanged(result: Result) -> Result:
    """The result as it came, in the fields a client knows; for clients that see the tool's own definition."""
    if result.get("resultType") == "input_required":
        return result
    kept: Result = {"content": _blocks(result.get("content")), "isError": result.get("isError") is True}
    if result.get("structuredContent") is not None:
        kept["structuredContent"] = result["structuredContent"]
    return kept


def job_value(result: Result) -> Any:
    """What code sees: structured content, else the only text when it is a JSON object or array, else the texts joined by newlines."""
    structured = result.get("structuredContent")
    if structured is not None:
        return structured
    blocks = result.get("content")
    texts = [text for block in blocks if isinstance(text := _text(block), str)] if isinstance(blocks, list) else []
    if len(texts) == 1:
        parsed = _parsed(texts[0])
        if isinstance(parsed, dict | list):
            return parsed
    return "\n".join(texts)


def error_text(result: Result) -> str:
    """What a failed tool said."""
    return str(job_value(result))[:2000] or "the tool reported an error without a message"


def _squeezed_block(block: dict[str, Any]) -> dict[str, Any]:
    text = _text(block)
    shorter = squeezed(text) if text is not None else text
    return block if shorter is text else {**block, "text": shorter}


def _text(block: Any) -> str | None:
    return block.get("text") if isinstance(block, dict) and block.get("type") == "text" else None


def _says(block: Any, structured: Any) -> bool:
    text = _text(block)
    if not isinstance(text, str):
        return False
    parsed = _parsed(text)
    # Servers wrap a bare value as {"result": value} to make it an object.
    return parsed == structured or (
        isinstance(structured, dict) and list(structured) == ["result"] and structured["result"] in (parsed, text)
    )


def _parsed(text: str) -> Any:
    if not text[:1] or text.lstrip()[:1] not in '{["-0123456789tfn':
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _blocks(content: Any) -> list[dict[str, Any]]:
    """The content blocks that a client accepts; what it would not is shown as text."""
    if not isinstance(content, list):
        return []
    if len(content) > MAX_BLOCKS:
        raise CallFailure(
            BAD_GATEWAY, f"the tool answered with {len(content)} content blocks, at most {MAX_BLOCKS} are relayed: ask for less"
        )
    if all(isinstance(_text(block), str) and len(block) == 2 for block in content):
        return content
    return [block if _acceptable(block) else {"type": "text", "text": compact(block)} for block in content]


def _acceptable(block: Any) -> bool:
    try:
        CallToolResult.model_validate({"content": [block]})
    except ValidationError:
        return False
    return True
