"""`record` writes one entry, chained to the one before; `verify` proves the chain."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select

from ..credentials.secrets import sealed
from ..db import db, now, serialise
from .models import Action, AuditEntry


@dataclass(frozen=True)
class Origin:
    """Where a change came from; the web layer says it once per request."""

    address: str = ""
    request_id: str = ""


origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 - Origin is frozen


def record(
    action: Action, subject: Any, *, by: Any = None, name: str = "", changes: dict[str, Any] | None = None
) -> AuditEntry:
    """Write down that ``by`` (a person, or None for the system) did ``action`` to ``subject`` (a saved model row)."""
    serialise("audit")
    last = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).first()
    where = origin.get()
    entry = AuditEntry(
        id=last.id + 1 if last else 1,
        at=now(),
        actor_id=getattr(by, "id", None),
        actor=getattr(by, "email", "system"),
        action=action,
        subject_kind=getattr(subject, "__tablename__", "installation"),
        subject_id=str(_identity(subject)),
        subject=(name or _name(subject))[:200],
        changes=_plain(changes or {}),
        address=where.address,
        request_id=where.request_id,
    )
    entry.chain = link(last.chain if last else "", entry)
    db.session.add(entry)
    db.session.flush()
    return entry


def link(before: str, entry: AuditEntry) -> str:
    """HMAC-SHA-256 over the link before and everything the entry says; who lacks the sealed key cannot make one."""
    said = [
        entry.id, entry.at.isoformat(timespec="microseconds"), entry.actor_id, entry.actor, entry.action,
        entry.subject_kind, entry.subject_id, entry.subject, entry.changes, entry.address, entry.request_id,
    ]  # fmt: skip
    message = before.encode() + orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    return hmac.new(sealed("audit"), message, hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Verdict:
    entries: int
    broken_at: int | None  # the first entry that does not hold, or whose place is empty


def verify() -> Verdict:
    """Walk the whole trail. A changed, missing or inserted entry breaks it; so does a cut-off tail, seen by a note of
    the count kept elsewhere (print it and compare)."""
    before, count = "", 0
    for entry in _all():
        count += 1
        if entry.id != count or not hmac.compare_digest(entry.chain, link(before, entry)):
            return Verdict(count, count)
        before = entry.chain
    return Verdict(count, None)


def _all() -> Iterator[AuditEntry]:
    yield from db.session.scalars(select(AuditEntry).order_by(AuditEntry.id).execution_options(yield_per=500))


def _identity(subject: Any) -> Any:
    for key in ("id", "jti", "kid"):
        if hasattr(subject, key):
            return getattr(subject, key)
    return ""


def _name(subject: Any) -> str:
    return next((str(v) for k in ("name", "email", "hint", "kid", "jti") if (v := getattr(subject, k, ""))), "")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | None) else str(value)
