"""Starting, recognising and ending processes, with real ones: the point is what the kernel says."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import process
from devcluster.errors import ClusterError
from devcluster.layout import Layout
from devcluster.process import Command

PATH = "/usr/bin:/bin"
STUBBORN = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    layout = Layout(tmp_path, "local")
    layout.make()
    yield layout
    process.sweep(layout)


def kernel_view(pid: int, name: str) -> bytes:
    """A file of /proc/PID; it reads as empty for a moment while the program is being replaced."""
    deadline = time.monotonic() + 20
    while not (content := Path(f"/proc/{pid}/{name}").read_bytes()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return content


def test_a_component_runs_with_our_marker_and_nothing_of_the_users_environment(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    pid = process.spawn(layout, Command("sleeper", ("sleep", "600"), {"EXTRA": "1"}), path=PATH)
    environ = kernel_view(pid, "environ")
    assert f"{process.MARKER}={layout.state}".encode() in environ and b"EXTRA=1" in environ and b"SECRET" not in environ
    assert process.recorded(layout, "sleeper") == pid and pid in process.marked(layout)


def test_a_recorded_pid_that_belongs_to_somebody_else_is_not_ours_and_is_never_signalled(layout: Layout) -> None:
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        (layout.pids / "sleeper").write_text(f'{{"pid": {stranger.pid}}}')
        assert process.recorded(layout, "sleeper") is None
        process.stop(layout, ["sleeper"])
        process.sweep(layout)
        assert stranger.poll() is None and not (layout.pids / "sleeper").exists()
    finally:
        stranger.kill()
        stranger.wait()


def test_processes_of_another_cluster_are_not_ours(layout: Layout, tmp_path: Path) -> None:
    other = Layout(tmp_path, "local-2")
    other.make()
    pid = process.spawn(other, Command("sleeper", ("sleep", "600")), path=PATH)
    process.sweep(layout)
    assert process.recorded(other, "sleeper") == pid
    process.sweep(other)
    assert process.recorded(other, "sleeper") is None


def test_a_process_that_ignores_sigterm_is_killed(layout: Layout) -> None:
    pid = process.spawn(layout, Command("stubborn", (sys.executable, "-c", STUBBORN)), path=PATH)
    while "ready" not in process.log_tail(layout, "stubborn"):
        assert process.is_ours(layout, pid)
    process.stop(layout, ["stubborn"], seconds=0.2)
    assert process.start_time(pid) is None


def test_a_lost_record_does_not_hide_a_process_from_the_sweep(layout: Layout) -> None:
    pid = process.spawn(layout, Command("sleeper", ("sleep", "600")), path=PATH)
    (layout.pids / "sleeper").unlink()
    process.sweep(layout)
    assert process.start_time(pid) is None


def test_a_restart_uses_the_same_command_line(layout: Layout) -> None:
    first = process.spawn(layout, Command("sleeper", ("sleep", "601")), path=PATH)
    second = process.restart(layout, "sleeper")
    assert second != first and process.start_time(first) is None
    assert kernel_view(second, "cmdline") == b"sleep\x00601\x00"


def test_restarting_an_unknown_component_names_the_known_ones(layout: Layout) -> None:
    process.spawn(layout, Command("sleeper", ("sleep", "600")), path=PATH)
    with pytest.raises(ClusterError, match=r"'etcd' is not part of cluster 'local' \(components: sleeper\)"):
        process.restart(layout, "etcd")


def test_an_ended_process_is_gone_even_before_anybody_waited_for_it(layout: Layout) -> None:
    child = subprocess.Popen(["sleep", "600"])
    os.kill(child.pid, signal.SIGKILL)
    left = process.wait_gone({child.pid: process.start_time(child.pid)}, seconds=10)
    assert left == {}
    child.wait()
