"""Files that come with a run of a session and those that it leaves, against a job that had earlier runs to prepare in."""

import base64
import os
from collections.abc import Callable
from typing import Any

import pytest
from tests.agent_process import AgentProcess, Run, Session, until

Start = Callable[..., AgentProcess]
LIMITS = {"maxCount": 3, "maxBytes": 100_000}


class Desk:
    """A session of whose runs files are taken."""

    def __init__(self, agent: AgentProcess, code: str) -> None:
        self.session = Session(agent, code)

    def run(self, code: str, files: dict[str, bytes] | None = None, **frame: Any) -> Run:
        """The next run, its files sent in small pieces."""
        self.begin(code, files, **frame)
        return self.session.finish()

    def begin(self, code: str, files: dict[str, bytes] | None = None, **frame: Any) -> None:
        """Send it only."""
        notices = [{"name": name, "size": len(data)} for name, data in (files or {}).items()]
        self.session.begin(code, extra={"artifacts": LIMITS, "files": notices, **frame})
        for data in (files or {}).values():
            for at in range(0, len(data), 1000):
                self.session.link.send({"type": "file", "data": base64.b64encode(data[at : at + 1000]).decode()})


def taken(run: Run) -> dict[str, bytes]:
    """The files by name."""
    found: dict[str, bytes] = {}
    for frame in run.frames:
        if frame["type"] == "artifact":
            found[frame["name"]] = found.get(frame["name"], b"") + base64.b64decode(frame["data"])
    return found


def test_each_run_has_its_files_and_those_of_before_stay(agent: AgentProcess) -> None:
    desk = Desk(agent, "kept = 1")
    data = os.urandom(5500)
    first = desk.run("kept += len((files / 'd/one').read_bytes())\nkept", {"d/one": data, "empty": b""})
    assert first.result["value"] == 5501
    second = desk.run(
        "[kept, (files / 'd/one').read_bytes() == b'new', sorted(f.name for f in files.rglob('*'))]", {"d/one": b"new", "two": b"2"}
    )
    assert second.result["value"] == [5501, True, ["d", "empty", "one", "two"]]
    assert second.result["open"]


def test_a_run_leaves_what_it_has_made_or_changed_and_nothing_twice(agent: AgentProcess) -> None:
    desk = Desk(agent, "1")
    first = desk.run("(artifacts / 'a').write_text('a1')\n(artifacts / 'b').write_text('b1')\nNone")
    assert taken(first) == {"a": b"a1", "b": b"b1"}
    assert taken(desk.run("2")) == {}
    # Of the same size, in the moment in which the run begins.
    changed = desk.run("(artifacts / 'a').write_text('a2')\n(artifacts / 'c').write_text('c1')\nNone")
    assert taken(changed) == {"a": b"a2", "c": b"c1"}
    assert taken(desk.run("(artifacts / 'b').rename(artifacts / 'd')\nNone")) == {"d": b"b1"}
    assert taken(desk.run("(artifacts / 'a').unlink()\n1/0")) == {}
    assert taken(desk.run("(artifacts / 'a').write_text('a2')\n1/0")) == {"a": b"a2"}


def test_bounds_are_those_of_a_run_and_what_had_no_room_comes_with_the_next(agent: AgentProcess) -> None:
    desk = Desk(agent, "1")
    first = desk.run("for n in range(5): (artifacts / f'f{n}').write_text(str(n))")
    assert taken(first) == {"f0": b"0", "f1": b"1", "f2": b"2"}
    assert [item["name"] for item in first.result["leftOut"]] == ["f3", "f4"]
    second = desk.run("None")
    assert (taken(second), second.result["leftOut"]) == ({"f3": b"3", "f4": b"4"}, [])


