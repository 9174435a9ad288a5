"""The one issuer: RFC 9068 access tokens, signed, and nested in a JWE (RFC 7519 section 5.2) where asked for."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from joserfc import jwe

from ..credentials.algorithms import ES256, HS256
from ..db import db
from ..errors import Refused
from ..runtime import remembered, runtime
from .keys import Encrypter, Signer, encrypter, signer
from .models import SealedToken


@dataclass(frozen=True)
class Profile:
    """How tokens for one API version are made (names as in RFC 7591, section 2)."""

    version_id: int = 0
    signing_alg: str = ES256
    encrypted: bool = False

    @property
    def signer(self) -> Signer:
        return signer(self.signing_alg, self.version_id if self.signing_alg == HS256 else 0)


@dataclass(frozen=True)
class Token:
    text: str
    jti: str
    expires_at: int  # seconds since 1970
    lifetime_s: int
    format: str  # "signed" or "encrypted"
    type: str = "Bearer"  # or "DPoP" (RFC 9449 section 5)


def issue_token(
    *,
    client_id: str,
    audience: str,
    scope: str,
    lifetime_s: int,
    profile: Profile | None = None,
    jti: str = "",
    jkt: str = "",
    plan: str = "",
) -> Token:
    """A token for ``client_id`` at ``audience``. ``jkt``: bound to that key of the caller (RFC 9449 section 6.1).

    ``plan``: the private claim by which a gateway knows how often this client may call.
    """
    profile = profile or Profile()
    issued_at = int(time.time())
    jti = jti or secrets.token_urlsafe(16)
    claims: dict[str, Any] = {
        "iss": runtime().config.public_url,
        "sub": client_id,
        "aud": audience,
        "client_id": client_id,
        "iat": issued_at,
        "exp": issued_at + lifetime_s,
        "jti": jti,
    }
    if scope:
        claims["scope"] = scope
    if plan:
        claims["plan"] = plan
    if jkt:
        claims["cnf"] = {"jkt": jkt}
    key = profile.signer
    text = sign(claims, key)
    if profile.encrypted:
        text = _sealed(text, profile.version_id, claims, key.kid)
    form = "encrypted" if profile.encrypted else "signed"
    return Token(text, jti, issued_at + lifetime_s, lifetime_s, form, "DPoP" if jkt else "Bearer")


def sign(claims: dict[str, object], key: Signer, typ: str = "at+jwt") -> str:
    """Compact JWS (RFC 7515 section 7.1)."""
    head = remembered(("head", key.kid, typ), lambda: _head(key, typ))
    signed = head + b"." + _b64(orjson.dumps(claims))
    return (signed + b"." + _b64(key.algorithm.sign(signed, key.key))).decode()


def _head(key: Signer, typ: str) -> bytes:
    return _b64(orjson.dumps({"typ": typ, "alg": key.alg, "kid": key.kid}))


def _sealed(text: str, version_id: int, claims: dict[str, Any], signed_by: str) -> str:
    key = encrypter(version_id)
    if key is None:
        raise Refused("This API version has no encryption key yet. Publish it again.")
    text = encrypt(text, key)
    if not key.is_managed:
        _remember_sealed(text, version_id, claims, signed_by)
    return text


def encrypt(token: str, key: Encrypter) -> str:
    """Compact JWE (RFC 7516 section 7.1) around a signed token; a fresh content-encryption key each time."""
    header = {"alg": key.alg, "enc": key.enc, "kid": key.kid, "typ": "at+jwt", "cty": "JWT"}
    return jwe.encrypt_compact(header, token.encode(), key.key, registry=key.registry)


def _remember_sealed(text: str, version_id: int, claims: dict[str, Any], signed_by: str) -> None:
    """Nobody but the API can open it, so introspection and the gateway know it by its hash. Needs a unit of work."""
    db.session.add(
        SealedToken(
            digest=digest_of(text),
            jti=claims["jti"],
            version_id=version_id,
            client_id=claims["client_id"],
            scope=claims.get("scope", ""),
            jkt=claims.get("cnf", {}).get("jkt", ""),
            signed_by=signed_by,
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        )
    )
    db.session.flush()


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
