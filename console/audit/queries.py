"""Reading the trail, newest first, by key."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Select, select

from ..db import db
from .models import AuditEntry

PAGE = 50


def entries(
    *, before: int | None = None, action: str = "", actor: str = "", subject: str = "", size: int = PAGE
) -> list[AuditEntry]:
    """One more than ``size`` when there is a next page."""
    query = _filtered(action, actor, subject).order_by(AuditEntry.id.desc()).limit(size + 1)
    if before:
        query = query.where(AuditEntry.id < before)
    return list(db.session.scalars(query))


def all_entries(action: str = "", actor: str = "", subject: str = "", limit: int = 100_000) -> Iterator[AuditEntry]:
    query = _filtered(action, actor, subject).order_by(AuditEntry.id.desc()).limit(limit)
    yield from db.session.scalars(query.execution_options(yield_per=500))


def latest(size: int = 6) -> list[AuditEntry]:
    """What was changed; that somebody signed in changes nothing."""
    query = select(AuditEntry).where(~AuditEntry.action.startswith("session."))
    return list(db.session.scalars(query.order_by(AuditEntry.id.desc()).limit(size)))


def _filtered(action: str, actor: str, subject: str) -> Select[AuditEntry]:
    query = select(AuditEntry)
    if action:
        query = query.where(AuditEntry.action.startswith(action, autoescape=True))
    if actor:
        query = query.where(AuditEntry.actor.contains(actor.lower(), autoescape=True))
    if subject:
        query = query.where(AuditEntry.subject.icontains(subject, autoescape=True))
    return query
