"""The custom resource definitions, generated from the models.

`python -m mcp_optimizer_api.crd [--check] FOLDER...` writes mcpoptimizers.yaml and mcpservers.yaml into each folder, or says which of
them differ from the models.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from .cel import VALIDATIONS, rule
from .names import GROUP, VERSION
from .optimizer import MCPOptimizerSpec, MCPOptimizerStatus
from .schema import Defaults, structural
from .server import MCPServerSpec, MCPServerStatus
from .yaml_text import to_yaml

NAME_RULE = rule(
    "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')",
    "metadata.name must be a DNS label, because Services are named after it: at most 63 lower-case letters, digits and '-',"
    " beginning with a letter and not ending with '-'",
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of `kubectl get`; priority 1 shows with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0

    def manifest(self) -> dict[str, Any]:
        """As the CRD states it."""
        return {"name": self.name, "type": self.type, "jsonPath": self.path, **({"priority": self.priority} if self.priority else {})}


READY = (
    Column(name="Ready", path='.status.conditions[?(@.type=="Ready")].status'),
    Column(name="Reason", path='.status.conditions[?(@.type=="Ready")].reason', priority=1),
)
AGE = Column(name="Age", path=".metadata.creationTimestamp", type="date")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One custom resource: its models and how kubectl shows it."""

    kind: str
    plural: str
    short: str
    description: str
    spec: type[BaseModel]
    status: type[BaseModel]
    spec_optional: bool
    columns: tuple[Column, ...]


KINDS = (
    Kind(
        kind="MCPOptimizer",
        plural="mcpoptimizers",
        short="mcpo",
        description="The one MCP endpoint that a team's agents connect to: it federates MCPServers and runs code in sandboxes.",
        spec=MCPOptimizerSpec,
        status=MCPOptimizerStatus,
        spec_optional=True,
        columns=(
            *READY,
            Column(name="Desired", path=".spec.replicas", type="integer", priority=1),
            Column(name="Replicas", path=".status.replicas", type="integer"),
            Column(name="Available", path=".status.readyReplicas", type="integer"),
            Column(name="Servers", path=".status.totals.ready", type="integer"),
            Column(name="Tools", path=".status.totals.tools", type="integer"),
            Column(name="Warm", path=".status.sandboxes.warm", type="integer"),
            Column(name="P95ms", path=".status.metrics.p95Ms", type="number"),
            Column(name="Saved%", path=".status.metrics.tokensSavedPercent", type="number"),
            Column(name="Endpoint", path=".status.endpoint", priority=1),
            AGE,
        ),
    ),
    Kind(
        kind="MCPServer",
        plural="mcpservers",
        short="mcps",
        description="Anything that offers MCP tools: a container image that this cluster runs, or a server that runs elsewhere.",
        spec=MCPServerSpec,
        status=MCPServerStatus,
        spec_optional=False,
        columns=(
            *READY,
            Column(name="Tools", path=".status.tools.count", type="integer"),
            Column(name="Replicas", path=".status.replicas", type="integer"),
            Column(name="Available", path=".status.readyReplicas", type="integer"),
            Column(name="Image", path=".spec.image", priority=1),
            Column(name="URL", path=".status.endpoint", priority=1),
            AGE,
        ),
    ),
)


def root_schema(kind: Kind) -> dict[str, Any]:
    """The schema of the whole object."""
    spec = structural(kind.spec, defaults=Defaults.STORED)
    if kind.spec_optional:
        spec["default"] = {}
    return {
        "type": "object",
        "description": kind.description,
        **({} if kind.spec_optional else {"required": ["spec"]}),
        VALIDATIONS: [NAME_RULE],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": structural(kind.status, defaults=Defaults.NONE),
        },
    }


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition object."""
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [kind.short],
                "categories": ["mcp"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}, "scale": scale},
                    "additionalPrinterColumns": [column.manifest() for column in kind.columns],
                    "schema": {"openAPIV3Schema": root_schema(kind)},
                }
            ],
        },
    }


def documents() -> dict[str, str]:
    """File name to content."""
    head = "# Generated from api/src/mcp_optimizer_api by `make crds`; change the models, not this file.\n"
    return {f"{kind.plural}.yaml": head + to_yaml(definition(kind)) for kind in KINDS}


def main(arguments: list[str] | None = None) -> int:
    """Write, or with --check compare; 1 when something differs."""
    parser = argparse.ArgumentParser(prog="python -m mcp_optimizer_api.crd", description="Write the CRDs generated from the models.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name each file that differs")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)
    return write_or_check({folder / name: text for folder in options.folders for name, text in documents().items()}, check=options.check)


def write_or_check(files: dict[Path, str], *, check: bool) -> int:
    """Write the generated files, or name those that are not what would be written."""
    failed = 0
    for path, text in files.items():
        if check:
            if not path.exists() or path.read_text() != text:
                sys.stderr.write(f"{path} differs from the models: run `make crds docs` and commit the result\n")
                failed = 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return failed


if __name__ == "__main__":
    sys.exit(main())
