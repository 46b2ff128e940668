"""`python -m devcluster`: see docs/devcluster.md. Progress goes to stderr; stdout carries only what a script wants to read."""

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from devcluster import boot, debian, toolchain
from devcluster.control_plane_only import ControlPlaneOnly
from devcluster.errors import ClusterError
from devcluster.existing import Existing, kubeconfig_path
from devcluster.kind import Kind
from devcluster.layout import Layout
from devcluster.local import Local
from devcluster.progress import Progress
from devcluster.provider import NAMES, Provider, choose, run

# States that a provider reports for something that works.
UP = ("running", "Ready", "ready")


def find_checkout(start: Path) -> Path:
    """The checkout that contains this folder; the folder itself when there is none."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    return start


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m devcluster", description="A Kubernetes cluster for development and tests.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--control-plane-only", action="store_true", help="etcd, API server and controller-manager only: no root, no Pods")
    common.add_argument("--provider", choices=NAMES, help="instead of $CLUSTER or the automatic choice")
    common.add_argument("--name", help="several clusters per checkout (default: local, or control-plane)")
    commands = top.add_subparsers(dest="command", required=True)
    for name, text in (
        ("up", "make the cluster ready; prints the kubeconfig's path last"),
        ("down", "remove the cluster and every trace of it"),
        ("kubeconfig", "print the kubeconfig's path"),
    ):
        commands.add_parser(name, parents=[common], help=text)
    status = commands.add_parser("status", parents=[common], help="print the state of every component")
    status.add_argument("--quiet", action="store_true", help="print only `running`; or nothing, with exit code 1")
    load = commands.add_parser("load", parents=[common], help="put images onto the node")
    load.add_argument("archives", nargs="+", type=Path, metavar="ARCHIVE.tar")
    restart = commands.add_parser("restart", parents=[common], help="end one component of a local cluster and start it again")
    restart.add_argument("component")
    commands.add_parser(
        "install-deps", parents=[common], help="install the Debian packages that the local provider needs (root), or list them"
    )
    tool = commands.add_parser("tool", help="print the path of a built program, building it when needed")
    tool.add_argument("tool", choices=[one.name for one in toolchain.TOOLS])
    return top


def kind_of(arguments: argparse.Namespace) -> str:
    """Which provider the command line, the environment or this machine asks for."""
    return "local" if arguments.control_plane_only else choose(named=arguments.provider, environ=os.environ, runner=run)


def layout_of(arguments: argparse.Namespace, kind: str) -> Layout:
    """The cluster's folder in the checkout."""
    checkout = find_checkout(Path.cwd().resolve())
    return Layout(checkout, arguments.name or ("control-plane" if arguments.control_plane_only else kind))


def provider_of(arguments: argparse.Namespace, kind: str, layout: Layout, progress: Progress) -> Provider:
    """The provider itself, with the programs it needs."""
    if arguments.control_plane_only:
        return ControlPlaneOnly(layout, progress)
    if kind == "local":
        return Local(layout, progress)
    kubectl = toolchain.ensure(["kubectl"], progress) / "kubectl"
    if kind == "existing":
        return Existing(kubeconfig_path(os.environ), str(kubectl), progress)
    program = shutil.which("kind") or str(toolchain.ensure(["kind"], progress) / "kind")
    return Kind(layout, program, kubectl, progress)


def shown(path: Path, checkout: Path) -> str:
    """Relative to the checkout where possible: such a path can be shown and logged anywhere."""
    return str(path.relative_to(checkout)) if path.is_relative_to(checkout) else str(path)


def show_status(states: Mapping[str, str], *, quiet: bool) -> int:
    """A table for a person; or one word and an exit code for a script."""
    if not quiet:
        for name, state in states.items():
            print(f"{name}\t{state}")
        return 0
    running = all(state in UP for state in states.values())
    if running:
        print("running")
    return 0 if running else 1


def execute(arguments: argparse.Namespace) -> int:
    """Run one command; returns the exit code."""
    progress = Progress()
    if arguments.command == "tool":
        print(toolchain.ensure([arguments.tool], progress) / arguments.tool)
        return 0
    kind = kind_of(arguments)
    if arguments.command == "install-deps":
        if kind == "local":
            toolchain.require_go(toolchain.FULL)  # cannot be had from Debian: better known before its packages are installed
            debian.install(run, progress, packages=debian.missing_packages(), root=os.geteuid() == 0)
        return 0
    layout = layout_of(arguments, kind)
    if arguments.command == "restart":
        boot.restart(layout, arguments.component)
        return 0
    provider = provider_of(arguments, kind, layout, progress)
    if arguments.command == "status":
        return show_status(provider.status(), quiet=arguments.quiet)
    if arguments.command == "up":
        provider.up()
    elif arguments.command == "down":
        provider.down()
    elif arguments.command == "load":
        provider.load(arguments.archives)
    if arguments.command in ("up", "kubeconfig"):
        print(shown(provider.kubeconfig, layout.checkout))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 1 with one clear message when something the user can act on is wrong."""
    try:
        return execute(parser().parse_args(argv))
    except ClusterError as error:
        print(f"devcluster: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
