"""Reading the trail, newest first, by key, in bounded time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, or_, select

from ..db import db, limited
from ..errors import NotFound
from .models import AuditEntry

PAGE = 50
MOST_EXPORTED = 100_000
QUERY_S = 5.0
NEWEST = 5_000  # of these the kinds are known


@dataclass(frozen=True)
class Question:
    """What an auditor looks for; the names are those of the form and of the address."""

    text: str = ""
    actor: str = ""
    action: str = ""  # or its beginning
    kind: str = ""
    address: str = ""
    request_id: str = ""
    session: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """For links that keep what was asked, and for the trail itself."""
        said = {k: f"{v:%Y-%m-%dT%H:%M:%S}" if isinstance(v, datetime) else v for k, v in vars(self).items() if v}
        return {k: str(v) for k, v in said.items()}

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        if self.text:
            yield or_(
                _holds(AuditEntry.subject, self.text), _holds(cast(AuditEntry.changes, Text), _in_json(self.text))
            )
        if self.actor:
            yield AuditEntry.actor.contains(self.actor.lower(), autoescape=True)
        if self.action:
            yield AuditEntry.action.startswith(self.action, autoescape=True)
        if self.address:
            yield AuditEntry.address.startswith(self.address, autoescape=True)
        for name, column in (("kind", "subject_kind"), ("request_id", "request_id"), ("session", "session")):
            if value := getattr(self, name):
                yield getattr(AuditEntry, column) == value
        if self.since:
            yield AuditEntry.at >= self.since
        if self.until:
            yield AuditEntry.at < self.until


def _holds(column: Any, text: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column.icontains(text, autoescape=True)
    return found


def _in_json(text: str) -> str:
    """As the column stores it: what is not ASCII is escaped there."""
    return json.dumps(text)[1:-1]


def entries(question: Question, *, before: int | None = None, size: int = PAGE) -> list[AuditEntry]:
    """One more than ``size`` when there is a next page."""
    query = select(AuditEntry).where(*question.conditions()).order_by(AuditEntry.id.desc()).limit(size + 1)
    if before:
        query = query.where(AuditEntry.id < before)
    with limited(db.session.connection(), QUERY_S, "Choose a shorter time, one action or one request."):
        return list(db.session.scalars(query))


def find_entry(entry_id: int) -> AuditEntry:
    entry = db.session.get(AuditEntry, entry_id)
    if entry is None:
        raise NotFound("There is no such entry.")
    return entry


def all_entries(question: Question, limit: int = MOST_EXPORTED) -> Iterator[AuditEntry]:
    query = select(AuditEntry).where(*question.conditions()).order_by(AuditEntry.id.desc()).limit(limit)
    yield from db.session.scalars(query.execution_options(yield_per=500))


def kinds() -> list[str]:
    """What the newest entries are about."""
    newest = select(AuditEntry.subject_kind).order_by(AuditEntry.id.desc()).limit(NEWEST).subquery()
    return sorted(db.session.scalars(select(newest.c.subject_kind).distinct()))


def latest(size: int = 6) -> list[AuditEntry]:
    """What was changed; that somebody signed in changes nothing."""
    query = select(AuditEntry).where(~AuditEntry.action.startswith("session."))
    return list(db.session.scalars(query.order_by(AuditEntry.id.desc()).limit(size)))
