"""Searches that a team keeps, and finds again under a name."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..accounts.models import Person, Team
from ..db import Model, now


class SavedSearch(Model):
    __tablename__ = "saved_search"
    __table_args__ = (UniqueConstraint("team_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    name: Mapped[str] = mapped_column(String(40))
    filters: Mapped[str] = mapped_column(String(2000))  # the query of the log page's address
    created_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)
    team: Mapped[Team] = relationship()
    created_by: Mapped[Person] = relationship()
