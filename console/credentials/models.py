"""What applications prove themselves with, and the keys that sign and encrypt tokens."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship

from ..applications.models import Application
from ..db import Model, now
from .secrets import SealedValue

__all__ = [
    "ApiKey",
    "ClientCertificate",
    "ClientKey",
    "ClientSecret",
    "EncryptionKey",
    "KeyState",
    "SealedValue",
    "SigningKey",
    "Source",
]


class Credential:
    """What a client secret and an API key have in common: kept as a keyed hash, limited in time, scope and place."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), default="")
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(24))
    scopes: Mapped[list[str]] = mapped_column(default=list)  # empty: all that the subscription allows
    networks: Mapped[list[str]] = mapped_column(default=list)  # CIDR; empty: from anywhere
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]  # to the hour
    replaced_at: Mapped[datetime | None]  # by a new one, which is good beside it for a while
    ends_when_idle: Mapped[bool] = mapped_column(default=False)  # as soon as nobody uses it
    warned_days: Mapped[int] = mapped_column(default=0)  # of the last warning: 30, 7 or 1 day ahead
    leaked_at: Mapped[datetime | None]  # somebody reported it

    @declared_attr
    def application_id(cls) -> Mapped[int]:
        return mapped_column(ForeignKey("application.id"), index=True)

    @declared_attr
    def application(cls) -> Mapped[Application]:
        return relationship()

    @property
    def is_good(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now())

    @property
    def state(self) -> str:
        """``active``, ``ending`` (replaced, still good), ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        if not self.is_good:
            return "expired"
        return "ending" if self.replaced_at else "active"


class ClientSecret(Credential, Model):
    __tablename__ = "client_secret"


class ApiKey(Credential, Model):
    __tablename__ = "api_key"

    @property
    def jti(self) -> str:
        """The token id of whatever the gateway is told about this key; the deny-list uses it."""
        return f"key-{self.id}"


class ClientKey(Model):
    """A public key with which an application proves itself (``private_key_jwt``, RFC 7523 section 2.2)."""

    __tablename__ = "client_key"
    id: Mapped[int] = mapped_column(primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    kid: Mapped[str] = mapped_column(String(128))
    alg: Mapped[str] = mapped_column(String(10))
    public_jwk: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)
    revoked_at: Mapped[datetime | None]
    application: Mapped[Application] = relationship()


ONE_GOOD = text("revoked_at IS NULL")


class ClientCertificate(Model):
    """A certificate that an application shows in the TLS handshake. Who signed it says nothing (RFC 8705 section 2.2)."""

    __tablename__ = "client_certificate"
    __table_args__ = (
        Index("uq_client_certificate", "digest", unique=True, sqlite_where=ONE_GOOD, postgresql_where=ONE_GOOD),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of its DER, hexadecimal; as x5t#S256 says it in base64url
    subject: Mapped[str] = mapped_column(String(300))
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(default=now)
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]  # to the hour
    application: Mapped[Application] = relationship()

    @property
    def jti(self) -> str:
        """As for `ApiKey`."""
        return f"cert-{self.id}"

    @property
    def has_expired(self) -> bool:
        return self.expires_at <= now()


class KeyState(StrEnum):
    UNPROVEN = "unproven"  # registered by an API that has not shown yet that it has the private half
    NEXT = "next"  # published, not used
    ACTIVE = "active"
    RETIRING = "retiring"  # no longer used for new tokens, still good for old ones
    RETIRED = "retired"  # gone, the private half wiped
    REVOKED = "revoked"  # gone at once; what it signed is refused


GOOD = (KeyState.NEXT, KeyState.ACTIVE, KeyState.RETIRING)
ONE_ACTIVE = text("state = 'active'")


class SigningKey(Model):
    """``version_id`` 0: the installation's, published. Else the secret that one API version shares with us (HS256)."""

    __tablename__ = "signing_key"
    __table_args__ = (
        Index(
            "uq_signing_key_active",
            "alg",
            "version_id",
            unique=True,
            sqlite_where=ONE_ACTIVE,
            postgresql_where=ONE_ACTIVE,
        ),
    )
    kid: Mapped[str] = mapped_column(String(64), primary_key=True)  # RFC 7638 thumbprint
    alg: Mapped[str] = mapped_column(String(10))
    version_id: Mapped[int] = mapped_column(default=0)
    state: Mapped[KeyState] = mapped_column(String(10), index=True)
    public_jwk: Mapped[dict[str, Any]]
    private_sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    activated_at: Mapped[datetime | None]
    retiring_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Source(StrEnum):
    """Who holds the private half of a version's encryption key."""

    MANAGED = "managed"  # we do; the decision point opens its tokens
    JWK = "jwk"  # the API alone; it gave us the public half
    JWKS_URI = "jwks_uri"  # the API alone; we fetch the public half


class EncryptionKey(Model):
    """A key that tokens for one API version are encrypted to: one algorithm, one content algorithm."""

    __tablename__ = "encryption_key"
    __table_args__ = (
        Index(
            "uq_encryption_key_active", "version_id", unique=True, sqlite_where=ONE_ACTIVE, postgresql_where=ONE_ACTIVE
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    kid: Mapped[str] = mapped_column(String(128), index=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"), index=True)
    source: Mapped[Source] = mapped_column(String(10), default=Source.MANAGED)
    state: Mapped[KeyState] = mapped_column(String(10), default=KeyState.ACTIVE, index=True)
    alg: Mapped[str] = mapped_column(String(20))
    enc: Mapped[str] = mapped_column(String(20))
    public_jwk: Mapped[dict[str, Any]]
    private_sealed: Mapped[str] = mapped_column(Text, default="")
    jwks_uri: Mapped[str] = mapped_column(String(500), default="")
    challenge: Mapped[str] = mapped_column(String(64), default="")  # keyed hash of what the API must read out to us
    fetched_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    activated_at: Mapped[datetime | None]
    retiring_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @property
    def is_managed(self) -> bool:
        return self.source == Source.MANAGED

    @property
    def curve(self) -> str:
        return str(self.public_jwk.get("crv", ""))
