"""Checkpoints: what the trail was at a moment, signed. `verify` proves it whole.

The job signs every few minutes when there are new entries; an export signs at once. What is signed was checked first, so
a forged entry never gets a signature. After the last checkpoint only the sealed key guards the tail: an altered entry is
found, but a tail that was cut off is noticed only up to the last checkpoint that is still there, here or in an export.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from ..credentials.secrets import sealed
from ..db import db, now, serialise
from ..errors import Refused
from . import proof
from .actions import link
from .models import AuditCheckpoint, AuditEntry

KEY = "audit_checkpoints"  # the name of the sealed value that is the Ed25519 key of this installation


def signing_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sealed(KEY))


def public_key() -> str:
    return proof.public_half(signing_key())


def verify() -> proof.Verdict:
    """Walk everything: each link, each checkpoint, and that neither end nor middle is missing."""
    return proof.examine(proof.Walk(public_key()), entries(), checkpoints())


def look_ahead() -> proof.Walk:
    """For the job: what is there is checked before its transaction begins, because a first walk may be long."""
    return _walk_on(None)


def sign_new_entries(ahead: proof.Walk) -> None:
    """For the job."""
    sign(ahead)


def sign(ahead: proof.Walk | None = None) -> AuditCheckpoint | None:
    """A checkpoint over all there is, or the last one when it covers that already. `Refused` when the trail is broken."""
    serialise("audit")
    walk = _walk_on(ahead)
    return _sign(walk) if walk.entries > walk.signed else last_checkpoint()


def _walk_on(ahead: proof.Walk | None) -> proof.Walk:
    """From where ``ahead`` stopped, or from the last checkpoint, to the end."""
    last = last_checkpoint()
    walk, again = ahead, []
    if walk is None or walk.checkpoints != (last.number if last else 0):
        walk, again = _walk_from(last), [_line(last)] if last else []
    verdict = proof.examine(walk, entries(walk.entries), again)
    if verdict.broken is not None:
        raise Refused(f"The audit trail is broken, so it is not signed. {verdict.broken.why}")
    return walk


def _walk_from(last: AuditCheckpoint | None) -> proof.Walk:
    """It begins with the entry that the last checkpoint covers, so that this one is checked, too."""
    if last is None:
        return proof.Walk(public_key())
    before = db.session.scalar(select(AuditEntry.hash).where(AuditEntry.id == last.entry_id - 1)) or ""
    return proof.Walk(public_key(), entries=last.entry_id - 1, hash=before, checkpoints=last.number - 1)


def _sign(walk: proof.Walk) -> AuditCheckpoint:
    made = AuditCheckpoint(
        number=walk.checkpoints + 1, entry_id=walk.entries, hash=walk.hash, at=now(), kid=walk.kid, signature=""
    )
    made.signature = proof.sign(made.said, signing_key())
    db.session.add(made)
    db.session.flush()
    return made


def last_checkpoint() -> AuditCheckpoint | None:
    return db.session.scalars(select(AuditCheckpoint).order_by(AuditCheckpoint.number.desc()).limit(1)).first()


def signed_by(entry_id: int) -> AuditCheckpoint | None:
    """The first checkpoint that covers that entry."""
    query = select(AuditCheckpoint).where(AuditCheckpoint.entry_id >= entry_id).order_by(AuditCheckpoint.entry_id)
    return db.session.scalars(query.limit(1)).first()


def entries(after: int = 0) -> Iterator[proof.Entry]:
    """In their order, a few hundred in memory at a time."""
    query = select(AuditEntry).order_by(AuditEntry.id)
    if after:  # else with what stands before the first, which would be forged
        query = query.where(AuditEntry.id > after)
    before = db.session.scalar(select(AuditEntry.chain).where(AuditEntry.id == after)) or ""
    for entry in db.session.scalars(query.execution_options(yield_per=500)):
        is_ours = hmac.compare_digest(entry.chain.encode(), link(before, entry).encode())
        yield proof.Entry(entry.said, entry.hash, is_ours)
        before = entry.chain


def checkpoints() -> Iterator[proof.Checkpoint]:
    query = select(AuditCheckpoint).order_by(AuditCheckpoint.number)
    for checkpoint in db.session.scalars(query.execution_options(yield_per=500)):
        yield _line(checkpoint)


def _line(checkpoint: AuditCheckpoint) -> proof.Checkpoint:
    return proof.Checkpoint(checkpoint.said, checkpoint.signature)
