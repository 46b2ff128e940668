"""Files on their way into a Pod and out of it, against a job that means harm."""

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.agent_process import AgentProcess, Run, until

from mcp_optimizer_api import filenames
from mcp_sandbox import filenames as agents_rule

Start = Callable[..., AgentProcess]
LIMITS = {"maxCount": 5, "maxBytes": 100_000}


def left_behind(agent: AgentProcess, code: str, *, files: dict[str, bytes] | None = None, **start: Any) -> Run:
    """Run code of which files are taken."""
    link = agent.connect()
    notices = [{"name": name, "size": len(data)} for name, data in (files or {}).items()]
    link.send({**agent.start(code), "artifacts": LIMITS, "files": notices, **start})
    for data in (files or {}).values():
        for at in range(0, len(data), 1000):
            link.send({"type": "file", "data": base64.b64encode(data[at : at + 1000]).decode()})
    return link.finish()


def taken(run: Run) -> dict[str, bytes]:
    """The files by name."""
    found: dict[str, bytes] = {}
    for frame in run.frames:
        if frame["type"] == "artifact":
            found[frame["name"]] = found.get(frame["name"], b"") + base64.b64decode(frame["data"])
    return found


def reasons(run: Run) -> dict[str, str]:
    """Why others were not taken."""
    return {item["name"]: item["reason"] for item in run.result["leftOut"]}


def test_files_are_there_before_the_code_runs_and_those_it_leaves_come_before_the_result(agent: AgentProcess) -> None:
    data = os.urandom(5500)
    code = "(artifacts / 'x').mkdir()\n(artifacts / 'x/copy').write_bytes((files / 'd/e.bin').read_bytes())\nsorted(str(f) for f in files.rglob('*'))"
    run = left_behind(agent, code, files={"d/e.bin": data, "zero": b""})
    assert [os.path.basename(name) for name in run.result["value"]] == ["d", "e.bin", "zero"]
    assert taken(run) == {"x/copy": data}
    assert agent.wait() == 0


def test_a_job_that_failed_or_was_killed_leaves_its_files_too(start: Start) -> None:
    for code, kind in (("1/0", "exception"), ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "killed")):
        run = left_behind(start(), f"(artifacts / 'log').write_text('so far')\n{code}")
        assert (run.kind, taken(run)) == (kind, {"log": b"so far"})


