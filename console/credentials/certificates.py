"""Certificates with which an application opens its connections to the gateway (RFC 8705 section 2.2, self-signed ones too).

What counts is the certificate itself, by its SHA-256: who signed it, and whether that one revoked it, is not asked.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from sqlalchemy import select

from ..accounts.models import Person
from ..applications.models import Application
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, serialise
from ..errors import Refused
from ..runtime import changed
from .models import ClientCertificate

MOST, FEWEST_BITS = 5, 2048


def parse_certificate(text: str) -> x509.Certificate:
    """The first of what was pasted, which in a chain is the caller's own."""
    if "PRIVATE KEY" in text:
        raise Refused(
            "That holds a private key: keep it where it is, and make a new one. Paste the certificate only.", "pem"
        )
    try:
        return x509.load_pem_x509_certificates(text.encode())[0]
    except ValueError:
        raise Refused("That is no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----.", "pem") from None


def register_certificate(application: Application, certificate: x509.Certificate, *, by: Person) -> ClientCertificate:
    """From now on the application may open connections with it where an API takes certificates."""
    digest = certificate.fingerprint(hashes.SHA256()).hex()
    serialise(f"certificate {digest}")
    _check(certificate)
    if len(certificates_of(application)) >= MOST:
        raise Refused(f"This application has {MOST} certificates already. Revoke one first.", "pem")
    query = select(ClientCertificate.id).where(
        ClientCertificate.digest == digest, ClientCertificate.revoked_at.is_(None)
    )
    if db.session.scalar(query) is not None:
        raise Refused("This certificate is registered already, here or by another application.", "pem")
    subject = certificate.subject.rfc4514_string()[:300]
    ends = certificate.not_valid_after_utc
    row = ClientCertificate(application_id=application.id, digest=digest, subject=subject, expires_at=ends)
    db.session.add(row)
    db.session.flush()
    changed()
    told = {"application": application.name, "subject": subject, "sha256": digest, "expires": ends}
    record(Action.CERTIFICATE_REGISTERED, row, by=by, changes=told)
    return row


def _check(certificate: x509.Certificate) -> None:
    if certificate.not_valid_after_utc <= now():
        raise Refused(f"This certificate expired on {certificate.not_valid_after_utc:%d %B %Y}.", "pem")
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < FEWEST_BITS:
        raise Refused(f"Its RSA key has {key.key_size} bits. Use {FEWEST_BITS} or more, or an elliptic curve.", "pem")
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise Refused("Its key is of a kind that gateways do not take. Use RSA or an elliptic curve.", "pem")


def revoke_certificate(row: ClientCertificate, *, by: Person) -> None:
    """Every node refuses it within two seconds, also on connections that are open."""
    if row.revoked_at is None:
        row.revoked_at = now()
        changed()
        record(Action.CERTIFICATE_REVOKED, row, by=by, changes={"application": row.application.name})


def certificates_of(application: Application) -> list[ClientCertificate]:
    query = select(ClientCertificate).where(ClientCertificate.application_id == application.id)
    query = query.where(ClientCertificate.revoked_at.is_(None))
    return list(db.session.scalars(query.order_by(ClientCertificate.id.desc()).limit(MOST)))
