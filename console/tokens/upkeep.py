"""What nobody would take any more is forgotten: used ids, revocations and hashes of tokens that have expired."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from ..db import db, now
from .models import IssuedToken, RevokedToken, SealedToken, SeenOnce

KEEP_ISSUED = timedelta(days=30)  # made by hand: who made which is asked later, too


def sweep() -> None:
    moment = now()
    for table in (SeenOnce, RevokedToken, SealedToken):
        db.session.execute(delete(table).where(table.expires_at < moment))
    db.session.execute(delete(IssuedToken).where(IssuedToken.expires_at < moment - KEEP_ISSUED))
