"""Rules on the traffic, whom they tell, when they were broken, and what was sent."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..accounts.models import Person, Team
from ..db import Model, now


def in_words(filters: str) -> str:
    """``status:5xx method:GET``, as it can be typed into the log page, too."""
    return " ".join(f'{name}:"{value}"' if " " in value else f"{name}:{value}" for name, value in parse_qsl(filters))


class Kind(StrEnum):
    """What a rule watches."""

    ERROR_RATE = "error_rate"  # percent answered with 5xx
    REFUSED_RATE = "refused_rate"  # percent answered with 4xx
    LATENCY = "latency"  # p95 in milliseconds
    NO_TRAFFIC = "no_traffic"  # calls; fewer than that
    COMPLETENESS = "completeness"  # percent of what nodes served; less than that
    QUOTA_NEAR = "quota_near"  # percent of its quota that an application has used
    KEY_IDLE = "key_idle"  # days; an API key that nobody used for so long


class AlertState(StrEnum):
    QUIET = "quiet"
    FIRING = "firing"
    UNKNOWN = "unknown"  # too few calls to say


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class Webhook(Model):
    """An address that is told, with the secret that its messages are signed with (Standard Webhooks 1.0)."""

    __tablename__ = "webhook"
    __table_args__ = (UniqueConstraint("team_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    name: Mapped[str] = mapped_column(String(60))
    url: Mapped[str] = mapped_column(String(500))
    secret_sealed: Mapped[str] = mapped_column(String(1000), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    removed_at: Mapped[datetime | None]
    team: Mapped[Team] = relationship()

    @property
    def context(self) -> str:
        """What its sealed secret is bound to."""
        return f"webhook.secret.{self.id}"


class AlertRule(Model):
    __tablename__ = "alert_rule"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    kind: Mapped[Kind] = mapped_column(String(20))
    filters: Mapped[str] = mapped_column(String(2000), default="")  # the query of the log page's address
    sees_all: Mapped[bool] = mapped_column(default=False)  # else only the calls of the team's applications
    threshold: Mapped[float]
    window_min: Mapped[int]
    mail_to: Mapped[list[str]] = mapped_column(default=list)
    webhook_id: Mapped[int | None] = mapped_column(ForeignKey("webhook.id"))
    is_silenced: Mapped[bool] = mapped_column(default=False)  # watched, and nobody is told
    snoozed_until: Mapped[datetime | None]
    state: Mapped[AlertState] = mapped_column(String(10), default=AlertState.UNKNOWN)
    value: Mapped[float | None]
    checked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    team: Mapped[Team] = relationship()
    webhook: Mapped[Webhook | None] = relationship()
    created_by: Mapped[Person] = relationship()

    @property
    def said(self) -> str:
        return in_words(self.filters)

    @property
    def window(self) -> str:
        return f"{self.window_min} min" if self.window_min < 120 else f"{self.window_min / 60:g} h"

    @property
    def is_snoozed(self) -> bool:
        return self.snoozed_until is not None and self.snoozed_until > now()


class Alert(Model):
    """A time in which a rule was broken."""

    __tablename__ = "alert"
    id: Mapped[int] = mapped_column(primary_key=True)
    rule_id: Mapped[int] = mapped_column(ForeignKey("alert_rule.id", ondelete="CASCADE"), index=True)
    began_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]
    worst: Mapped[float]
    rule: Mapped[AlertRule] = relationship()


class Delivery(Model):
    """One message to one place, and how its sending went."""

    __tablename__ = "alert_delivery"
    __table_args__ = (Index(None, "state", "try_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    rule_id: Mapped[int] = mapped_column(ForeignKey("alert_rule.id", ondelete="CASCADE"), index=True)
    message_id: Mapped[str] = mapped_column(String(40))  # `webhook-id`: the same at every attempt
    event: Mapped[str] = mapped_column(String(20))  # alert.firing, alert.resolved, alert.test
    to: Mapped[str] = mapped_column(String(500))
    webhook_id: Mapped[int | None] = mapped_column(ForeignKey("webhook.id"))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[DeliveryState] = mapped_column(String(10), default=DeliveryState.WAITING)
    attempts: Mapped[int] = mapped_column(default=0)
    try_at: Mapped[datetime] = mapped_column(default=now)
    created_at: Mapped[datetime] = mapped_column(default=now)
    delivered_at: Mapped[datetime | None]
    problem: Mapped[str] = mapped_column(String(300), default="")
    rule: Mapped[AlertRule] = relationship()
    webhook: Mapped[Webhook | None] = relationship()
