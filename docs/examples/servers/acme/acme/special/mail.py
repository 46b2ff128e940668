"""Conversations by e-mail."""

from acme.records import TODAY, Records, Refused, Row


def thread(records: Records, arguments: Row) -> Row:
    """All messages of a conversation."""
    rows = [row for row in records["messages"].rows.values() if row["thread_id"] == arguments["thread_id"]]
    if not rows:
        raise Refused(f"thread_id: there is no conversation {arguments['thread_id']}")
    people = {person for row in rows for person in (row["sender"], *row["recipients"])}
    return {
        "messages": sorted(rows, key=lambda row: str(row["sent_on"] or "9999")),
        "people": sorted(people),
        "unread": sum(not row["read"] for row in rows),
    }


def draft(records: Records, arguments: Row) -> Row:
    """A new conversation that begins with a draft."""
    threads = {row["thread_id"] for row in records["messages"].rows.values()}
    return {
        "message": records["messages"].add(
            {"labels": [], **arguments, "thread_id": f"THR-{len(threads) + 1}", "folder": "drafts", "read": True, "sent_on": None}
        )
    }


def reply(records: Records, arguments: Row) -> Row:
    """An answer to the sender."""
    original = records["messages"].get(arguments["message_id"])
    subject = original["subject"] if original["subject"].startswith("Re:") else f"Re: {original['subject']}"
    sent = {"sender": arguments["sender"], "recipients": [original["sender"]], "subject": subject, "body": arguments["body"]}
    return {
        "message": records["messages"].add(
            {
                **sent,
                "thread_id": original["thread_id"],
                "folder": "sent",
                "read": True,
                "sent_on": TODAY.isoformat(),
                "labels": original["labels"],
            }
        )
    }


FUNCTIONS = (thread, draft, reply)
