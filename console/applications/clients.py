"""What the machine endpoints need to know of a client, remembered until something changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from ..apis.models import Accepts, ApiVersion, State
from ..credentials.models import ApiKey, ClientSecret
from ..db import db
from ..runtime import remembered
from .models import Application, Subscription, SubscriptionState


@dataclass(frozen=True)
class Grant:
    """What one subscription allows."""

    version_id: int
    audience: str
    scopes: tuple[str, ...]
    lifetime_s: int
    accepts: frozenset[str]

    @property
    def encrypt_for(self) -> int | None:
        """Tokens are encrypted wherever the API takes that."""
        return self.version_id if Accepts.ENCRYPTED in self.accepts else None


@dataclass(frozen=True)
class Client:
    application_id: int
    client_id: str
    secrets: tuple[str, ...]  # digests
    grants: tuple[Grant, ...]

    def grant_for(self, audience: str) -> Grant | None:
        return next((g for g in self.grants if g.audience == audience), None)


@dataclass(frozen=True)
class KnownKey:
    """An API key that may be good: revoked ones are not found, expiry is asked each time."""

    key_id: int
    jti: str
    client: Client
    expires_at: datetime | None
    used_at: datetime | None


def client(client_id: str) -> Client | None:
    return remembered(("client", client_id), lambda: _read_client(client_id))


def _read_client(client_id: str) -> Client | None:
    application = db.session.scalars(select(Application).where(Application.client_id == client_id)).first()
    if application is None:
        return None
    secrets = select(ClientSecret.digest).where(
        ClientSecret.application_id == application.id, ClientSecret.revoked_at.is_(None)
    )
    return Client(application.id, application.client_id, tuple(db.session.scalars(secrets)), _grants(application.id))


def _grants(application_id: int) -> tuple[Grant, ...]:
    query = (
        select(ApiVersion)
        .join(Subscription, Subscription.version_id == ApiVersion.id)
        .where(Subscription.application_id == application_id, Subscription.state == SubscriptionState.ACTIVE)
        .where(ApiVersion.state.in_((State.PUBLISHED, State.DEPRECATED)))
        .order_by(ApiVersion.id)
    )
    return tuple(
        Grant(v.id, v.audience, tuple(v.scopes), v.token_lifetime_s, frozenset(v.accepts))
        for v in db.session.scalars(query)
    )


def known_key(digest: str) -> KnownKey | None:
    return remembered(("key", digest), lambda: _read_key(digest))


def _read_key(digest: str) -> KnownKey | None:
    query = select(ApiKey).where(ApiKey.digest == digest, ApiKey.revoked_at.is_(None))
    key = db.session.scalars(query.options(joinedload(ApiKey.application))).first()
    if key is None:
        return None
    owner = client(key.application.client_id)
    return KnownKey(key.id, key.jti, owner, key.expires_at, key.used_at) if owner else None


def audience_of(version_id: int) -> str:
    def read() -> str:
        return db.session.scalar(select(ApiVersion.audience).where(ApiVersion.id == version_id)) or ""

    return remembered(("audience", version_id), read)
