"""A job never gets so much memory that its agent would go down with it."""

from pathlib import Path

import pytest

from mcp_sandbox.memory import AGENT_BYTES, container_limit, job_memory
from mcp_sandbox.request import MIB


@pytest.mark.parametrize(
    ("limit", "wanted", "given"),
    [
        (512 * MIB, 512 * MIB, 512 * MIB - AGENT_BYTES),
        (512 * MIB, 100 * MIB, 100 * MIB),
        (64 * MIB, 64 * MIB, 48 * MIB),
        (1 << 62, 512 * MIB, 512 * MIB),
    ],
)
def test_the_agents_share_is_kept_back(tmp_path: Path, limit: int, wanted: int, given: int) -> None:
    (tmp_path / "max").write_text(f"{limit}\n")
    assert job_memory(wanted, container_limit((str(tmp_path / "none"), str(tmp_path / "max")))) == given


def test_without_a_limit_the_total_counts(tmp_path: Path) -> None:
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "meminfo").write_text("MemTotal:         524288 kB\nMemFree: 1 kB\n")
    limit = container_limit((str(tmp_path / "max"),), str(tmp_path / "meminfo"))
    assert job_memory(512 * MIB, limit) == 512 * MIB - AGENT_BYTES


def test_where_nothing_is_known_the_promise_holds(tmp_path: Path) -> None:
    assert job_memory(5, container_limit((str(tmp_path / "none"),), str(tmp_path / "none"))) == 5
