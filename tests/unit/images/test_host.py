"""The build borrows package settings of the host, never more than it needs."""

from pathlib import Path

import pytest
from scripts.images import host

LISTING = """\
:env:.default-timeout='180'
:env:.find-links='/opt/wheels'
global.index-url='https://mirror.example/simple'
global.cert='/etc/ca.pem'
global.timeout='5'
:env:.timeout='60'
"""


def test_pip_settings_of_the_environment_win_over_those_of_files() -> None:
    assert host.parse_pip(LISTING)["timeout"] == "60"


def test_folders_of_the_host_do_not_reach_the_build() -> None:
    body = host.pip_file(host.parse_pip(LISTING), ca=False)
    assert "index-url = https://mirror.example/simple" in body
    assert "/opt/wheels" not in body
    assert "cert" not in body


def test_a_ca_bundle_is_named_by_its_path_inside_the_build() -> None:
    assert f"cert = {host.CA_IN_BUILD}" in host.pip_file({"cert": "/etc/ca.pem"}, ca=True)
    assert f"cafile={host.CA_IN_BUILD}" in host.npm_file("https://registry.example/", ca=True)


def test_npm_without_a_registry_keeps_its_default() -> None:
    assert "registry" not in host.npm_file("undefined", ca=False)


def test_a_configured_bundle_that_does_not_exist_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in host.CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    there = tmp_path / "ca.pem"
    there.write_text("x")
    monkeypatch.setenv("SSL_CERT_FILE", str(there))
    assert host.ca_bundle({"cert": str(tmp_path / "missing.pem")}) == there
    monkeypatch.delenv("SSL_CERT_FILE")
    assert host.ca_bundle({}) is None


def test_what_is_mounted_is_private_to_the_builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "output", lambda *command: LISTING if "pip" in command else "")
    found = host.mounts(tmp_path)
    assert {host.PIP_FILE, host.NPM_FILE} <= {mount.target for mount in found}
    assert all(mount.source.stat().st_mode & 0o077 == 0 for mount in found)


def test_every_dockerfile_that_uses_npm_reads_the_borrowed_settings() -> None:
    root = Path(__file__).resolve().parents[3]
    users = [path for path in root.glob("docs/examples/servers/*/Dockerfile") if "RUN npm" in path.read_text()]
    assert users
    assert all(f"RUN npm ci --globalconfig={host.NPM_FILE} " in path.read_text() for path in users)
