"""Ids that are good once, whichever worker or machine sees them (RFC 7523 section 3, RFC 9449 section 11.1)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError

from ..db import db, unit_of_work
from ..runtime import needs_database
from .models import SeenOnce


def is_first_use(kind: str, owner: str, identity: str, until: float) -> bool:
    """Whether this id is met for the first time. ``until``: seconds since 1970 after which nobody would take it anyway."""
    needs_database()
    digest = hashlib.sha256("\0".join((kind, owner, identity)).encode("utf-8", "replace")).hexdigest()
    try:
        with unit_of_work():
            db.session.add(SeenOnce(digest=digest, expires_at=datetime.fromtimestamp(until, UTC)))
            db.session.flush()
    except IntegrityError:
        return False
    return True
