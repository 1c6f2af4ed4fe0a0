# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The cluster's certificate authority, the certificates that it signs and the kubeconfigs that carry them."""

from __future__ import annotations

import base64
import datetime
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.cluster.layout import Layout

_LIFETIME = datetime.timedelta(days=3650)
# Clocks of virtual machines step back after a resume; a certificate from the future is refused.
_BACKDATE = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Identity:
    """Who a certificate speaks for. `names` are the host names and addresses of a server, empty for a client."""

    file: str
    user: str
    groups: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def identities(layout: Layout) -> tuple[Identity, ...]:
    service = f"kubernetes.default.svc.{layout.domain}"
    parts = service.split(".")
    api_names = (
        "localhost",
        "127.0.0.1",
        str(layout.control.ip),
        str(layout.api_service),
        "kubernetes",
        *(".".join(parts[: 2 + index]) for index in range(len(parts) - 1)),
    )
    shared = (
        Identity("kube-apiserver", "kube-apiserver", names=api_names),
        Identity("kube-apiserver-kubelet-client", "kube-apiserver-kubelet-client", ("system:masters",)),
        Identity("admin", "avi-egress-admin", ("system:masters",)),
        Identity("kube-controller-manager", "system:kube-controller-manager"),
        Identity("kube-scheduler", "system:kube-scheduler"),
        Identity("kube-proxy", "system:kube-proxy"),
        Identity("kube-router", "avi:kube-router"),
        Identity("coredns", "avi:coredns"),
        Identity("allocator", "avi:allocator"),
    )
    of_nodes: list[Identity] = []
    for node in layout.nodes:
        of_nodes.append(Identity(f"{node.name}-kubelet", f"system:node:{node.name}", ("system:nodes",)))
        of_nodes.append(
            Identity(
                f"{node.name}-kubelet-server",
                f"system:node:{node.name}",
                names=(node.name, str(node.underlay.ip), str(node.underlay_v6.ip)),
            )
        )
    return (*shared, *of_nodes)


def create(layout: Layout) -> None:
    """Write the authority, every identity's `<file>.crt` and `<file>.key`, and the service account key."""
    layout.pki.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(f"avi-egress {layout.name}", authority_key)
    _write_key(layout.pki / "ca.key", authority_key)
    _write(layout.pki / "ca.crt", authority.public_bytes(serialization.Encoding.PEM))
    for identity in identities(layout):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _sign(identity, key, authority, authority_key)
        _write_key(layout.pki / f"{identity.file}.key", key)
        _write(layout.pki / f"{identity.file}.crt", certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(layout.pki / "service-accounts.key", ec.generate_private_key(ec.SECP256R1()))


def create_server(folder: Path, name: str, names: tuple[str, ...]) -> None:
    """Write an authority of its own, ``ca.crt``, and a certificate of it for a server, ``server.crt`` and its key."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _key in range(2))
    authority = _authority(name, authority_key)
    certificate = _sign(Identity("server", name, names=names), key, authority, authority_key)
    _write(folder / "ca.crt", authority.public_bytes(serialization.Encoding.PEM))
    _write(folder / "server.crt", certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(folder / "server.key", key)


def write_kubeconfig(layout: Layout, identity: str, server: str, path: Path) -> None:
    """A self-contained kubeconfig: it may be copied anywhere."""

    def embedded(name: str) -> str:
        return base64.b64encode((layout.pki / name).read_bytes()).decode()

    context = f"avi-{layout.name}"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": context, "cluster": {"server": server, "certificate-authority-data": embedded("ca.crt")}}
        ],
        "users": [
            {
                "name": identity,
                "user": {
                    "client-certificate-data": embedded(f"{identity}.crt"),
                    "client-key-data": embedded(f"{identity}.key"),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": identity}}],
        "current-context": context,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, yaml.safe_dump(content, sort_keys=False).encode())


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _authority(name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        _builder(subject, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _sign(
    identity: Identity,
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    # Kubernetes reads the user from CN and the groups from O.
    subject = x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups),
            x509.NameAttribute(NameOID.COMMON_NAME, identity.user),
        ]
    )
    usage = ExtendedKeyUsageOID.SERVER_AUTH if identity.names else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(subject, authority.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if identity.names:
        builder = builder.add_extension(x509.SubjectAlternativeName(_alternatives(identity.names)), critical=False)
    return builder.sign(authority_key, hashes.SHA256())


def _alternatives(names: Iterable[str]) -> list[x509.GeneralName]:
    result: list[x509.GeneralName] = []
    for name in names:
        try:
            result.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            result.append(x509.DNSName(name))
    return result


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    _write(
        path,
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ),
    )


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
