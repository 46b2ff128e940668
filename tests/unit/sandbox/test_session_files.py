"""Files that come with a run of a session and those that it leaves, against a job that had earlier runs to prepare in."""

import base64
import json
import os
import resource
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from tests.agent_process import AgentProcess, Run, Session, state_of, until, worker_of

from .test_files import taken

LIMITS = {"maxCount": 3, "maxBytes": 100_000}


class Desk:
    """A session of whose runs files are taken."""

    def __init__(self, agent: AgentProcess, code: str) -> None:
        self.session = Session(agent, code)
        assert self.session.first.result["ok"], self.session.first.result

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


def test_what_a_mapping_changes_and_what_is_touched_is_taken_again(agent: AgentProcess) -> None:
    desk = Desk(
        agent,
        "import mmap\n(artifacts / 'm').write_bytes(b'0' * 5000)\nf = open(artifacts / 'm', 'r+b')\nm = mmap.mmap(f.fileno(), 0)\nm[0:1] = b'1'",
    )
    assert taken(desk.run("None"))["m"] == b"1" + b"0" * 4999
    assert taken(desk.run("m[0:1] = b'2'\nm.flush()"))["m"] == b"2" + b"0" * 4999
    assert taken(desk.run("None")) == {}
    assert taken(desk.run("(artifacts / 'm').touch()"))["m"] == b"2" + b"0" * 4999


def test_what_is_too_much_to_compare_keeps_no_new_file_out(agent: AgentProcess) -> None:
    desk = Desk(agent, "1")
    for name in "abcd":
        assert [*taken(desk.run(f"(artifacts / '{name}').write_bytes(b'{name}' * 80_000)\nNone"))] == [name]
    assert taken(desk.run("None")) == {}


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
        "(artifacts / 'big').write_bytes(b'x' * 15_000_000)\nticks = []\n"
        "threading.Thread(target=lambda: [(ticks.append(1), time.sleep(0.001)) for _ in iter(int, 1)], daemon=True).start()\n"
        "child = subprocess.Popen(['sleep', '300'])\nprint(child.pid)"
    )
    desk.begin(code, artifacts={"maxCount": 1, "maxBytes": 20_000_000})
    frames: list[dict[str, Any]] = []
    until("the first piece", lambda: frames.append(desk.session.link.receive()) or frames[-1]["type"] == "artifact")
    assert state_of(worker_of(agent)) == "T"
    child = int(Run(frames).printed())
    until("the child to be dead", lambda: state_of(child) in ("Z", ""))
    rest = desk.session.finish()
    assert len(taken(Run(frames))["big"]) + len(taken(rest)["big"]) == 15_000_000
    assert (rest.result["open"], desk.run("len(ticks) > 0").result["value"]) == (True, True)


def test_a_session_that_ends_in_the_middle_of_its_files_sends_no_more_of_them(agent: AgentProcess) -> None:
    desk = Desk(agent, "1")
    desk.begin("(artifacts / 'big').write_bytes(b'x' * 15_000_000)\n1", artifacts={"maxCount": 1, "maxBytes": 20_000_000})
    until("the first piece", lambda: desk.session.link.receive()["type"] == "artifact")
    desk.session.link.send({"type": "cancel"})
    # Nobody reads meanwhile, so most of the file is still to be sent.
    until("the worker to be dead", lambda: not agent.children())
    last = desk.session.finish()
    assert (last.kind, last.result["open"]) == ("cancelled", False)
    assert len(taken(last).get("big", b"")) < 15_000_000
    assert agent.wait() == 0


def test_a_run_that_was_over_before_its_session_has_its_result(agent: AgentProcess) -> None:
    desk = Desk(agent, "1")
    desk.begin("(artifacts / 'big').write_bytes(b'x' * 15_000_000)\n7", artifacts={"maxCount": 1, "maxBytes": 20_000_000})
    until("the first piece", lambda: desk.session.link.receive()["type"] == "artifact")
    agent.process.terminate()
    until("the worker to be dead", lambda: not agent.children())
    last = desk.session.finish()
    assert (last.kind, last.result["value"], last.result["open"]) == ("", 7, False)
    assert "the session ended before" in last.result["leftOut"][-1]["reason"]


def test_files_that_a_server_takes_too_slowly_come_with_the_next_run(agent: AgentProcess) -> None:
    desk = Desk(agent, "(artifacts / 'a').write_text('a')\n(artifacts / 'z').write_text('z')")
    assert taken(desk.run("1")) == {"a": b"a", "z": b"z"}
    more = {"maxCount": 2, "maxBytes": 20_000_000}
    desk.begin("(artifacts / 'big').write_bytes(b'x' * 15_000_000)\n2", artifacts=more)
    # Nobody reads until the agent has given up, four seconds after the first piece.
    until("the first piece", lambda: desk.session.link.receive()["type"] == "artifact")
    time.sleep(6)
    slow = desk.session.finish()
    assert (slow.result["value"], slow.result["leftOut"][0]["reason"][:20]) == (2, "the rest was not tak")
    assert {name: len(data) for name, data in taken(desk.run("3", artifacts=more)).items()} == {"big": 15_000_000}


def test_a_client_that_leaves_while_its_files_come_ends_the_session(agent: AgentProcess) -> None:
    desk = Desk(agent, "1")
    desk.session.begin("1", extra={"files": [{"name": "x", "size": 10}]})
    desk.session.link.send({"type": "cancel"})
    last = desk.session.finish()
    assert (last.kind, last.result["open"]) == ("cancelled", False)
    assert agent.wait() == 0


