"""Certificates must be good for exactly what they are made for."""

import ipaddress
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devcluster import pki


def test_a_client_certificate_carries_user_and_group_and_cannot_serve() -> None:
    client = pki.issue(pki.authority("ca"), "system:node:n", organization="system:nodes").certificate
    assert client.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:n"
    assert client.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"
    usage = client.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.CLIENT_AUTH in usage and ExtendedKeyUsageOID.SERVER_AUTH not in usage


def test_a_server_certificate_names_addresses_as_addresses_and_names_as_names() -> None:
    server = pki.issue(pki.authority("ca"), "s", hosts=["10.0.0.1", "kubernetes.default.svc"]).certificate
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.0.0.1")]
    assert names.get_values_for_type(x509.DNSName) == ["kubernetes.default.svc"]


def test_a_certificate_verifies_with_its_own_authority_only() -> None:
    ca, other = pki.authority("ca"), pki.authority("ca")
    leaf = pki.issue(ca, "x").certificate
    assert leaf.signature_hash_algorithm is not None
    algorithm = ec.ECDSA(leaf.signature_hash_algorithm)
    ca.key.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes, algorithm)
    with pytest.raises(InvalidSignature):
        other.key.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes, algorithm)


def test_no_private_key_is_readable_by_others(tmp_path: Path) -> None:
    pki.write_control_plane(tmp_path, hosts=["10.96.0.1"])
    keys = list(tmp_path.glob("*.key"))
    assert {"ca.key", "service-account.key", "apiserver.key", "etcd.key"} <= {key.name for key in keys}
    assert [key.name for key in keys if stat.S_IMODE(key.stat().st_mode) != 0o600] == []


def test_the_database_trusts_no_certificate_of_the_cluster(tmp_path: Path) -> None:
    roots = pki.write_control_plane(tmp_path, hosts=[])
    etcd_client = x509.load_pem_x509_certificate((tmp_path / "etcd-client.crt").read_bytes())
    assert etcd_client.issuer == roots.etcd.certificate.subject != roots.cluster.certificate.subject
