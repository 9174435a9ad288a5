"""The one issuer: RFC 9068 access tokens, signed, and nested in a JWE (RFC 7519 section 5.2) where asked for."""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass

import orjson
from joserfc import jwe

from ..errors import Refused
from ..runtime import remembered, runtime
from .keys import Encrypter, Signer, encrypter, signer


@dataclass(frozen=True)
class Token:
    text: str
    jti: str
    expires_at: int  # seconds since 1970
    lifetime_s: int
    format: str  # "signed" or "encrypted"


def issue_token(
    *,
    client_id: str,
    audience: str,
    scope: str,
    lifetime_s: int,
    encrypt_for: int | None = None,
    jti: str = "",
) -> Token:
    """A token for ``client_id`` at ``audience``; ``encrypt_for`` is the API version whose key seals it."""
    issued_at = int(time.time())
    jti = jti or secrets.token_urlsafe(16)
    claims = {
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
    text = sign(claims, signer())
    if encrypt_for is not None:
        key = encrypter(encrypt_for)
        if key is None:
            raise Refused("This API version has no encryption key yet. Publish it again.")
        text = encrypt(text, key)
    form = "signed" if encrypt_for is None else "encrypted"
    return Token(text, jti, issued_at + lifetime_s, lifetime_s, form)


def sign(claims: dict[str, object], key: Signer) -> str:
    """Compact JWS (RFC 7515 section 7.1), ``typ: at+jwt``."""
    head = remembered(("head", key.kid), lambda: _b64(orjson.dumps({"typ": "at+jwt", "alg": key.alg, "kid": key.kid})))
    signed = head + b"." + _b64(orjson.dumps(claims))
    return (signed + b"." + _b64(key.algorithm.sign(signed, key.key))).decode()


def encrypt(token: str, key: Encrypter) -> str:
    """Compact JWE (RFC 7516 section 7.1) around a signed token; a fresh content key and ephemeral key each time."""
    header = {"alg": key.alg, "enc": key.enc, "kid": key.kid, "typ": "at+jwt", "cty": "JWT"}
    return jwe.encrypt_compact(header, token.encode(), key.key, registry=key.registry)


def _b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
