"""`record` writes one entry, chained to the one before.

Each entry has two links. ``hash`` is public: SHA-256 over the entry and the ``hash`` before (proof.py), which checkpoints
sign and anybody can check. ``chain`` is HMAC-SHA-256 under a sealed key: without it, whoever may write to the database could
alter what no checkpoint covers yet, make the hashes after it anew, and have them signed by the next one.

Two forms: an entry whose ``session`` is None was written before there were public links, and its ``chain`` covers the
``chain`` before and its members one by one; since then it covers ``hash``, which covers the rest.
"""

from __future__ import annotations

import hashlib
import hmac
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, select

from ..credentials.secrets import sealed
from ..db import db, now, serialise
from . import proof
from .models import Action, AuditCheckpoint, AuditEntry


@dataclass(frozen=True)
class Origin:
    """Where a change came from; the web layer says it once per request."""

    address: str = ""
    request_id: str = ""
    session: str = ""  # the beginning of the browser session's stored hash: it tells sessions apart and opens none


origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 - Origin is frozen


def record(
    action: Action, subject: Any, *, by: Any = None, name: str = "", changes: dict[str, Any] | None = None
) -> AuditEntry:
    """Write down that ``by`` (a person, or None for the system) did ``action`` to ``subject`` (a saved model row)."""
    serialise("audit")
    last = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).first()
    checkpoint = db.session.scalar(select(func.max(AuditCheckpoint.number)))
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
        session=where.session,
        checkpoint=checkpoint or 0,
    )
    entry.hash = proof.link(last.hash if last else "", entry.said)
    entry.chain = link("", entry)
    db.session.add(entry)
    db.session.flush()
    return entry


def link(before: str, entry: AuditEntry) -> str:
    """``chain``, as it must be; ``before`` is the one before, which matters to the first form only."""
    message = entry.hash.encode() if entry.session is not None else before.encode() + _first_form(entry)
    return hmac.new(sealed("audit"), message, hashlib.sha256).hexdigest()


def _first_form(entry: AuditEntry) -> bytes:
    said = [
        entry.id, entry.at.isoformat(timespec="microseconds"), entry.actor_id, entry.actor, entry.action,
        entry.subject_kind, entry.subject_id, entry.subject, entry.changes, entry.address, entry.request_id,
    ]  # fmt: skip
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


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
