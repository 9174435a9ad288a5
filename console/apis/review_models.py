"""Reviews of what is to be published, and what was said in them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..accounts.models import Person
from ..db import Model, now
from .models import ApiVersion


class ReviewState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    WITHDRAWN = "withdrawn"


OPEN_REVIEW = text("state = 'open'")


class Review(Model):
    """What somebody is asked to look at before it is published. It is about one content, which ``fingerprint`` names."""

    __tablename__ = "review"
    __table_args__ = (
        Index("uq_review_open", "version_id", unique=True, sqlite_where=OPEN_REVIEW, postgresql_where=OPEN_REVIEW),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"), index=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    state: Mapped[ReviewState] = mapped_column(String(20), default=ReviewState.OPEN)
    message: Mapped[str] = mapped_column(String(1000), default="")
    requested_at: Mapped[datetime] = mapped_column(default=now)
    requested_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    answer: Mapped[str] = mapped_column(String(1000), default="")
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    version: Mapped[ApiVersion] = relationship()
    requested_by: Mapped[Person] = relationship(foreign_keys=[requested_by_id])
    decided_by: Mapped[Person | None] = relationship(foreign_keys=[decided_by_id])
    comments: Mapped[list[ReviewComment]] = relationship(order_by="ReviewComment.id", cascade="all, delete-orphan")

    @property
    def is_by_two(self) -> bool:
        """Approved by another person than who asked for it."""
        return self.state == ReviewState.APPROVED and self.decided_by_id != self.requested_by_id


class ReviewComment(Model):
    """About the whole, one operation (``GET /orders``), or one line of the document."""

    __tablename__ = "review_comment"
    id: Mapped[int] = mapped_column(primary_key=True)
    review_id: Mapped[int] = mapped_column(ForeignKey("review.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    operation: Mapped[str] = mapped_column(String(300), default="")
    line: Mapped[int | None]
    text: Mapped[str] = mapped_column(String(2000))
    written_at: Mapped[datetime] = mapped_column(default=now)
    person: Mapped[Person] = relationship()
