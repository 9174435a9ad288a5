"""Applications, the plans that versions offer, and subscriptions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..accounts.models import Person, Team
from ..apis.models import ApiVersion
from ..db import Model, now


class SubscriptionState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    REJECTED = "rejected"
    PAUSED = "paused"
    EXPIRED = "expired"
    CLOSED = "closed"


OPEN_STATES = (SubscriptionState.PENDING, SubscriptionState.ACTIVE, SubscriptionState.PAUSED)


class PlanState(StrEnum):
    STAGING = "staging"  # only its owners see it
    PUBLISHED = "published"
    DEPRECATED = "deprecated"  # takes no new subscriptions
    CLOSED = "closed"  # its subscriptions have ended


class Approval(StrEnum):
    MANUAL = "manual"
    AUTOMATIC = "automatic"


class Period(StrEnum):
    DAY = "day"
    MONTH = "month"


class Plan(Model):
    """On what terms a version may be called: with which credential, how often, with which scopes."""

    __tablename__ = "plan"
    __table_args__ = (UniqueConstraint("version_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"), index=True)
    name: Mapped[str] = mapped_column(String(40))  # as it is in tokens and at the gateway: letters, digits, dashes
    title: Mapped[str] = mapped_column(String(80))
    description: Mapped[str] = mapped_column(String(300), default="")
    state: Mapped[PlanState] = mapped_column(String(20), default=PlanState.STAGING)
    approval: Mapped[Approval] = mapped_column(String(10), default=Approval.MANUAL)
    takes: Mapped[list[str]] = mapped_column(default=list)  # of what the version accepts; empty: all of it
    scopes: Mapped[list[str]] = mapped_column(default=list)  # of the version's; empty: all of them
    rate_requests: Mapped[int | None]  # so many in so many seconds, at each gateway node; None: no limit
    rate_per_s: Mapped[int] = mapped_column(default=60)
    quota_requests: Mapped[int | None]  # so many in a day or a month (UTC); None: no limit
    quota_period: Mapped[Period] = mapped_column(String(10), default=Period.MONTH)
    created_at: Mapped[datetime] = mapped_column(default=now)
    version: Mapped[ApiVersion] = relationship()

    @property
    def limits(self) -> str:
        """For people: ``100 requests in 60 s, 10,000 a day``."""
        parts = []
        if self.rate_requests:
            per = {1: "a second", 60: "a minute", 3600: "an hour"}.get(self.rate_per_s, f"in {self.rate_per_s} s")
            parts.append(f"{self.rate_requests:,} {per}")
        if self.quota_requests:
            parts.append(f"{self.quota_requests:,} a {self.quota_period}")
        return ", ".join(parts)

    def credentials(self) -> list[str]:
        """With what a subscriber of this plan may call (apis.models.Accepts)."""
        return [a for a in self.version.accepts if not self.takes or a in self.takes]

    def allowed_scopes(self) -> list[str]:
        return [s for s in self.version.scopes if not self.scopes or s in self.scopes]


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


OPEN = text("state IN ('pending', 'active', 'paused')")


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
        Index("ix_subscription_application_id_state", "application_id", "state"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"), index=True)
    plan_id: Mapped[int | None] = mapped_column(ForeignKey("plan.id"), index=True)
    state: Mapped[SubscriptionState] = mapped_column(String(20), default=SubscriptionState.PENDING, index=True)
    message: Mapped[str] = mapped_column(String(500), default="")
    reason: Mapped[str] = mapped_column(String(500), default="")
    requested_at: Mapped[datetime] = mapped_column(default=now)
    requested_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    expires_at: Mapped[datetime | None]
    paused_by_owner_at: Mapped[datetime | None]
    paused_by_consumer_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]  # or expired
    application: Mapped[Application] = relationship(back_populates="subscriptions")
    version: Mapped[ApiVersion] = relationship()
    plan: Mapped[Plan | None] = relationship()
    requested_by: Mapped[Person | None] = relationship(foreign_keys=[requested_by_id])
    decided_by: Mapped[Person | None] = relationship(foreign_keys=[decided_by_id])

    @property
    def is_active(self) -> bool:
        return self.state == SubscriptionState.ACTIVE

    @property
    def may_call(self) -> bool:
        """Active, and not past its end, which the job notes a little later."""
        return self.is_active and (self.expires_at is None or self.expires_at > now())

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def paused_by(self) -> str:
        names = {"owner": self.paused_by_owner_at, "consumer": self.paused_by_consumer_at}
        return " and ".join(name for name, since in names.items() if since)


class SubscriptionMessage(Model):
    """What consumer and owner say to each other about a subscription."""

    __tablename__ = "subscription_message"
    id: Mapped[int] = mapped_column(primary_key=True)
    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscription.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    text: Mapped[str] = mapped_column(String(2000))
    written_at: Mapped[datetime] = mapped_column(default=now)
    person: Mapped[Person] = relationship()


class ResourceServer(Model):
    """An application that an API version's backend runs as: it is an audience of the version's tokens, so it may ask
    about any of them (RFC 7662 section 4)."""

    __tablename__ = "resource_server"
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"), primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), primary_key=True, index=True)
    application: Mapped[Application] = relationship()
    version: Mapped[ApiVersion] = relationship()
