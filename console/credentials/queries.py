"""Finding credentials, only through the application that a person may see."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select

from ..applications.models import Application
from ..db import db
from ..errors import NotFound
from .models import ApiKey, ClientCertificate, ClientKey, ClientSecret, EncryptionKey, SigningKey

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


def encryption_keys() -> list[EncryptionKey]:
    return list(db.session.scalars(select(EncryptionKey).order_by(EncryptionKey.created_at.desc()).limit(100)))
