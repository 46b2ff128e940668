"""Campaigns by their results, and texts by their length."""

import re

from acme.records import Records, Refused, Row


def change_budget(records: Records, arguments: Row) -> Row:
    """More or less money for a campaign that can still spend it."""
    row = records["campaigns"].get(arguments["campaign_id"])
    if row["status"] not in ("planned", "running"):
        raise Refused(f"campaign {row['campaign_id']} is {row['status']}; only planned and running ones have a budget to change")
    if arguments["budget_cents"] < row["spent_cents"]:
        raise Refused(f"budget_cents: {arguments['budget_cents']} is less than the {row['spent_cents']} that were already spent")
    before, row["budget_cents"] = row["budget_cents"], arguments["budget_cents"]
    return {"campaign": row, "change_cents": row["budget_cents"] - before}


def rate(part: float, whole: float, factor: int = 1) -> float | None:
    """A quotient, or nothing when there is nothing to divide by."""
    return round(part * factor / whole, 2) if whole else None


def performance(records: Records, arguments: Row) -> Row:
    """What a click and a sign-up cost."""
    found = []
    for row in records["campaigns"].rows.values():
        if all(arguments.get(name) in (None, row[name]) for name in ("channel", "status", "campaign_id")):
            found.append(
                {
                    "campaign_id": row["campaign_id"],
                    "name": row["name"],
                    "click_percent": rate(row["clicks"], row["impressions"], 100),
                    "signup_percent": rate(row["signups"], row["clicks"], 100),
                    "cents_per_click": rate(row["spent_cents"], row["clicks"]),
                    "cents_per_signup": rate(row["spent_cents"], row["signups"]),
                }
            )
    found.sort(key=lambda row: (row["cents_per_signup"] is None, row["cents_per_signup"]))
    return {"campaigns": found}


def check_text(records: Records, arguments: Row) -> Row:
    """How easy a text is to read."""
    words = re.findall(r"\w+", arguments["text"])
    sentences = [text for text in re.split(r"[.!?]+", arguments["text"]) if text.strip()]
    limit = arguments.get("max_words", 120)
    return {
        "words": len(words),
        "sentences": len(sentences),
        "words_per_sentence": rate(len(words), len(sentences)),
        "longest_words": sorted(set(words), key=lambda word: (-len(word), word))[:5],
        "short_enough": len(words) <= limit,
    }


FUNCTIONS = (change_budget, performance, check_text)
