"""Duplicates and times to a solution."""

import datetime
import re

from acme.records import TODAY, Records, Refused, Row


def words(issue: Row) -> set[str]:
    """What an issue is about."""
    return {
        word
        for word in re.findall(r"[a-z0-9]+", f"{issue['title']} {issue['description'] or ''} {' '.join(issue['labels'])}".lower())
        if len(word) > 2
    }


def merge(records: Records, arguments: Row) -> Row:
    """Resolve a duplicate and move its comments."""
    source, target = arguments["issue_id"], arguments["target_issue_id"]
    if source == target:
        raise Refused("target_issue_id: an issue cannot be merged into itself")
    duplicate, kept = records["issues"].get(source), records["issues"].get(target)
    moved = [row for row in records["comments"].rows.values() if row["issue_id"] == source]
    for comment in moved:
        comment["issue_id"] = target
    duplicate.update(status="resolved", closed_on=TODAY.isoformat())
    for issue, text in ((source, f"Merged into {target}."), (target, f"{source} was merged into this issue.")):
        records["comments"].add({"issue_id": issue, "author": "system", "body": text, "public": False, "written_on": TODAY.isoformat()})
    return {"issue": kept, "moved_comments": len(moved)}


def similar(records: Records, arguments: Row) -> Row:
    """Jaccard similarity of words."""
    own = words(records["issues"].get(arguments["issue_id"]))
    found = []
    for issue in records["issues"].rows.values():
        if issue["issue_id"] != arguments["issue_id"] and arguments.get("status") in (None, issue["status"]):
            other = words(issue)
            found.append(
                {"issue_id": issue["issue_id"], "title": issue["title"], "similarity": round(len(own & other) / len(own | other), 3)}
            )
    found.sort(key=lambda row: -row["similarity"])
    return {"issues": [row for row in found if row["similarity"] > 0][: arguments.get("limit", 20)]}


def resolution_times(records: Records, arguments: Row) -> Row:
    """Days from opening to resolving, by queue."""
    days: dict[str, list[int]] = {}
    for issue in records["issues"].rows.values():
        wanted = all(arguments.get(name) in (None, issue[name]) for name in ("queue", "customer_id"))
        in_time = arguments.get("opened_after", "") <= issue["opened_on"] <= arguments.get("opened_before", "9999")
        if issue["closed_on"] and wanted and in_time:
            spent = datetime.date.fromisoformat(issue["closed_on"]) - datetime.date.fromisoformat(issue["opened_on"])
            days.setdefault(issue["queue"], []).append(spent.days)
    return {
        "queues": {
            queue: {
                "resolved": len(found),
                "average_days": round(sum(found) / len(found), 2),
                "shortest_days": min(found),
                "longest_days": max(found),
            }
            for queue, found in sorted(days.items())
        }
    }


FUNCTIONS = (merge, similar, resolution_times)
