"""Finding credentials, only through the application that a person may see."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from ..applications.models import Application
from ..db import db, now
from ..errors import NotFound
from .models import ApiKey, ClientCertificate, ClientKey, ClientSecret, EncryptionKey, SigningKey

WARN_AHEAD = timedelta(days=30)
Owned = TypeVar("Owned", ClientSecret, ApiKey, ClientKey, ClientCertificate)


def secrets_of(application: Application) -> list[ClientSecret]:
    query = select(ClientSecret).where(ClientSecret.application_id == application.id, ClientSecret.revoked_at.is_(None))
    return list(db.session.scalars(query.order_by(ClientSecret.id.desc()).limit(10)))


def keys_of(application: Application) -> list[ApiKey]:
    query = select(ApiKey).where(ApiKey.application_id == application.id)
    return list(db.session.scalars(query.order_by(ApiKey.revoked_at.isnot(None), ApiKey.id.desc()).limit(50)))


def _own(kind: type[Owned], application: Application, row_id: int, called: str) -> Owned:
    found = db.session.get(kind, row_id)
    if found is None or found.application_id != application.id:
        raise NotFound(f"This application has no such {called}.")
    return found


def find_secret(application: Application, secret_id: int) -> ClientSecret:
    return _own(ClientSecret, application, secret_id, "client secret")


def find_key(application: Application, key_id: int) -> ApiKey:
    return _own(ApiKey, application, key_id, "API key")


def signing_keys() -> list[SigningKey]:
    return list(db.session.scalars(select(SigningKey).order_by(SigningKey.created_at.desc()).limit(50)))


def encryption_keys_of(version_id: int) -> list[EncryptionKey]:
    query = select(EncryptionKey).where(EncryptionKey.version_id == version_id)
    return list(db.session.scalars(query.order_by(EncryptionKey.id.desc()).limit(20)))


def find_encryption_key(version_id: int, key_id: int) -> EncryptionKey:
    key = db.session.get(EncryptionKey, key_id)
    if key is None or key.version_id != version_id:
        raise NotFound("This version has no such key.")
    return key


def find_signing_key(kid: str) -> SigningKey:
    key = db.session.get(SigningKey, kid)
    if key is None:
        raise NotFound("There is no such signing key.")
    return key


def find_client_key(application: Application, key_id: int) -> ClientKey:
    return _own(ClientKey, application, key_id, "public key")


def find_certificate(application: Application, certificate_id: int) -> ClientCertificate:
    return _own(ClientCertificate, application, certificate_id, "certificate")


def in_trouble(team_ids: list[int] | None, size: int = 3) -> list[ClientSecret | ApiKey]:
    """Good ones of these teams (None: of all) that were found in the open, or end within a month; the worst first."""
    found: list[ClientSecret | ApiKey] = []
    for kind in (ClientSecret, ApiKey):
        query = select(kind).where(kind.revoked_at.is_(None), kind.replaced_at.is_(None))
        query = query.where((kind.expires_at.is_(None)) | (kind.expires_at > now()))
        query = query.where(kind.leaked_at.is_not(None) | (kind.expires_at < now() + WARN_AHEAD))
        if team_ids is not None:
            query = query.join(Application).where(Application.team_id.in_(team_ids))
        query = query.options(joinedload(kind.application)).order_by(kind.leaked_at.is_(None), kind.expires_at)
        found += db.session.scalars(query.limit(size))
    return sorted(found, key=lambda row: (row.leaked_at is None, row.expires_at or now()))[:size]


def encryption_keys() -> list[EncryptionKey]:
    return list(db.session.scalars(select(EncryptionKey).order_by(EncryptionKey.created_at.desc()).limit(100)))
