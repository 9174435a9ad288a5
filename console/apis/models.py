"""APIs, their versions, and the revision that each publish leaves behind."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..accounts.models import Person, Team
from ..db import Model, now
from ..runtime import runtime


class State(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


class Accepts(StrEnum):
    """What a caller may show to be let through."""

    SIGNED = "signed"
    ENCRYPTED = "encrypted"
    KEY = "key"
    OPEN = "open"


class Dpop(StrEnum):
    """Whether tokens may, or must, be bound to a key of the caller (RFC 9449)."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Api(Model):
    __tablename__ = "api"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    name: Mapped[str] = mapped_column(String(120), index=True)
    summary: Mapped[str] = mapped_column(String(300), default="")
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    log_days: Mapped[int | None]  # request records of all versions; None: as GATEWRIGHT_LOGS_DAYS says
    team: Mapped[Team] = relationship()
    versions: Mapped[list[ApiVersion]] = relationship(back_populates="api", order_by="ApiVersion.id.desc()")


class ApiVersion(Model):
    __tablename__ = "api_version"
    __table_args__ = (UniqueConstraint("api_id", "version"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    api_id: Mapped[int] = mapped_column(ForeignKey("api.id"))
    version: Mapped[str] = mapped_column(String(40))
    state: Mapped[State] = mapped_column(String(20), default=State.DRAFT, index=True)
    source: Mapped[str] = mapped_column(Text, deferred=True)  # what the admin gave, letter for letter
    document: Mapped[dict[str, Any]] = mapped_column(JSON, deferred=True)  # the same, parsed and checked
    operations: Mapped[int] = mapped_column(default=0)
    scopes: Mapped[list[str]] = mapped_column(default=list)
    gateway_path: Mapped[str | None] = mapped_column(String(120), unique=True)
    backend_url: Mapped[str] = mapped_column(String(300), default="")
    accepts: Mapped[list[str]] = mapped_column(default=list)
    audience: Mapped[str] = mapped_column(String(300), default="", index=True)
    token_lifetime_s: Mapped[int] = mapped_column(default=900)
    # the token profile; algorithm names as in RFC 7518
    signing_alg: Mapped[str] = mapped_column(String(10), default="ES256")
    encryption_alg: Mapped[str] = mapped_column(String(20), default="ECDH-ES+A256KW")
    encryption_curve: Mapped[str] = mapped_column(String(10), default="P-256")  # of the ECDH-ES ones
    content_alg: Mapped[str] = mapped_column(String(20), default="A256GCM")
    key_source: Mapped[str] = mapped_column(String(10), default="managed")  # credentials.models.Source
    dpop: Mapped[str] = mapped_column(String(10), default=Dpop.OPTIONAL)
    log_bodies: Mapped[bool] = mapped_column(default=False)
    log_body_bytes: Mapped[int] = mapped_column(default=2048)  # so much of each, from its beginning
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    published_at: Mapped[datetime | None]
    published_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    deprecated_at: Mapped[datetime | None]
    deprecated_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    sunset_at: Mapped[datetime | None]
    deprecation_note: Mapped[str] = mapped_column(String(500), default="")
    successor_id: Mapped[int | None] = mapped_column(ForeignKey("api_version.id"))
    retired_at: Mapped[datetime | None]
    retired_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    revision: Mapped[int] = mapped_column(default=0)
    generation: Mapped[int] = mapped_column(default=0)  # nodes that applied this or a later one serve this revision
    edits: Mapped[int] = mapped_column(default=1)
    api: Mapped[Api] = relationship(back_populates="versions")
    successor: Mapped[ApiVersion | None] = relationship(remote_side="ApiVersion.id")
    created_by: Mapped[Person | None] = relationship(foreign_keys=[created_by_id])
    published_by: Mapped[Person | None] = relationship(foreign_keys=[published_by_id])
    deprecated_by: Mapped[Person | None] = relationship(foreign_keys=[deprecated_by_id])
    retired_by: Mapped[Person | None] = relationship(foreign_keys=[retired_by_id])
    revisions: Mapped[list[Revision]] = relationship(order_by="Revision.number.desc()", viewonly=True)

    __mapper_args__ = {"version_id_col": edits}  # noqa: RUF012

    @property
    def name(self) -> str:
        return f"{self.api.name} {self.version}"

    @property
    def url(self) -> str:
        return runtime().config.gateway_url + (self.gateway_path or "")

    @property
    def is_serving(self) -> bool:
        return self.state in (State.PUBLISHED, State.DEPRECATED)

    @property
    def token_format(self) -> str:
        """``encrypted`` where a token may be encrypted, else ``signed``, else ``none``."""
        if Accepts.ENCRYPTED in self.accepts:
            return "encrypted"
        return "signed" if Accepts.SIGNED in self.accepts else "none"

    @property
    def takes_tokens(self) -> bool:
        return Accepts.ENCRYPTED in self.accepts or Accepts.SIGNED in self.accepts

    @property
    def encryption_required(self) -> bool:
        """A plain signed token is refused."""
        return Accepts.ENCRYPTED in self.accepts and Accepts.SIGNED not in self.accepts

    def takes(self, credential: str) -> bool:
        return credential in self.accepts


class Revision(Model):
    """What was published, unalterable: the document and every choice that went with it."""

    __tablename__ = "revision"
    __table_args__ = (UniqueConstraint("version_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"))
    number: Mapped[int]
    content: Mapped[dict[str, Any]] = mapped_column(JSON, deferred=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    created_by: Mapped[Person | None] = relationship()
