# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Client certificates that an API server can be told to trust."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def write(folder: Path, user: str, group: str) -> None:
    """``client.crt``, its own authority, and ``client.key``, for one user of one group."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(user, group)
    authority = x509.BasicConstraints(ca=True, path_length=None)
    certificate = _builder(name, name, key).add_extension(authority, critical=True).sign(key, hashes.SHA256())
    _save(folder / "client", certificate, key)


def sign(folder: Path, user: str, group: str) -> tuple[Path, Path]:
    """The certificate and the key of another user, by the authority that ``write`` has left in the folder."""
    authority = x509.load_pem_x509_certificate((folder / "client.crt").read_bytes())
    signer = serialization.load_pem_private_key((folder / "client.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _builder(_name(user, group), authority.subject, key).sign(signer, hashes.SHA256())
    return _save(folder / user, certificate, key)


def _name(user: str, group: str) -> x509.Name:
    attributes = [(NameOID.COMMON_NAME, user), (NameOID.ORGANIZATION_NAME, group)]
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _save(base: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> tuple[Path, Path]:
    paths = base.with_suffix(".crt"), base.with_suffix(".key")
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[0].write_bytes(certificate.public_bytes(pem))
    paths[1].write_bytes(key.private_bytes(pem, pkcs8, plain))
    return paths
