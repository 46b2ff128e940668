"""What tests of the chart on a real API server share."""

import secrets
from collections.abc import Iterator

import pytest

from tests.integration.control_plane import ControlPlane


@pytest.fixture
def elsewhere(control_plane: ControlPlane) -> Iterator[str]:
    """Another namespace than the operator's own, as users have."""
    name = f"it-{secrets.token_hex(4)}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")
