"""Texts: summaries and likeness by counting words."""

import re
from collections import Counter

from acme.records import TODAY, Records, Refused, Row

WORDS_PER_MINUTE = 200


def words(text: str) -> list[str]:
    """Words that carry meaning."""
    return [word for word in re.findall(r"[a-z0-9]+", text.lower()) if len(word) > 3]


def append(records: Records, arguments: Row) -> Row:
    """More text at the end."""
    page = records["pages"].get(arguments["page_id"])
    if page["status"] == "archived":
        raise Refused(f"page {page['page_id']} is archived and cannot be changed")
    page.update(body=f"{page['body']} {arguments['text']}", updated_on=TODAY.isoformat())
    return {"page": page}


def summarize(records: Records, arguments: Row) -> Row:
    """The sentences with the most frequent words, in their own order."""
    page = records["pages"].get(arguments["page_id"])
    sentences = [text for text in re.split(r"(?<=[.!?])\s+", page["body"]) if text]
    frequency = Counter(words(page["body"]))
    ranked = sorted(range(len(sentences)), key=lambda number: -sum(frequency[word] for word in words(sentences[number])))
    chosen = sorted(ranked[: arguments.get("sentences", 2)])
    count = len(page["body"].split())
    return {
        "page_id": page["page_id"],
        "summary": " ".join(sentences[number] for number in chosen),
        "words": count,
        "reading_minutes": -(-count // WORDS_PER_MINUTE),
    }


def compare(records: Records, arguments: Row) -> Row:
    """Words that two pages share."""
    first, second = (
        set(words(f"{page['title']} {page['body']}"))
        for page in (records["pages"].get(arguments[name]) for name in ("page_id", "other_page_id"))
    )
    both = first & second
    return {"shared_words": sorted(both), "similarity": round(len(both) / len(first | second), 3)}


FUNCTIONS = (append, summarize, compare)
