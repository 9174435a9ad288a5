"""What the machine endpoints need to know of a client, remembered until something changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import contains_eager, joinedload

from ..apis.models import SERVING, Accepts, ApiVersion, Dpop
from ..credentials.models import ApiKey, ClientCertificate, ClientKey, ClientSecret, Credential
from ..db import db, now
from ..runtime import needs_database, remembered
from .models import Application, Plan, ResourceServer, Subscription, SubscriptionState


@dataclass(frozen=True)
class Grant:
    """What one subscription allows."""

    version_id: int
    audience: str
    scopes: tuple[str, ...]
    lifetime_s: int
    accepts: frozenset[str]
    signing_alg: str
    key_source: str
    dpop: str
    plan: str = ""
    ends_at: datetime | None = None  # asked each time, because the job that ends it comes by later

    @property
    def takes_tokens(self) -> bool:
        return bool(self.accepts & {Accepts.SIGNED, Accepts.ENCRYPTED})

    @property
    def is_encrypted(self) -> bool:
        """Tokens are encrypted wherever the API takes that."""
        return Accepts.ENCRYPTED in self.accepts

    @property
    def takes_dpop(self) -> bool:
        return self.dpop != Dpop.OFF

    @property
    def is_over(self) -> bool:
        return self.ends_at is not None and self.ends_at <= now()


@dataclass(frozen=True)
class Limits:
    """Of one client secret or API key: what is asked each time it is used."""

    id: int
    digest: str
    scopes: frozenset[str]  # empty: all that the subscription allows
    networks: tuple[str, ...]
    expires_at: datetime | None
    used_at: datetime | None

    @classmethod
    def of(cls, row: Credential) -> Limits:
        return cls(row.id, row.digest, frozenset(row.scopes), tuple(row.networks), row.expires_at, row.used_at)


@dataclass(frozen=True)
class Client:
    application_id: int
    client_id: str
    secrets: tuple[Limits, ...]
    keys: tuple[dict[str, Any], ...]  # public JWKs, each with kid and alg
    jwks_uri: str
    grants: tuple[Grant, ...]
    serves: frozenset[str]  # audiences whose backend it is

    def grant_for(self, audience: str) -> Grant | None:
        return next((g for g in self.grants if g.audience == audience and not g.is_over), None)


@dataclass(frozen=True)
class KnownKey:
    """An API key that may be good: revoked ones are not found, limits are asked each time."""

    jti: str
    client: Client
    limits: Limits


def client(client_id: str) -> Client | None:
    """What is not there is not remembered: made-up ids would fill the memory, and their answers come faster the next time."""
    try:
        return remembered(("client", client_id), lambda: _read_client(client_id))
    except LookupError:
        return None


def exists(client_id: str) -> bool:
    """Asked of the database each time, which takes as long as finding out that there is no such client."""
    needs_database()
    return db.session.scalar(select(Application.id).where(Application.client_id == client_id)) is not None


def _read_client(client_id: str) -> Client:
    application = db.session.scalars(select(Application).where(Application.client_id == client_id)).first()
    if application is None:
        raise LookupError(client_id)
    secrets = select(ClientSecret).where(
        ClientSecret.application_id == application.id, ClientSecret.revoked_at.is_(None)
    )
    keys = select(ClientKey).where(ClientKey.application_id == application.id, ClientKey.revoked_at.is_(None))
    return Client(
        application.id,
        application.client_id,
        tuple(Limits.of(secret) for secret in db.session.scalars(secrets)),
        tuple(key.public_jwk for key in db.session.scalars(keys)),
        application.jwks_uri,
        _grants(application.id),
        _serves(application.id),
    )


def _grants(application_id: int) -> tuple[Grant, ...]:
    query = (
        select(Subscription)
        .join(ApiVersion, Subscription.version_id == ApiVersion.id)
        .where(Subscription.application_id == application_id, Subscription.state == SubscriptionState.ACTIVE)
        .where(ApiVersion.state.in_(SERVING))
        .options(contains_eager(Subscription.version), joinedload(Subscription.plan).joinedload(Plan.version))
        .order_by(ApiVersion.id)
    )
    return tuple(grant_of(subscription) for subscription in db.session.scalars(query))


def grant_of(subscription: Subscription) -> Grant:
    """What its plan allows of what the version accepts and has."""
    version, plan = subscription.version, subscription.plan
    return Grant(
        version.id,
        version.audience,
        tuple(plan.allowed_scopes() if plan else version.scopes),
        version.token_lifetime_s,
        frozenset(plan.credentials() if plan else version.accepts),
        version.signing_alg,
        version.key_source,
        version.dpop,
        plan.name if plan else "",
        subscription.expires_at,
    )


def _serves(application_id: int) -> frozenset[str]:
    query = select(ApiVersion.audience).join(ResourceServer, ResourceServer.version_id == ApiVersion.id)
    return frozenset(db.session.scalars(query.where(ResourceServer.application_id == application_id)))


def known_key(digest: str) -> KnownKey | None:
    try:
        return remembered(("key", digest), lambda: _read_key(digest))
    except LookupError:
        return None


def _read_key(digest: str) -> KnownKey:
    query = select(ApiKey).where(ApiKey.digest == digest, ApiKey.revoked_at.is_(None))
    key = db.session.scalars(query.options(joinedload(ApiKey.application))).first()
    owner = client(key.application.client_id) if key is not None else None
    if key is None or owner is None:
        raise LookupError(digest)
    return KnownKey(key.jti, owner, Limits.of(key))


@dataclass(frozen=True)
class KnownCertificate:
    """One that was not revoked; when it ends is asked each time."""

    id: int
    jti: str
    client: Client
    expires_at: datetime
    used_at: datetime | None


def known_certificate(digest: str) -> KnownCertificate | None:
    try:
        return remembered(("certificate", digest), lambda: _read_certificate(digest))
    except LookupError:
        return None


def _read_certificate(digest: str) -> KnownCertificate:
    query = select(ClientCertificate).where(ClientCertificate.digest == digest, ClientCertificate.revoked_at.is_(None))
    found = db.session.scalars(query.options(joinedload(ClientCertificate.application))).first()
    owner = client(found.application.client_id) if found is not None else None
    if found is None or owner is None:
        raise LookupError(digest)
    return KnownCertificate(found.id, found.jti, owner, found.expires_at, found.used_at)


def audience_of(version_id: int) -> str:
    def read() -> str:
        return db.session.scalar(select(ApiVersion.audience).where(ApiVersion.id == version_id)) or ""

    return remembered(("audience", version_id), read)
