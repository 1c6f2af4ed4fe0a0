# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Certificates and kubeconfigs, as the TLS and Kubernetes clients read them."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.cluster import pki
from tests.cluster.layout import Layout


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    made = Layout("pki", state_root=tmp_path_factory.mktemp("state"))
    pki.create(made)
    return made


def _load(layout: Layout, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((layout.pki / f"{name}.crt").read_bytes())


def test_every_identity_is_signed_by_the_authority(layout: Layout) -> None:
    authority = _load(layout, "ca")
    for identity in pki.identities(layout):
        _load(layout, identity.file).verify_directly_issued_by(authority)


def test_user_and_groups_are_where_kubernetes_reads_them(layout: Layout) -> None:
    subject = _load(layout, "node1-kubelet").subject
    assert [name.value for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["system:node:node1"]
    assert [name.value for name in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["system:nodes"]


def test_the_api_server_answers_to_all_its_names(layout: Layout) -> None:
    extension = _load(layout, "kube-apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName)
    names = set(extension.value.get_values_for_type(x509.DNSName))
    addresses = {str(address) for address in extension.value.get_values_for_type(x509.IPAddress)}
    assert addresses == {"127.0.0.1", "10.89.0.10", "10.96.0.1"}
    assert names == {
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster",
        "kubernetes.default.svc.cluster.local",
    }


def test_keys_are_the_owners_alone_and_fit_their_certificates(layout: Layout) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for identity in pki.identities(layout):
        key = layout.pki / f"{identity.file}.key"
        assert key.stat().st_mode & 0o077 == 0
        context.load_cert_chain(layout.pki / f"{identity.file}.crt", key)


def test_a_kubeconfig_needs_no_other_file(layout: Layout, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    pki.write_kubeconfig(layout, "admin", "https://127.0.0.1:16443", path)
    content = yaml.safe_load(path.read_text())
    (cluster,), (user,) = content["clusters"], content["users"]
    assert cluster["cluster"]["server"] == "https://127.0.0.1:16443"
    assert base64.b64decode(user["user"]["client-key-data"]) == (layout.pki / "admin.key").read_bytes()
    assert path.stat().st_mode & 0o077 == 0
