"""What applications prove themselves with, and the keys that sign and encrypt tokens."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..applications.models import Application
from ..db import Model, now
from .secrets import SealedValue

__all__ = ["ApiKey", "ClientSecret", "EncryptionKey", "KeyState", "SealedValue", "SigningKey"]


class ClientSecret(Model):
    __tablename__ = "client_secret"
    id: Mapped[int] = mapped_column(primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(24))
    created_at: Mapped[datetime] = mapped_column(default=now)
    revoked_at: Mapped[datetime | None]
    application: Mapped[Application] = relationship()


class ApiKey(Model):
    __tablename__ = "api_key"
    id: Mapped[int] = mapped_column(primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(24))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]  # to the hour
    application: Mapped[Application] = relationship()

    @property
    def is_good(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now())

    @property
    def jti(self) -> str:
        """The token id of whatever the gateway is told about this key; the deny-list uses it."""
        return f"key-{self.id}"


class KeyState(StrEnum):
    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


class SigningKey(Model):
    __tablename__ = "signing_key"
    kid: Mapped[str] = mapped_column(String(64), primary_key=True)  # RFC 7638 thumbprint
    alg: Mapped[str] = mapped_column(String(10))
    state: Mapped[KeyState] = mapped_column(String(10), index=True)
    public_jwk: Mapped[dict[str, Any]]
    private_sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    activated_at: Mapped[datetime | None]
    retiring_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]


class EncryptionKey(Model):
    """One key pair per API version; the gateway decision point opens tokens with it."""

    __tablename__ = "encryption_key"
    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"), index=True)
    alg: Mapped[str] = mapped_column(String(20))
    enc: Mapped[str] = mapped_column(String(20))
    public_jwk: Mapped[dict[str, Any]]
    private_sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
