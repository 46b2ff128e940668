"""The locked requirements of an image cannot drift away from what its rooms declare."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def declared(*rooms: str) -> set[str]:
    """Third-party dependencies of these rooms."""
    found: set[str] = set()
    for room in rooms:
        project = tomllib.loads((ROOT / room / "pyproject.toml").read_text())["project"]
        found |= {line for line in project["dependencies"] if not line.startswith("mcp-optimizer-api")}
    return found


def entries(name: str) -> set[str]:
    """Requirement lines of an .in file."""
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith(("#", "-c"))}


def pins(name: str) -> set[str]:
    """The pinned versions of a lock."""
    return {
        line.split()[0]
        for line in (ROOT / "requirements" / name).read_text().splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    }


@pytest.mark.parametrize(("lock", "rooms"), [("operator", ("api", "operator")), ("server", ("api", "server"))])
def test_an_image_locks_exactly_what_its_rooms_declare(lock: str, rooms: tuple[str, ...]) -> None:
    assert entries(f"{lock}.in") == declared(*rooms), f"bring requirements/{lock}.in in line with the rooms, then run make lock"


@pytest.mark.parametrize("lock", ["operator.txt", "server.txt", "build.txt"])
def test_images_ship_the_versions_that_the_tests_run_with(lock: str) -> None:
    assert pins(lock)
    assert pins(lock) <= pins("dev.txt")


def test_locks_name_no_package_index() -> None:
    for path in [*(ROOT / "requirements").glob("*.txt"), *(ROOT / "tests/conformance").glob("*/requirements.txt")]:
        assert "index-url" not in path.read_text()
        assert "://" not in path.read_text(), path
    for lock in ("docs/examples/servers/everything", "tests/conformance/suite"):
        assert '"resolved"' not in (ROOT / lock / "package-lock.json").read_text()
