"""The public keys with which an application proves itself instead of with a secret (RFC 7523, RFC 7591 section 2)."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import select

from ..accounts.models import Person
from ..apis.fetch import check_address
from ..applications.models import Application
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, serialise
from ..errors import Refused
from ..runtime import changed
from .algorithms import PUBLISHED_SIGNING, check_public_jwk
from .models import ClientKey

MOST = 5


def parse_jwk(text: str) -> Any:
    """What was pasted, as JSON; a set with one key in it counts as that key."""
    try:
        said = orjson.loads(text)
    except ValueError:
        raise Refused("That is not JSON. Paste the public key as a JWK.", "jwk") from None
    keys = said.get("keys") if isinstance(said, dict) else None
    return keys[0] if isinstance(keys, list) and len(keys) == 1 else said


def register_client_key(application: Application, jwk: Any, *, by: Person | None) -> ClientKey:
    """From now on the application may sign who it is with the private half."""
    serialise(f"credentials {application.id}")
    checked = check_public_jwk(jwk, "sig", PUBLISHED_SIGNING)
    live = client_keys(application)
    if len(live) >= MOST:
        raise Refused(f"This application has {MOST} public keys already. Revoke one first.", "jwk")
    if any(key.kid == checked["kid"] for key in live):
        raise Refused(f"This application has a key with the kid {checked['kid']} already.", "jwk")
    key = ClientKey(application_id=application.id, kid=checked["kid"], alg=checked["alg"], public_jwk=checked)
    db.session.add(key)
    db.session.flush()
    changed()
    record(Action.CLIENT_KEY_REGISTERED, key, by=by, changes={"application": application.name, "alg": key.alg})
    return key


def revoke_client_key(key: ClientKey, *, by: Person) -> None:
    if key.revoked_at is None:
        key.revoked_at = now()
        changed()
        record(Action.CLIENT_KEY_REVOKED, key, by=by, changes={"application": key.application.name})


def set_jwks_uri(application: Application, url: str, *, by: Person) -> None:
    """Where the application publishes its keys itself; empty: nowhere."""
    if url:
        check_address(url, "jwks_uri")
    if application.jwks_uri == url:
        return
    before, application.jwks_uri = application.jwks_uri, url
    changed()
    record(Action.JWKS_URI_CHANGED, application, by=by, changes={"jwks_uri": [before, url]})


def client_keys(application: Application) -> list[ClientKey]:
    query = select(ClientKey).where(ClientKey.application_id == application.id, ClientKey.revoked_at.is_(None))
    return list(db.session.scalars(query.order_by(ClientKey.id.desc()).limit(MOST)))