def test_only_regular_files_with_one_plain_name_are_taken(agent: AgentProcess, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the Pod")
    code = """
import os, socket
os.chdir(artifacts)
os.symlink("/etc/passwd", "link"); os.symlink("..", "up"); os.mkfifo("pipe")
open("one", "w").write("1"); os.link("one", "two"); os.link("../secret", "hard")
open(b"\\xff", "w"); open("line\\nfeed", "w"); open("right\\u202eleft", "w"); open("back\\\\slash", "w")
socket.socket(socket.AF_UNIX).bind("socket")
os.makedirs("/".join("abcdefghi")); open("/".join("abcdefghi") + "/deep", "w")
with open("sparse", "w") as file: file.truncate(10**8)
open("closed", "w").write("x"); os.chmod("closed", 0)
open("good", "w").write("good")
"""
    run = left_behind(agent, code)
    assert run.result["ok"], run.result
    # The superuser, who runs these tests, opens what is closed.
    assert {name: data for name, data in taken(run).items() if name != "closed"} == {"good": b"good"}
    told = reasons(run)
    for name, reason in {
        "link": "symbolic link",
        "up": "symbolic link",
        "pipe": "a pipe",
        "socket": "a socket",
        "one": "2 names",
        "two": "2 names",
        "hard": "2 names",
        "?": "control characters",
        "line?feed": "control characters",
        "right?left": "invisible",
        "back?slash": "backslash",
        "a/b/c/d/e/f/g/h": "more than 7 folders deep",
        "sparse": "100000000 bytes",
    }.items():
        assert reason in told[name], (name, told)


def test_a_flood_of_names_and_a_folder_that_is_a_link_are_no_way_out(start: Start) -> None:
    run = left_behind(start(), "for number in range(3000): (artifacts / f'{number:04}').symlink_to('/')")
    assert (taken(run), len(run.result["leftOut"])) == ({}, 51)
    run = left_behind(start(), "import os\nos.rename(artifacts, 'other'); os.symlink('/etc', artifacts)")
    assert taken(run) == {}
    assert "cannot be opened" in reasons(run)["artifacts"]


def test_every_process_of_the_job_is_dead_before_the_first_file_is_read(agent: AgentProcess) -> None:
    """One that outlived the code could swap a file for a link at the right moment."""
    code = """
import os, time
(artifacts / "big").write_bytes(b"x" * 30_000_000)
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.setsid()
    os.write(write, b"x")
    time.sleep(600)
os.read(read, 1)
print([int(name) for name in os.listdir("/proc") if name.isdigit() and os.stat(f"/proc/{name}").st_uid == os.getuid()][-1])
"""
    code = code.replace("if os.fork() == 0:", "child = os.fork()\nif child == 0:").replace(code.splitlines()[-1], "print(child)")
    link = agent.connect()
    link.send({**agent.start(code), "artifacts": {"maxCount": 1, "maxBytes": 40_000_000}})
    frames: list[dict[str, Any]] = []
    # What is read here leaves most of the file unsent: the agent is in the middle of it.
    until("the first piece", lambda: frames.append(link.receive()) or frames[-1]["type"] == "artifact")
    child = int(Run(frames).printed())
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_server_that_takes_nothing_holds_the_pod_for_seconds_only(agent: AgentProcess) -> None:
    link = agent.connect()
    limits = {"maxCount": 1, "maxBytes": 50_000_000}
    link.send({**agent.start("(artifacts / 'big').write_bytes(b'x' * 50_000_000)"), "artifacts": limits})
    assert agent.wait() in (0, 4)
    link.sock.close()


def test_a_server_that_goes_away_in_the_middle_ends_the_pod(agent: AgentProcess) -> None:
    link = agent.connect()
    limits = {"maxCount": 1, "maxBytes": 50_000_000}
    link.send({**agent.start("(artifacts / 'big').write_bytes(b'x' * 50_000_000)"), "artifacts": limits})
    until("the first piece", lambda: link.receive()["type"] == "artifact")
    link.sock.close()
    assert agent.wait() in (0, 4)


@pytest.mark.parametrize(
    ("notice", "part"),
    [
        ({"name": "../x", "size": 1}, "names that lead below"),
        ({"name": "/x", "size": 1}, "names that lead below"),
        ({"name": "x"}, "sizes between"),
        ({"name": "x", "size": -1}, "sizes between"),
    ],
)
def test_a_start_with_impossible_files_is_refused(agent: AgentProcess, notice: dict[str, Any], part: str) -> None:
    link = agent.connect()
    link.send({**agent.start("1"), "files": [notice]})
    assert part in link.finish().result["message"]


def test_more_bytes_than_were_announced_end_the_job(agent: AgentProcess) -> None:
    link = agent.connect()
    link.send({**agent.start("1"), "files": [{"name": "x", "size": 3}]})
    link.send({"type": "file", "data": base64.b64encode(b"four").decode()})
    run = link.finish()
    assert (run.kind, "3 were left" in run.message) == ("cancelled", True)


def test_a_seed_makes_random_and_sets_the_same_in_two_pods(start: Start) -> None:
    code = "import random\n[random.random(), list({'a', 'b', 'c', 'd'}), hash('x')]"
    values = [left_behind(start(), code, seed=7).result["value"] for _ in range(2)]
    assert values[0] == values[1]


def test_agent_and_server_have_one_rule_for_names() -> None:
    names = ["a", "a/b", "a//b", "/a", "a/", ".", "a/..", "", "ä" * 127, "ä" * 128, "a/" * 8 + "a", "a/" * 7 + "a"]
    names += [f"x{chr(code)}y" for code in (*range(0x250), *range(0x2000, 0x2070), 0xD800, 0xDFFF, 0xFEFF, 0x1F600)]
    for name in names:
        assert agents_rule.why_no_name(name) == filenames.why_no_name(name), name
    assert filenames.why_no_name("data/Ümläut 1 (2).csv") is None
