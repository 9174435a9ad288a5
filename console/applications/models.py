"""Applications, and their subscriptions to API versions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..accounts.models import Person, Team
from ..apis.models import ApiVersion
from ..db import Model, now


class SubscriptionState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    REJECTED = "rejected"
    CLOSED = "closed"


class Application(Model):
    __tablename__ = "application"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    description: Mapped[str] = mapped_column(String(300), default="")
    client_id: Mapped[str] = mapped_column(String(40), unique=True)
    jwks_uri: Mapped[str] = mapped_column(String(500), default="")  # where its public keys are (RFC 7591)
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    team: Mapped[Team] = relationship()
    created_by: Mapped[Person | None] = relationship()
    subscriptions: Mapped[list[Subscription]] = relationship(
        back_populates="application", order_by="Subscription.id.desc()"
    )


OPEN = text("state IN ('pending', 'active')")


class Subscription(Model):
    __tablename__ = "subscription"
    __table_args__ = (
        # one open subscription per application and version, whatever two browsers do at once
        Index(
            "uq_subscription_open",
            "application_id",
            "version_id",
            unique=True,
            sqlite_where=OPEN,
            postgresql_where=OPEN,
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"), index=True)
    state: Mapped[SubscriptionState] = mapped_column(String(20), default=SubscriptionState.PENDING, index=True)
    message: Mapped[str] = mapped_column(String(500), default="")
    reason: Mapped[str] = mapped_column(String(500), default="")
    requested_at: Mapped[datetime] = mapped_column(default=now)
    requested_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    closed_at: Mapped[datetime | None]
    application: Mapped[Application] = relationship(back_populates="subscriptions")
    version: Mapped[ApiVersion] = relationship()
    requested_by: Mapped[Person | None] = relationship(foreign_keys=[requested_by_id])
    decided_by: Mapped[Person | None] = relationship(foreign_keys=[decided_by_id])

    @property
    def is_active(self) -> bool:
        return self.state == SubscriptionState.ACTIVE


class ResourceServer(Model):
    """An application that an API version's backend runs as: it is an audience of the version's tokens, so it may ask
    about any of them (RFC 7662 section 4)."""

    __tablename__ = "resource_server"
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"), primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), primary_key=True, index=True)
    application: Mapped[Application] = relationship()
    version: Mapped[ApiVersion] = relationship()