def test_the_time_of_a_run_counts_while_its_files_come(agent: AgentProcess) -> None:
    session = Session(agent, "1")
    session.begin("1", extra={"files": [{"name": "x", "size": 10}]}, timeoutSeconds=0.3)
    last = session.finish()
    assert (last.kind, last.result["open"]) == ("timeout", False)


@pytest.mark.parametrize("then", ["", "import os\nsignal.signal(signal.SIGCONT, lambda *_: os.kill(os.getpid(), signal.SIGSTOP))\n"])
def test_a_job_that_has_itself_continued_while_files_come_ends_its_session(agent: AgentProcess, then: str) -> None:
    """Also one that stops itself again, before anybody asks."""
    code = (
        f"import ctypes, signal, struct\n{then}libc, timer = ctypes.CDLL(None), ctypes.c_void_p()\n"
        "assert libc.timer_create(1, struct.pack('Pii48x', 0, signal.SIGCONT, 0), ctypes.byref(timer)) == 0\n"
        "assert libc.timer_settime(timer, 0, struct.pack('qqqq', 0, 0, 0, 500_000_000), None) == 0"
    )
    session = Session(agent, code)
    session.begin("1", extra={"files": [{"name": "x", "size": 1}]})
    last = session.finish()
    assert (last.kind, "went on by itself" in last.message, last.result["open"]) == ("killed", True, False)


@pytest.mark.parametrize("artifacts", [None, LIMITS])
def test_a_result_that_was_forged_for_the_next_run_does_not_let_the_job_go_on(agent: AgentProcess, artifacts: Any) -> None:
    """It lies in the agent's buffer when that run begins."""
    frames = [json.dumps({"type": "result", "run": number, "ok": True, "value": "forged"}).encode() for number in (1, 2)]
    both = b"".join(struct.pack(">I", len(frame)) + frame for frame in frames)
    thread = "import threading, time\nthreading.Thread(target=lambda: [time.sleep(0.01) for _ in iter(int, 1)], daemon=True).start()\n"
    session = Session(agent, f"{thread}(artifacts / 'a').write_text('a')\ncall.__self__._sock.sendall({both!r})\ntime.sleep(20)")
    assert session.first.result["value"] == "forged"
    session.begin("2", extra={"files": [{"name": "x", "size": 1}], "artifacts": artifacts})
    time.sleep(0.3)
    assert state_of(worker_of(agent)) == "T", "its files have not come"
    session.link.send({"type": "file", "data": "eA=="})
    assert session.finish().result["value"] == "forged"
    until("the worker to stand still", lambda: state_of(worker_of(agent)) == "T")
    time.sleep(0.3)
    assert state_of(worker_of(agent)) == "T"


def test_a_thread_in_a_long_system_call_has_left_it_before_files_are_read(agent: AgentProcess, tmp_path: Path) -> None:
    code = (
        "import os, threading\nfile = os.open('grows', os.O_CREAT | os.O_WRONLY)\npiece = [b'x' * 400_000] * 100\nbegun = threading.Event()\n"
        "threading.Thread(target=lambda: (begun.set(), os.writev(file, piece)), daemon=True).start()\nbegun.wait()"
    )
    session = Session(agent, code)
    assert session.first.result["open"]
    size = (tmp_path / "grows").stat().st_size
    time.sleep(0.3)
    assert (tmp_path / "grows").stat().st_size == size


@pytest.mark.parametrize(
    ("trap", "reason"),
    [
        ("(files / 'x').mkdir()", "'x' could not be written below in/ (Is a directory)"),
        ("files.rmdir()\nfiles.symlink_to('..')", "'first' could not be written below in/ (Not a directory)"),
        ("files.rmdir()\nfiles.write_text('')", "'first' could not be written below in/ (Not a directory)"),
        ("(files / 'd').symlink_to('..')", "'d/y' could not be written below in/ (Not a directory)"),
    ],
    ids=["a-folder", "a-link", "a-file", "a-link-below"],
)
def test_a_file_that_cannot_be_written_fails_its_run_and_keeps_the_session(
    agent: AgentProcess, tmp_path: Path, trap: str, reason: str
) -> None:
    desk = Desk(agent, f"kept = 5\n{trap}")
    failed = desk.run("kept = 6", {"first": b"1" * 3000, "x": b"2" * 3000, "d/y": b"3"})
    assert (failed.kind, failed.result["open"]) == ("exception", True)
    assert "the code did not run" in failed.message and reason in failed.message and "remove that" in failed.message
    assert desk.run("kept").result["value"] == 5
    assert not {"first", "x", "y"} & set(os.listdir(tmp_path))


def test_nothing_stays_of_a_file_that_found_no_room(agent: AgentProcess) -> None:
    """Files of the agent's own are not limited; here its parent does that."""
    desk = Desk(agent, "1")
    resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (2500, 2500))
    failed = desk.run("1", {"small": b"1" * 2000, "large": b"2" * 3000, "after": b"3"})
    assert "'large' could not be written" in failed.message and "spec.sandbox.diskLimit" in failed.message
    assert desk.run("sorted(os.listdir('in'))").kind == "exception"
    assert desk.run("import os\nsorted(os.listdir('in'))").result["value"] == ["small"]


def test_files_that_are_links_or_pipes_of_the_job_are_replaced_not_followed(agent: AgentProcess, tmp_path: Path) -> None:
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
