"""Which images there are, and which files each of them is made of. A new image is one more line here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Base = Literal["python", "node"]


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image: its Dockerfile and the only files its build may see, so that an undeclared input breaks the build at once."""

    name: str
    base: Base
    context: Path
    dockerfile: str
    inputs: tuple[str, ...]


ROOT = Path()
EXAMPLES = Path("docs/examples/servers")

IMAGES = (
    Image(
        name="mcp-operator",
        base="python",
        context=ROOT,
        dockerfile="operator/Dockerfile",
        inputs=("requirements/build.txt", "requirements/operator.txt", "api", "operator"),
    ),
    Image(
        name="mcp-optimizer-server",
        base="python",
        context=ROOT,
        dockerfile="server/Dockerfile",
        inputs=("requirements/build.txt", "requirements/server.txt", "api", "server"),
    ),
    Image(
        name="mcp-sandbox",
        base="python",
        context=ROOT,
        dockerfile="sandbox/Dockerfile",
        inputs=("requirements/build.txt", "sandbox"),
    ),
    Image(
        name="mcp-example-everything",
        base="node",
        context=EXAMPLES / "everything",
        dockerfile="Dockerfile",
        inputs=("package.json", "package-lock.json"),
    ),
    Image(
        name="mcp-example-acme",
        base="python",
        context=EXAMPLES / "acme",
        dockerfile="Dockerfile",
        inputs=("requirements.txt", "acme"),
    ),
    Image(
        name="mcp-conformance-fixture",
        base="python",
        context=Path("tests/conformance/fixture"),
        dockerfile="Dockerfile",
        inputs=("requirements.txt", "conformance_fixture"),
    ),
)


def named(names: list[str]) -> tuple[Image, ...]:
    """The images of these names, all of them when none is named."""
    known = {image.name: image for image in IMAGES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no image named {', '.join(unknown)}: choose from {', '.join(known)}")
    return tuple(known[name] for name in names) or IMAGES
