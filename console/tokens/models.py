"""Tokens that people made by hand, and those that are no longer good."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..accounts.models import Person
from ..apis.models import ApiVersion
from ..applications.models import Application
from ..db import Model, now


class IssuedToken(Model):
    """A token made in the console. Never the token itself: its id, and what it is good for."""

    __tablename__ = "issued_token"
    jti: Mapped[str] = mapped_column(String(64), primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"))
    format: Mapped[str] = mapped_column(String(10))
    scope: Mapped[str] = mapped_column(String(1000), default="")
    issued_at: Mapped[datetime] = mapped_column(default=now)
    issued_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    application: Mapped[Application] = relationship()
    version: Mapped[ApiVersion] = relationship()
    issued_by: Mapped[Person | None] = relationship()


class RevokedToken(Model):
    """Refused everywhere until it would have expired anyway."""

    __tablename__ = "revoked_token"
    jti: Mapped[str] = mapped_column(String(64), primary_key=True)
    revoked_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SealedToken(Model):
    """A token encrypted to a key that only the API has: we cannot open it, so we know it by its hash (RFC 7662)."""

    __tablename__ = "sealed_token"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of the compact text, hex
    jti: Mapped[str] = mapped_column(String(64))
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"))
    client_id: Mapped[str] = mapped_column(String(40))
    scope: Mapped[str] = mapped_column(String(1000), default="")
    jkt: Mapped[str] = mapped_column(String(64), default="")
    signed_by: Mapped[str] = mapped_column(String(64))  # kid of the signature inside
    issued_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SeenOnce(Model):
    """The id of a client assertion or a DPoP proof; a second one is a replay (RFC 7523 section 3, RFC 9449 section 11.1)."""

    __tablename__ = "seen_once"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
