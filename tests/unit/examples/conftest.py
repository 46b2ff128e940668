"""The example server is no installed package: its folder goes on the path for these tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "docs/examples/servers/acme"))

from acme.catalogue import Catalogue, load


@pytest.fixture
def acme() -> Catalogue:
    """The whole company, fresh for every test."""
    return load()


@pytest.fixture
def everything() -> Catalogue:
    """Every family there is, the public ones too."""
    from acme.catalogue import families

    return load(sorted(families()))
