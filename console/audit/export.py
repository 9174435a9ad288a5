"""The whole trail as one file that proves itself: what it is, then entries, each checkpoint behind the entry it covers."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from ..accounts.models import Person
from ..db import db, now
from ..errors import Refused
from ..runtime import runtime
from .actions import record
from .checkpoints import public_key, sign, signing_key
from .models import Action, AuditCheckpoint, AuditEntry
from .proof import Said, canonical, key_id
from .proof import sign as signature_of


def take_away(by: Person | None = None) -> AuditCheckpoint:
    """Write down that it is taken, and sign all there is. What `lines` needs."""
    record(Action.AUDIT_EXPORTED, None, by=by, name="audit trail", changes={"format": "proof"})
    last = sign()
    if last is None:
        raise Refused("There is nothing to take away.")
    return last


def lines(last: AuditCheckpoint) -> Iterator[bytes]:
    """Up to that checkpoint; entries that came since are not in it."""
    yield _line(_head(last))
    checkpoints = _checkpoints(last.number)
    coming = next(checkpoints, None)
    for entry in _entries(last.entry_id):
        yield _line(entry.said | {"hash": entry.hash})
        while coming is not None and coming.entry_id <= entry.id:
            yield _line(coming.said | {"signature": coming.signature})
            coming = next(checkpoints, None)


def _head(last: AuditCheckpoint) -> Said:
    public = public_key()
    head = {
        "type": "export",
        "at": now().isoformat(timespec="microseconds"),
        "installation": runtime().config.public_url,
        "entries": last.entry_id,
        "checkpoints": last.number,
        "hash": last.hash,
        "key": public,
        "kid": key_id(public),
    }
    return head | {"signature": signature_of(head, signing_key())}


def _line(said: Said) -> bytes:
    return canonical(said) + b"\n"


def _entries(until: int) -> Iterator[AuditEntry]:
    query = select(AuditEntry).where(AuditEntry.id <= until).order_by(AuditEntry.id)
    yield from db.session.scalars(query.execution_options(yield_per=500))


def _checkpoints(until: int) -> Iterator[AuditCheckpoint]:
    query = select(AuditCheckpoint).where(AuditCheckpoint.number <= until).order_by(AuditCheckpoint.number)
    yield from db.session.scalars(query.execution_options(yield_per=500))
