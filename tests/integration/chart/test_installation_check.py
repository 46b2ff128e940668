"""The program of `helm test`, run here against a real API server with the token of an account that has no rights."""

import base64
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest
import yaml

from tests.helm import CHART
from tests.integration.control_plane import ControlPlane

pytestmark = pytest.mark.integration


@pytest.fixture
def operator() -> Iterator[Callable[[int], str]]:
    """A health endpoint that answers with a given status."""
    servers: list[HTTPServer] = []

    def listen(status: int) -> str:
        class Health(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        server = HTTPServer(("127.0.0.1", 0), Health)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/healthz"

    yield listen
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def check(control_plane: ControlPlane, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, as it finds itself in a Pod of this namespace; it does not try again."""
    cluster = yaml.safe_load(control_plane.kubeconfig.read_text())["clusters"][0]["cluster"]
    control_plane.eventually(
        lambda: control_plane.kubectl("get", "serviceaccount", "default", "-n", namespace, check=False).returncode == 0
    )
    (tmp_path / "token").write_text(control_plane.kubectl("create", "token", "default", "-n", namespace).stdout)
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    server = urlsplit(cluster["server"])
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(server.hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    spec = importlib.util.spec_from_file_location("installed", CHART / "files" / "installed.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ACCOUNT", str(tmp_path))
    monkeypatch.setattr(module, "PATIENCE_SECONDS", -1)
    return module


def run(check: ModuleType, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["-c", url])
    check.main()


def test_a_good_installation_passes(
    check: ModuleType, operator: Callable[[int], str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(check, operator(200), monkeypatch)
    assert capsys.readouterr().out == "the API server serves MCPOptimizer and MCPServer\nthe operator is healthy\n"


def test_a_sick_operator_fails_with_the_reason(check: ModuleType, operator: Callable[[int], str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="check_health failed: HTTP Error 503"):
        run(check, operator(503), monkeypatch)


def test_a_missing_definition_fails_with_its_name(check: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "WANTED", {*check.WANTED, "mcpgateways"})
    with pytest.raises(SystemExit, match=r"not served: mcpgateways; install the CRDs \(crds.enabled=true\)"):
        run(check, "http://127.0.0.1:9/", monkeypatch)
