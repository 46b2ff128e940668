"""What kopf's troubles look like to whoever reads the log."""

from types import SimpleNamespace
from typing import Any, cast

import kopf
import pytest
from tests.unit.operator.objects import SETTINGS

from mcp_operator.client import Client
from mcp_operator.errors import OperatorError
from mcp_operator.handlers import watch


async def test_refused_credentials_end_the_process_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(**_: Any) -> None:
        raise kopf.LoginError("Ran out of valid credentials.")

    async def stop() -> None:
        return

    monkeypatch.setattr(kopf, "operator", refuse)
    with pytest.raises(OperatorError, match=r"refuses the operator's credentials \(401\)"):
        await watch(SETTINGS, cast(Client, SimpleNamespace()), lambda *_: None, stop)