def test_nothing_moves_while_files_are_read(agent: AgentProcess) -> None:
    desk = Desk(agent, "import subprocess, threading, time")
    code = (
        "(artifacts / 'big').write_bytes(b'x' * 30_000_000)\nticks = []\n"
        "threading.Thread(target=lambda: [(ticks.append(1), time.sleep(0.001)) for _ in iter(int, 1)], daemon=True).start()\n"
        "child = subprocess.Popen(['sleep', '300'])\nprint(child.pid)"
    )
    desk.begin(code, artifacts={"maxCount": 1, "maxBytes": 40_000_000})
    frames: list[dict[str, Any]] = []
    until("the first piece", lambda: frames.append(desk.session.link.receive()) or frames[-1]["type"] == "artifact")
    worker = agent.children()[0]
    with open(f"/proc/{worker}/stat") as file:
        assert file.read().rpartition(")")[2].split()[0] == "T"
    with open(f"/proc/{int(Run(frames).printed())}/stat") as file:
        assert file.read().rpartition(")")[2].split()[0] == "Z"
    rest = desk.session.finish()
    assert len(taken(Run(frames))["big"]) + len(taken(rest)["big"]) == 30_000_000
    assert (rest.result["open"], desk.run("len(ticks) > 0").result["value"]) == (True, True)


def test_a_session_that_ends_in_the_middle_of_its_files_sends_no_more_of_them(agent: AgentProcess) -> None:
    desk = Desk(agent, "1")
    desk.begin("(artifacts / 'big').write_bytes(b'x' * 30_000_000)\n1", artifacts={"maxCount": 1, "maxBytes": 40_000_000})
    until("the first piece", lambda: desk.session.link.receive()["type"] == "artifact")
    desk.session.link.send({"type": "cancel"})
    # Nobody reads meanwhile, so most of the file is still to be sent.
    until("the worker to be dead", lambda: not agent.children())
    last = desk.session.finish()
    assert (last.kind, last.result["open"]) == ("cancelled", False)
    assert len(taken(last).get("big", b"")) < 30_000_000
    assert agent.wait() == 0


@pytest.mark.parametrize(
    ("trap", "reason"),
    [
        ("(files / 'x').mkdir()", "directory"),
        ("files.rmdir()\nfiles.symlink_to('/tmp')", "Not a directory"),
        ("files.rmdir()\nfiles.write_text('')", "Not a directory"),
        ("(files / 'd').symlink_to('/tmp')", "Not a directory"),
    ],
    ids=["a-folder", "a-link", "a-file", "a-link-below"],
)
def test_a_file_that_cannot_be_written_fails_its_run_and_keeps_the_session(agent: AgentProcess, trap: str, reason: str) -> None:
    desk = Desk(agent, f"kept = 5\n{trap}")
    failed = desk.run("kept = 6", {"first": b"1" * 3000, "x": b"2" * 3000, "d/y": b"3"} if "'d'" in trap else {"x": b"2" * 3000, "z": b"3"})
    assert (failed.kind, failed.result["open"]) == ("exception", True)
    assert reason in failed.message and "did not run" in failed.message
    assert desk.run("kept").result["value"] == 5
    assert not os.path.exists("/tmp/x") and not os.path.exists("/tmp/y")


def test_files_that_are_links_or_pipes_of_the_job_are_replaced_not_followed(agent: AgentProcess, tmp_path: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text("as it was")
    desk = Desk(agent, f"import os\nos.symlink({str(secret)!r}, 'in/link')\nos.mkfifo('in/pipe')\nos.link({str(secret)!r}, 'in/hard')")
    run = desk.run("[(files / name).read_text() for name in ('link', 'pipe', 'hard')]", {"link": b"1", "pipe": b"2", "hard": b"3"})
    assert run.result["value"] == ["1", "2", "3"]
    assert secret.read_text() == "as it was"


def test_bytes_that_nobody_waits_for_end_the_session(agent: AgentProcess) -> None:
    desk = Desk(agent, "1")
    desk.session.link.send({"type": "file", "data": "eA=="})
    assert "not announced" in desk.session.ended()


@pytest.mark.parametrize(
    ("frame", "part"),
    [
        ({"files": [{"name": "../x", "size": 1}]}, "malformed run: files must have names"),
        ({"files": [{"name": "x", "size": -1}]}, "malformed run: files must have sizes"),
        ({"files": "x"}, "malformed run: files must be a list"),
        ({"artifacts": {"maxCount": 1}}, "malformed run: artifacts.maxBytes"),
    ],
)
def test_a_run_with_impossible_files_ends_the_session_and_says_why(agent: AgentProcess, frame: dict[str, Any], part: str) -> None:
    session = Session(agent, "1")
    session.begin("1", extra=frame)
    # Nothing of it has begun.
    assert part in session.ended()
