"""APIs, their versions, and the revision that each publish leaves behind."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..accounts.models import Person, Team
from ..db import Model, now
from ..runtime import runtime


class State(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    CHANGES_REQUESTED = "changes_requested"
    PUBLISHED = "published"
    DEPRECATED = "deprecated"
    BLOCKED = "blocked"
    RETIRED = "retired"


UNPUBLISHED = (State.DRAFT, State.IN_REVIEW, State.CHANGES_REQUESTED)
SERVING = (State.PUBLISHED, State.DEPRECATED)


class Visibility(StrEnum):
    """Who finds an API in the catalog, once a version of it is published."""

    TEAM = "team"  # its owners, and whoever reads all APIs
    INTERNAL = "internal"  # everybody who is signed in
    PUBLIC = "public"  # anybody


class Accepts(StrEnum):
    """What a caller may show to be let through."""

    SIGNED = "signed"
    ENCRYPTED = "encrypted"
    KEY = "key"
    CERTIFICATE = "certificate"
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
    visibility: Mapped[Visibility] = mapped_column(String(10), default=Visibility.INTERNAL)
    team: Mapped[Team] = relationship()
    versions: Mapped[list[ApiVersion]] = relationship(back_populates="api", order_by="ApiVersion.id.desc()")


class ApiVersion(Model):
    __tablename__ = "api_version"
    __table_args__ = (
        UniqueConstraint("api_id", "version"),
        Index("ix_api_version_state_sunset_at", "state", "sunset_at"),  # what ends next
        Index("ix_api_version_api_id_state", "api_id", "state"),  # lists of APIs in a state
    )
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
    retire_reason: Mapped[str] = mapped_column(String(500), default="")
    # an emergency stop is a state; whether the gateways serve it otherwise is a switch beside the states
    state_before_block: Mapped[str] = mapped_column(String(20), default="")
    blocked_at: Mapped[datetime | None]
    block_reason: Mapped[str] = mapped_column(String(500), default="")
    stopped_at: Mapped[datetime | None]
    stop_reason: Mapped[str] = mapped_column(String(500), default="")
    mocked: Mapped[bool] = mapped_column(default=False)  # while unpublished the gateways answer from its examples
    drafted_at: Mapped[datetime | None]  # when the next revision was last worked on
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
    draft: Mapped[Draft | None] = relationship(back_populates="version", cascade="all, delete-orphan")

    __mapper_args__ = {"version_id_col": edits}  # noqa: RUF012

    @property
    def name(self) -> str:
        return f"{self.api.name} {self.version}"

    @property
    def url(self) -> str:
        return runtime().config.gateway_url + (self.gateway_path or "")

    @property
    def is_serving(self) -> bool:
        """Callers may use it, as far as its state goes; see `stopped_at` for the switch beside it."""
        return self.state in SERVING

    @property
    def is_unpublished(self) -> bool:
        return self.state in UNPUBLISHED

    @property
    def outage(self) -> str:
        """Why the gateways answer 503 for it; empty while they do not."""
        if self.state == State.BLOCKED:
            return self.block_reason
        return self.stop_reason if self.stopped_at and self.is_serving else ""

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
    source: Mapped[str] = mapped_column(Text, default="", deferred=True)
    note: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    created_by: Mapped[Person | None] = relationship()


class Draft(Model):
    """The next revision of a version that was published: worked on beside the one that is served."""

    __tablename__ = "draft"
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"), primary_key=True)
    source: Mapped[str] = mapped_column(Text, deferred=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSON, deferred=True)
    choices: Mapped[dict[str, Any]] = mapped_column(JSON)
    changed_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    changed_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    version: Mapped[ApiVersion] = relationship(back_populates="draft")
    changed_by: Mapped[Person | None] = relationship()


class Follower(Model):
    """A person who is told when something happens to an API."""

    __tablename__ = "follower"
    api_id: Mapped[int] = mapped_column(ForeignKey("api.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    since: Mapped[datetime] = mapped_column(default=now)


class SunsetNotice(Model):
    """That subscribers were told, so many days before a sunset; a sunset that is moved is told of anew."""

    __tablename__ = "sunset_notice"
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"), primary_key=True)
    sunset_at: Mapped[datetime] = mapped_column(primary_key=True)
    days: Mapped[int] = mapped_column(primary_key=True)  # 0: when it was deprecated
    sent_at: Mapped[datetime] = mapped_column(default=now)
