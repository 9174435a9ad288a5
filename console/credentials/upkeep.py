"""What happens to keys and credentials by itself: rotation, the end of what was replaced, warnings before an expiry."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, select

from .. import mail
from ..applications.models import Application
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, release
from ..errors import Refused
from ..logs.calls import last_used
from ..runtime import changed, runtime
from ..tokens.remote import fetch_keys
from . import encryption, signing
from .models import ApiKey, ClientSecret, Credential, EncryptionKey, KeyState, Source

IDLE_FOR = timedelta(hours=24)
WARN_DAYS = (1, 7, 30)
REFETCH_AFTER = timedelta(minutes=15)
MOST = 500  # in one go; the rest follows in the next
MOST_FETCHED = 20
KINDS: dict[type[Credential], str] = {ClientSecret: "client secret", ApiKey: "API key"}


def rotate_keys() -> None:
    """What the schedule asks for (GATEWRIGHT_SIGNING_KEY_DAYS, GATEWRIGHT_ENCRYPTION_KEY_DAYS)."""
    config = runtime().config
    signing.rotate_due_signing_keys(timedelta(days=config.signing_key_days))
    encryption.rotate_due_encryption_keys(timedelta(days=config.encryption_key_days))


def end_idle_credentials() -> None:
    """Replaced ones that nobody has used for a day, as the logs and the token endpoint know."""
    since = now() - IDLE_FOR
    for kind in KINDS:
        for row in _rows(kind, kind.ends_when_idle.is_(True), kind.revoked_at.is_(None), kind.replaced_at < since):
            if not _is_used(row):
                row.revoked_at = now()
                changed()
                action = Action.KEY_REVOKED if kind is ApiKey else Action.SECRET_REVOKED
                record(action, row, changes={"application": row.application.name, "because": "idle for a day"})


def _rows(kind: type[Credential], *conditions: ColumnElement[bool]) -> list[ClientSecret | ApiKey]:
    return list(db.session.scalars(select(kind).where(*conditions).limit(MOST)))


def _is_used(row: ClientSecret | ApiKey) -> bool:
    noted = row.used_at is not None and row.used_at > now() - IDLE_FOR
    if noted or isinstance(row, ClientSecret):
        return noted
    return bool(last_used(row.application.client_id, [row.jti], now() - IDLE_FOR))


def warn_of_expiry() -> None:
    """By mail to the team, 30, 7 and 1 days ahead; each once."""
    moment = now()
    for kind, what in KINDS.items():
        soon = kind.expires_at.between(moment, moment + timedelta(days=max(WARN_DAYS)))
        for row in _rows(kind, soon, kind.revoked_at.is_(None), kind.replaced_at.is_(None)):
            assert row.expires_at is not None  # the query says so
            days = next(d for d in WARN_DAYS if row.expires_at - moment <= timedelta(days=d))
            if row.warned_days and row.warned_days <= days:
                continue
            row.warned_days = days
            left = math.ceil((row.expires_at - moment) / timedelta(days=1))
            tell_team(
                row.application,
                f"The {what} {row.name or row.hint} ends in {left} day{'s' if left > 1 else ''}",
                f"The {what} {row.name or row.hint} of {row.application.name} ends on {row.expires_at:%d %B %Y}. Replace it "
                f"in time; both can be good together:\n\n{runtime().config.public_url}/applications/{row.application_id}\n",
            )


def tell_team(application: Application, subject: str, text: str) -> None:
    for person in application.team.people:
        if person.is_active:
            mail.send_soon(runtime().config, person.email, subject, text)


def fetch_keys_again() -> dict[int, list[dict[str, Any]]]:
    """What APIs publish at an address of theirs, by the number of the key that we have of it; nothing where it fails."""
    query = select(EncryptionKey.id, EncryptionKey.jwks_uri, EncryptionKey.alg).where(
        EncryptionKey.source == Source.JWKS_URI, EncryptionKey.state == KeyState.ACTIVE,
        EncryptionKey.fetched_at < now() - REFETCH_AFTER,
    )  # fmt: skip
    found: dict[int, list[dict[str, Any]]] = {}
    due = db.session.execute(query.order_by(EncryptionKey.fetched_at).limit(MOST_FETCHED)).all()
    release()
    for row in due:
        try:
            found[row.id] = fetch_keys(row.jwks_uri, "enc", (row.alg,))
        except Refused:
            found[row.id] = []
    return found


def renew_fetched_keys(fetched: dict[int, list[dict[str, Any]]]) -> None:
    """What cannot be fetched stays as it is, and is asked again after a while, not at once."""
    for number, keys in fetched.items():
        key = db.session.get(EncryptionKey, number)
        if key is not None and key.state == KeyState.ACTIVE:
            encryption.renew_fetched_key(key, keys)
