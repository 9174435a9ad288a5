"""Client secrets and API keys: made, shown once, revoked."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from ..accounts.models import Person
from ..applications.models import Application
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now
from ..errors import Refused
from ..runtime import changed
from .models import ApiKey, ClientSecret
from .secrets import API_KEY, CLIENT_SECRET, mint

MOST_SECRETS, MOST_KEYS = 2, 20


def create_secret(application: Application, *, by: Person | None) -> tuple[ClientSecret, str]:
    """A client secret and its text, which is shown once. Two may be good together, so that one can be replaced."""
    query = select(func.count()).select_from(ClientSecret)
    live = db.session.scalar(
        query.where(ClientSecret.application_id == application.id, ClientSecret.revoked_at.is_(None))
    )
    if (live or 0) >= MOST_SECRETS:
        raise Refused("This application has two client secrets already. Revoke the one that is not in use first.")
    minted = mint(CLIENT_SECRET)
    secret = ClientSecret(application_id=application.id, digest=minted.digest, hint=minted.hint)
    db.session.add(secret)
    db.session.flush()
    changed()
    record(Action.SECRET_CREATED, secret, by=by, changes={"application": application.name})
    return secret, minted.text


def revoke_secret(secret: ClientSecret, *, by: Person) -> None:
    if secret.revoked_at is None:
        secret.revoked_at = now()
        changed()
        record(Action.SECRET_REVOKED, secret, by=by, changes={"application": secret.application.name})


def create_key(
    application: Application, name: str, expires_at: datetime | None, *, by: Person | None
) -> tuple[ApiKey, str]:
    """An API key and its text, which is shown once."""
    query = select(func.count()).select_from(ApiKey)
    live = db.session.scalar(query.where(ApiKey.application_id == application.id, ApiKey.revoked_at.is_(None)))
    if (live or 0) >= MOST_KEYS:
        raise Refused(f"This application has {MOST_KEYS} API keys already. Revoke one first.")
    if expires_at is not None and expires_at <= now():
        raise Refused("Choose an expiry date in the future, or none.", "expires_at")
    minted = mint(API_KEY)
    key = ApiKey(
        application_id=application.id, name=name, digest=minted.digest, hint=minted.hint, expires_at=expires_at
    )
    db.session.add(key)
    db.session.flush()
    changed()
    record(Action.KEY_CREATED, key, by=by, changes={"application": application.name, "expires_at": expires_at})
    return key, minted.text


def revoke_key(key: ApiKey, *, by: Person) -> None:
    """The gateways refuse it within two seconds."""
    if key.revoked_at is None:
        key.revoked_at = now()
        changed()
        record(Action.KEY_REVOKED, key, by=by, changes={"application": key.application.name})
