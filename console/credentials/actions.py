"""Client secrets and API keys: made, shown once, replaced, revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import func, select

from ..accounts.models import Person
from ..applications.models import Application
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, serialise
from ..errors import Refused
from ..runtime import changed
from .models import ApiKey, ClientSecret, Credential
from .secrets import API_KEY, CLIENT_SECRET, mint

MOST_SECRETS, MOST_KEYS = 2, 20
C = TypeVar("C", ClientSecret, ApiKey)


@dataclass(frozen=True)
class Terms:
    """What a credential is called, and what limits it. Empty scopes: all of the subscription; no networks: anywhere."""

    name: str = ""
    expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Credential) -> Terms:
        return cls(row.name, row.expires_at, tuple(row.scopes), tuple(row.networks))


class Overlap(StrEnum):
    """How long the old credential is good beside the new one."""

    NOW = "now"
    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    IDLE = "idle"  # until the logs show that nobody uses it


OVERLAPS = {
    Overlap.NOW: timedelta(),
    Overlap.HOUR: timedelta(hours=1),
    Overlap.DAY: timedelta(days=1),
    Overlap.WEEK: timedelta(days=7),
}


def create_secret(
    application: Application, terms: Terms | None = None, *, by: Person | None
) -> tuple[ClientSecret, str]:
    """A client secret and its text, which is shown once. Two may be good together, so that one can be replaced."""
    _refuse_more(ClientSecret, application, MOST_SECRETS, "Revoke the one that is not in use first.")
    secret, text = _make(ClientSecret, application, terms or Terms())
    record(Action.SECRET_CREATED, secret, by=by, changes=_said(application, secret))
    return secret, text


def create_key(application: Application, terms: Terms, *, by: Person | None) -> tuple[ApiKey, str]:
    """An API key and its text, which is shown once."""
    _refuse_more(ApiKey, application, MOST_KEYS, "Revoke one first.")
    key, text = _make(ApiKey, application, terms)
    record(Action.KEY_CREATED, key, by=by, changes=_said(application, key))
    return key, text


def rotate_secret(secret: ClientSecret, overlap: Overlap, *, by: Person) -> tuple[ClientSecret, str]:
    """A new secret on the same terms; the old one ends after ``overlap``."""
    _refuse_more(ClientSecret, secret.application, MOST_SECRETS, "Revoke the other one first.", besides=secret.id)
    fresh, text = _replace(ClientSecret, secret, overlap)
    record(Action.SECRET_ROTATED, fresh, by=by, changes=_replaced(secret, fresh, overlap))
    return fresh, text


def rotate_key(key: ApiKey, overlap: Overlap, *, by: Person) -> tuple[ApiKey, str]:
    """A new key on the same terms; the old one ends after ``overlap``."""
    _refuse_more(ApiKey, key.application, MOST_KEYS, "Revoke one first.", besides=key.id)
    fresh, text = _replace(ApiKey, key, overlap)
    record(Action.KEY_ROTATED, fresh, by=by, changes=_replaced(key, fresh, overlap))
    return fresh, text


def revoke_secret(secret: ClientSecret, *, by: Person | None) -> None:
    if secret.revoked_at is None:
        secret.revoked_at = now()
        changed()
        record(Action.SECRET_REVOKED, secret, by=by, changes={"application": secret.application.name})


def revoke_key(key: ApiKey, *, by: Person | None) -> None:
    """The gateways refuse it within two seconds."""
    if key.revoked_at is None:
        key.revoked_at = now()
        changed()
        record(Action.KEY_REVOKED, key, by=by, changes={"application": key.application.name})


def _refuse_more(kind: type[C], application: Application, most: int, way_out: str, besides: int = 0) -> None:
    serialise(f"credentials {application.id}")
    live = select(func.count()).select_from(kind).where(kind.application_id == application.id, kind.id != besides)
    live = live.where(kind.revoked_at.is_(None), (kind.expires_at.is_(None)) | (kind.expires_at > now()))
    if (db.session.scalar(live) or 0) >= most:
        what = "client secrets" if kind is ClientSecret else "API keys"
        raise Refused(f"This application has {most} {what} already. {way_out}")


def _make(kind: type[C], application: Application, terms: Terms) -> tuple[C, str]:
    if terms.expires_at is not None and terms.expires_at <= now():
        raise Refused("Choose an expiry date in the future, or none.", "expires")
    minted = mint(CLIENT_SECRET if kind is ClientSecret else API_KEY)
    row = kind(
        application_id=application.id,
        name=terms.name,
        digest=minted.digest,
        hint=minted.hint,
        expires_at=terms.expires_at,
        scopes=list(terms.scopes),
        networks=list(terms.networks),
    )
    db.session.add(row)
    db.session.flush()
    changed()
    return row, minted.text


def _replace(kind: type[C], old: C, overlap: Overlap) -> tuple[C, str]:
    if not old.is_good:
        raise Refused(f"It is {old.state} already. Create a new one instead.")
    if old.replaced_at is not None:
        raise Refused("It was replaced already, and ends by itself. Replace the new one instead.")
    fresh, text = _make(kind, old.application, Terms.of(old))
    moment = now()
    old.replaced_at = moment
    if overlap == Overlap.IDLE:
        old.ends_when_idle = True
    elif overlap == Overlap.NOW:
        old.revoked_at = moment
    else:
        ends = moment + OVERLAPS[overlap]
        old.expires_at = min(ends, old.expires_at) if old.expires_at else ends
    return fresh, text


def _said(application: Application, row: Credential) -> dict[str, object]:
    limits = {"expires_at": row.expires_at, "scopes": row.scopes, "networks": row.networks}
    return {"application": application.name} | {name: value for name, value in limits.items() if value}


def _replaced(old: Credential, fresh: Credential, overlap: Overlap) -> dict[str, object]:
    return {"application": old.application.name, "hint": [old.hint, fresh.hint], "overlap": str(overlap)}
