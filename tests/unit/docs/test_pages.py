"""What pages refer to exists: files, make targets, commands and options, resources."""

import argparse
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from devcluster.__main__ import parser
from mcp_optimizer_api.names import GROUP
from mcp_optimizer_api.optimizer import MCPOptimizerSpec
from mcp_optimizer_api.server import MCPServerSpec
from mcp_optimizer_api.status import ConditionType, Reason

CHECKOUT = Path(__file__).resolve().parents[3]
PAGES = [
    CHECKOUT / name
    for name in subprocess.run(["git", "ls-files", "*.md"], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout.split()
]
MODELS = {"MCPOptimizer": MCPOptimizerSpec, "MCPServer": MCPServerSpec}
# Named because it must not exist.
FORBIDDEN = ("operator/__init__.py",)
REFERENCE = {kind: CHECKOUT / "docs" / "reference" / f"{kind.lower()}.md" for kind in MODELS}
DEVCLUSTER = (CHECKOUT / "docs" / "devcluster.md").read_text()


def named(page: Path) -> str:
    return str(page.relative_to(CHECKOUT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_to_files_that_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_named_in_the_text_exist(page: Path) -> None:
    roots = ("api", "bench", "charts", "crds", "devcluster", "docs", "operator", "requirements", "sandbox", "scripts", "server", "tests")
    paths = re.findall(rf"`((?:{'|'.join(roots)})/(?:[\w-]+/)*(?:[\w-]+\.\w+)?)`", page.read_text())
    assert [path for path in paths if path not in FORBIDDEN and not (CHECKOUT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_make_targets_exist(page: Path) -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    known = set(re.findall(r"^([a-z0-9-]+):", makefile, flags=re.MULTILINE))
    known |= {f"bench-{path.stem}" for path in (CHECKOUT / "bench").glob("*.py") if "def main(" in path.read_text()}
    lines = re.findall(r"(?:`|^|= )make ((?:[a-z][a-z0-9-]*\b ?)+)", page.read_text(), flags=re.MULTILINE)
    assert [target for line in lines for target in line.split() if target not in known] == []


def manifests() -> Iterator[tuple[str, dict[str, object]]]:
    """Every resource of ours that a page shows as YAML, in a block or in a here-document."""
    for page in PAGES:
        text = filled(page.read_text())
        for block in re.findall(r"```yaml\n(.*?)```", text, re.S) + re.findall(r"<<\s*END\n(.*?)\nEND", text, re.S):
            for document in yaml.safe_load_all(block):
                if str(document.get("apiVersion", "")).startswith(f"{GROUP}/"):
                    yield named(page), document


def filled(text: str) -> str:
    """With the shell's variables replaced by something that they could hold."""
    return text.replace("$ACME", "localhost/mcp-example-acme:1")


@pytest.mark.parametrize(("page", "document"), list(manifests()))
def test_resources_on_pages_have_only_fields_that_the_api_knows(page: str, document: dict[str, object]) -> None:
    model = MODELS[str(document["kind"])].model_validate(document.get("spec", {}))
    assert model.model_dump(by_alias=True, exclude_unset=True, mode="json") == document.get("spec", {}), page


def command_line() -> tuple[set[str], set[str]]:
    """Commands and options of `python -m devcluster`."""
    choices = next(action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)).choices
    options = {word for sub in choices.values() for action in sub._actions for word in action.option_strings if word.startswith("--")}
    return set(choices), options - {"--help"}


def test_the_development_cluster_page_lists_every_command_and_option() -> None:
    commands, options = command_line()
    tables = re.findall(r"^\| `([a-z-]+)[^`]*` \|", DEVCLUSTER, flags=re.MULTILINE)
    assert set(tables) >= commands
    assert set(re.findall(r"^\| `(--[a-z-]+)[^`]*` \|", DEVCLUSTER, flags=re.MULTILINE)) == options


def test_the_contract_lists_every_command_of_the_development_cluster() -> None:
    listed = re.search(r"`python -m devcluster ([a-z|-]+)`", (CHECKOUT / "docs" / "contract.md").read_text())
    assert listed and set(listed[1].split("|")) == command_line()[0]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_conditions_and_reasons_on_pages_are_ones_that_the_operator_writes(page: Path) -> None:
    shown = re.findall(r"`([A-Z]\w+)=(?:True|False|Unknown)(?: ([A-Z]\w+))?`", page.read_text())
    types, reasons = {str(kind) for kind in ConditionType}, {"", *(str(reason) for reason in Reason)}
    assert [(kind, reason) for kind, reason in shown if kind not in types or reason not in reasons] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_fields_on_pages_exist_in_one_of_the_definitions(page: Path) -> None:
    known = set(re.findall(r"^\| `((?:spec|status)\.[\w.\[\]]+)`", "".join(REFERENCE[kind].read_text() for kind in MODELS), re.MULTILINE))
    known = {name.replace("[]", "") for name in known}
    named_here = re.findall(r"`(spec\.[a-z]\w+(?:\.[a-z]\w+)*|status\.[a-z]\w+(?:\.[a-z]\w+)*)`", page.read_text())
    assert [field for field in named_here if field not in known] == []
