"""The committed CRDs and pages are what the models say, and the generators notice when they are not."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_optimizer_api import crd, reference

CHECKOUT = Path(__file__).resolve().parents[3]
CRDS = CHECKOUT / "crds"
CHART = CHECKOUT / "charts" / "mcp-operator" / "files" / "crds"
REFERENCE = CHECKOUT / "docs" / "reference"


def strings_of(node: Any) -> list[Any]:
    """Every schema of type string below this one."""
    if not isinstance(node, dict):
        return []
    found = [node] if node.get("type") == "string" else []
    return found + [below for value in node.values() for below in strings_of(value)]


def test_the_committed_definitions_are_up_to_date() -> None:
    assert crd.main(["--check", str(CRDS), str(CHART)]) == 0


def test_the_committed_reference_is_up_to_date() -> None:
    assert reference.main(["--check", str(REFERENCE)]) == 0


@pytest.mark.parametrize("module", [crd, reference])
def test_a_stale_file_is_named(module: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main([str(tmp_path)]) == 0
    assert module.main(["--check", str(tmp_path)]) == 0
    stale = sorted(tmp_path.iterdir())[0]
    stale.write_text(stale.read_text() + "\n")
    assert module.main(["--check", str(tmp_path)]) == 1
    assert str(stale) in capsys.readouterr().err


@pytest.mark.parametrize("module", [crd, reference])
def test_a_missing_file_is_named(module: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main(["--check", str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.kind)
def test_the_text_is_the_definition(kind: crd.Kind) -> None:
    assert yaml.safe_load(crd.documents()[f"{kind.plural}.yaml"]) == crd.definition(kind)


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.kind)
def test_every_rule_says_what_to_do(kind: crd.Kind) -> None:
    def messages(node: Any) -> list[str]:
        if isinstance(node, list):
            return [message for item in node for message in messages(item)]
        if not isinstance(node, dict):
            return []
        own = [stated["message"] for stated in node.get("x-kubernetes-validations", [])]
        return own + [message for value in node.values() for message in messages(value)]

    verbs = ("lower", "raise", "remove", "set ", "add ", "write ", "must be", "must not", "must be given")
    found = messages(crd.root_schema(kind))
    assert len(found) > 10
    assert [message for message in found if not any(verb in message for verb in verbs)] == []


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.kind)
def test_every_field_is_described_on_its_page(kind: crd.Kind) -> None:
    page = (REFERENCE / f"{kind.kind.lower()}.md").read_text()
    for name in crd.root_schema(kind)["properties"]["spec"]["properties"]:
        line = next(line for line in page.splitlines() if line.startswith(f"| `spec.{name}`"))
        assert line.rsplit("|", 2)[1].strip(), f"spec.{name} has no description"
