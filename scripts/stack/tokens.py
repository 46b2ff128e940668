"""Count tokens with a real tokenizer, offline.

The vocabulary of `cl100k_base` ships inside the litellm wheel (a development dependency); tiktoken finds it when its cache directory
points there. Without it the estimate of four bytes per token is used, and the method says so.
"""

import importlib.util
import os
from pathlib import Path
from typing import Any


def _encoding() -> Any | None:
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None or importlib.util.find_spec("tiktoken") is None:
        return None
    folder = Path(spec.origin).parent / "litellm_core_utils" / "tokenizers"
    if not folder.is_dir():
        return None
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    import tiktoken  # after the cache directory is known: it is read at the first use

    return tiktoken.get_encoding("cl100k_base")


ENCODING = _encoding()


def count_tokens(text: str) -> tuple[int, str]:
    """Number of tokens of `text`, and the name of the method."""
    if ENCODING is None:
        return (len(text.encode()) + 3) // 4, "utf8-bytes/4"
    return len(ENCODING.encode(text, disallowed_special=())), "cl100k_base"
