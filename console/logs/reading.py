"""Who reads the calls of other teams is written down: a record shows who called, with the full address."""

from __future__ import annotations

from typing import Any

import structlog
from sqlalchemy import select

from ..accounts.models import Person
from ..apis.models import ApiVersion
from ..applications.models import Application
from ..audit.actions import record
from ..audit.models import Action, AuditEntry
from ..db import db, now, serialise, unit_of_work

log = structlog.get_logger("logs")
Read = Application | ApiVersion | None  # None: no API of ours has that path


def is_sensitive(read: Read, person: Person) -> bool:
    """The calls of an application are its team's; those of nobody we know are the API's team's."""
    if isinstance(read, ApiVersion):
        return read.api.team_id not in person.team_ids
    return read is None or read.team_id not in person.team_ids


def note_reading(read: Read, person: Person, said: dict[str, Any]) -> None:
    """One entry for each person, application (or API) and hour, however many records she opens. In a unit of work of its
    own, after the page is made: that it cannot be written is logged, and fails no page."""
    try:
        if is_sensitive(read, person) and not _is_noted(read, person):
            if isinstance(read, Application):
                db.session.expunge(read)  # as it was found; the unit of work begins with nothing known
            with unit_of_work():
                serialise("audit")
                if not _is_noted(read, person):  # nor by a request at the same time
                    record(Action.LOGS_READ, read, by=person, name="" if read else "request logs", changes=said)
    except Exception as problem:
        db.session.rollback()
        log.exception("logs.reading_not_noted", error=type(problem).__name__)


def _is_noted(read: Read, person: Person) -> bool:
    hour = now().replace(minute=0, second=0, microsecond=0)
    query = select(AuditEntry.id).where(AuditEntry.at >= hour, AuditEntry.action == Action.LOGS_READ)
    query = query.where(AuditEntry.actor_id == person.id)
    query = query.where(AuditEntry.subject_kind == (read.__tablename__ if read else "installation"))
    return db.session.scalar(query.where(AuditEntry.subject_id == (str(read.id) if read else "")).limit(1)) is not None
