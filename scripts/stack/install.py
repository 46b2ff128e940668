"""Bring the product onto the cluster in use: images built and loaded, chart installed, examples applied."""

import json
import subprocess
import sys
from typing import Any

import yaml

from .shell import ROOT, CommandError, devcluster, helm, kubectl

NAMESPACE = "mcp-system"
RELEASE = "mcp-operator"
DEMO_NAMESPACE = "mcp-demo"
EXAMPLES = ROOT / "docs" / "examples"
CHART_IMAGES = {"operator": "mcp-operator", "server": "mcp-optimizer-server", "sandbox": "mcp-sandbox"}


def build_images() -> dict[str, dict[str, str]]:
    """Build what changed, with progress on the terminal; `{name: {ref, archive}}` of every image."""
    done = subprocess.run([sys.executable, "-m", "scripts.images"], cwd=ROOT, timeout=2400)
    if done.returncode:
        raise CommandError(f"make images: exit {done.returncode}; the reason is above")
    images: dict[str, dict[str, str]] = json.loads((ROOT / ".build" / "images.json").read_text())
    return images


def load_images(images: dict[str, dict[str, str]]) -> None:
    """Load the archives whose images the nodes do not list yet; a reference names the content, so one that is there is right."""
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    present = set.intersection(*({name for image in node["status"].get("images", []) for name in image["names"]} for node in nodes))
    missing = [entry["archive"] for entry in images.values() if entry["ref"] not in present]
    if missing:
        devcluster("load", *missing)


def helm_values(images: dict[str, dict[str, str]]) -> list[str]:
    """`--set` words that point the chart at the images built here."""
    words = []
    for key, name in CHART_IMAGES.items():
        repository, tag = images[name]["ref"].rsplit(":", 1)
        registry, repository = repository.split("/", 1)
        words += [
            "--set",
            f"images.{key}.registry={registry}",
            "--set",
            f"images.{key}.repository={repository}",
            "--set-string",
            f"images.{key}.tag={tag}",
        ]
    return words


def install_chart(images: dict[str, dict[str, str]], *extra: str) -> None:
    """Install or upgrade the operator and wait until it is ready."""
    helm(
        "upgrade", "--install", RELEASE, "charts/mcp-operator", "--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "180s",
        *helm_values(images), *extra,
    )  # fmt: skip


def uninstall_chart() -> None:
    """Remove the operator; its CRDs stay unless the chart was told otherwise."""
    helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found", "--wait", "--timeout", "120s")


def example(name: str, images: dict[str, dict[str, str]], namespace: str = DEMO_NAMESPACE) -> list[dict[str, Any]]:
    """The documents of docs/examples/NAME.yaml, with the example images replaced by those built here.

    In the committed manifests an example image is written `localhost/NAME:dev` and the demo's namespace is named in one URL; everything
    else stays as users see it.
    """
    text = (EXAMPLES / f"{name}.yaml").read_text().replace(f".{DEMO_NAMESPACE}.svc", f".{namespace}.svc")
    for image, entry in images.items():
        text = text.replace(f"localhost/{image}:dev", entry["ref"])
    return [document for document in yaml.safe_load_all(text) if document]


def apply(documents: list[dict[str, Any]], namespace: str) -> None:
    """`kubectl apply` of the documents."""
    kubectl("-n", namespace, "apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
