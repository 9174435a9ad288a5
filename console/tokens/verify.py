"""The one verifier: introspection, gateway decisions and the console ask it, and only `InvalidToken` leaves it.

One key, one algorithm; strict compact form; nothing in a header is followed (``jku``, ``x5u``, ``jwk``), no ``zip``,
no ``crit``; sizes are capped before any work; both layers of a nested token are checked (RFC 8725).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import re
import time
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jwe
from sqlalchemy import select

from ..db import db, now
from ..errors import Refused
from ..runtime import remembered, runtime
from .keys import decrypter, verifier
from .models import RevokedToken

LONGEST = 8192
SKEW_S = 5
SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
KID = re.compile(r"[A-Za-z0-9_-]{43}")  # a thumbprint; what else is asked for is neither looked up nor remembered
MOST_NAMES = 64
INNER_HEADERS = frozenset({"alg", "kid", "typ"})
OUTER_HEADERS = frozenset({"alg", "enc", "kid", "typ", "cty", "epk", "apu", "apv"})
REQUIRED = ("iss", "sub", "aud", "client_id", "iat", "exp", "jti")


class InvalidToken(Refused):
    """Not good. ``reason`` is a sentence for whoever sent it."""

    status = 401

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Verified:
    claims: dict[str, Any]
    inner: str  # the signed token, to be handed on
    encrypted_for: int | None  # the API version whose key opened it

    @property
    def jti(self) -> str:
        return str(self.claims["jti"])


def verify(text: str) -> Verified:
    """The claims of a good token, whoever it is for: the caller compares audience and scope."""
    if len(text) > LONGEST:
        raise InvalidToken("The token is too long.")
    parts = text.split(".")
    if len(parts) == 5:
        inner, version_id = _open(text, parts)
        return Verified(_signed(inner), inner, version_id)
    if len(parts) == 3:
        return Verified(_signed(text), text, None)
    raise InvalidToken("The token is neither a signed (three parts) nor an encrypted (five parts) JWT.")


def _open(text: str, parts: list[str]) -> tuple[str, int]:
    if not all(SEGMENT.fullmatch(part) for part in parts):
        raise InvalidToken("The token is malformed.")
    header = _object(parts[0])
    key = decrypter(header["kid"]) if isinstance(header.get("kid"), str) and KID.fullmatch(header["kid"]) else None
    if key is None:
        raise InvalidToken("The token is encrypted to a key that this gateway does not have.")
    if (header.get("alg"), header.get("enc")) != (key.alg, key.enc) or not header.keys() <= OUTER_HEADERS:
        raise InvalidToken("The token is encrypted in a way that its key is not for.")
    if header.get("cty") not in ("JWT", "at+jwt"):
        raise InvalidToken("The encrypted token does not say that it holds a JWT.")
    try:
        inner = jwe.decrypt_compact(text, key.key, registry=key.registry).plaintext
        return (inner or b"").decode("ascii"), key.version_id
    except Exception:  # the library lets ValueError, TypeError and more through; all mean the same
        raise InvalidToken("The token cannot be decrypted; it was altered or made for another key.") from None


def _signed(text: str) -> dict[str, Any]:
    parts = text.split(".")
    if len(parts) != 3 or not all(SEGMENT.fullmatch(part) for part in parts):
        raise InvalidToken("The token is malformed.")
    header = _object(parts[0])
    key = verifier(header["kid"]) if isinstance(header.get("kid"), str) else None
    if key is None:
        raise InvalidToken("The token is signed with a key that is not published here.")
    if header.get("alg") != key.alg or not header.keys() <= INNER_HEADERS:
        raise InvalidToken("The token is signed in a way that its key is not for.")
    if header.get("typ") not in ("at+jwt", "application/at+jwt"):
        raise InvalidToken("The token is not an access token (typ at+jwt).")
    try:
        good = key.algorithm.verify(f"{parts[0]}.{parts[1]}".encode(), key.key, _bytes(parts[2]))
    except Exception:  # a signature of the wrong form
        good = False
    if not good:
        raise InvalidToken("The signature does not match.")
    return _claims(_object(parts[1]))


def _claims(claims: dict[str, Any]) -> dict[str, Any]:
    for name in REQUIRED:
        if name not in claims:
            raise InvalidToken(f"The token lacks the claim {name}.")
    if not all(isinstance(claims[k], str) for k in ("iss", "sub", "client_id", "jti")):
        raise InvalidToken("A claim of the token has the wrong type.")
    if not hmac.compare_digest(claims["iss"].encode(), runtime().config.public_url.encode()):
        raise InvalidToken("The token comes from another issuer.")
    clock = time.time()
    if _number(claims["exp"]) <= clock - SKEW_S:
        raise InvalidToken("The token has expired.")
    if _number(claims["iat"]) > clock + SKEW_S or _number(claims.get("nbf", 0)) > clock + SKEW_S:
        raise InvalidToken("The token is not valid yet.")
    if claims["jti"] in revoked():
        raise InvalidToken("The token was revoked.")
    return claims


def revoked() -> frozenset[str]:
    """Ids of tokens that are refused although they have not expired."""
    return remembered("revoked", _read_revoked)


def _read_revoked() -> frozenset[str]:
    return frozenset(db.session.scalars(select(RevokedToken.jti).where(RevokedToken.expires_at > now())))


def audiences(claims: dict[str, Any]) -> list[str]:
    aud = claims.get("aud")
    return [aud] if isinstance(aud, str) else [a for a in aud if isinstance(a, str)] if isinstance(aud, list) else []


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidToken("A time in the token is not a number.")
    return float(value)


def _object(segment: str) -> dict[str, Any]:
    """A JSON object without duplicate names (RFC 7515 section 4)."""
    raw = _bytes(segment)
    try:
        value = orjson.loads(raw)
    except ValueError:
        raise InvalidToken("The token is malformed.") from None
    if not isinstance(value, dict) or len(value) > MOST_NAMES or raw.count(b'":') < len(value) or _repeats(raw, value):
        raise InvalidToken("The token is malformed.")
    return value


def _repeats(raw: bytes, value: dict[str, Any]) -> bool:
    # orjson keeps the last of two equal names; another parser may keep the first
    return any(len(re.findall(rb'[{,]\s*"' + re.escape(name.encode()) + rb'"\s*:', raw)) > 1 for name in value)


def _bytes(segment: str) -> bytes:
    """Canonical base64url without padding; unused bits must be zero."""
    try:
        data = base64.b64decode(segment.replace("-", "+").replace("_", "/") + "=" * (-len(segment) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidToken("The token is malformed.") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != segment:
        raise InvalidToken("The token is malformed.")
    return data
