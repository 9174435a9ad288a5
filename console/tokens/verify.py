"""The one verifier: introspection, gateway decisions and the console ask it, and only `InvalidToken` leaves it.

One key, one algorithm; strict compact form; nothing in a header is followed (``jku``, ``x5u``, ``jwk``), no ``zip``,
no ``crit``; sizes are capped before any work; both layers of a nested token are checked (RFC 8725, RFC 9068 section 4).
"""

from __future__ import annotations

import hashlib
import re
import time
from typing import Any, NamedTuple

from joserfc import jwe
from sqlalchemy import select

from ..applications.clients import audience_of
from ..credentials.rotation import LONGEST_TOKEN_S
from ..db import db, now
from ..runtime import Runtime, needs_database, remembered, up_to_date
from .compact import LONGEST, InvalidToken, json_object, number, split
from .compact import decode as decode_segment
from .issue import digest_of
from .keys import Decrypter, Verifier, decrypter, is_in_use, verifier
from .models import RevokedToken, SealedToken

__all__ = ["STEPS", "InvalidToken", "Verified", "audiences", "revoked", "verify"]

SKEW_S = 5
CACHE_S, MOST_CACHED = 60, 20_000
STEPS = ("format", "decryption", "key", "signature", "type", "claims", "issuer", "times", "revoked")
INNER_HEADERS = frozenset({"alg", "kid", "typ"})
OUTER_HEADERS = frozenset({"alg", "enc", "kid", "typ", "cty", "epk", "apu", "apv"})
IDENTITY = re.compile(r"[!-~]{1,64}")  # what can be written down when it is revoked
ACCESS_TOKEN = ("at+jwt", "application/at+jwt")


class Verified(NamedTuple):
    """A good token. ``inner`` is the signed one, to be handed on; empty where only the API can open it (``is_sealed``)."""

    claims: dict[str, Any]
    jti: str
    inner: str
    encrypted_for: int | None  # the API version whose key it is encrypted to
    until: float  # how long it may be remembered, seconds since 1970

    @property
    def is_sealed(self) -> bool:
        return not self.inner

    @property
    def jkt(self) -> str:
        """The thumbprint of the key that its holder must prove to have (RFC 9449 section 6.1)."""
        confirmation = self.claims.get("cnf")
        return str(confirmation.get("jkt", "")) if isinstance(confirmation, dict) else ""


def verify(text: str) -> Verified:
    """The claims of a good token, whoever it is for: the caller compares audience and scope.

    A token that was found good is remembered by its SHA-256 for a minute, as long as nothing changes; whether it has expired
    or was revoked is asked each time.
    """
    if len(text) > LONGEST:
        raise InvalidToken("The token is too long.")
    me = up_to_date()
    known = (
        me.verified
    )  # this very dict: a change under way replaces it, and what was read before must not get into that
    fingerprint = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    hit: Verified | None = known.get(fingerprint)
    if hit is not None and time.time() < hit.until and hit.jti not in me.memory.get("revoked", ()):
        return hit
    found = _verify(text, me)
    if len(known) >= MOST_CACHED:
        known.clear()
    known[fingerprint] = found
    return found


def _verify(text: str, me: Runtime) -> Verified:
    parts = split(text, 3, 5)
    if len(parts) == 3:
        return _good(_signed(text, parts, me), text, None)
    header = json_object(parts[0])
    key = decrypter(header["kid"]) if isinstance(header.get("kid"), str) else None
    if key is None:
        return _known_by_hash(text, header, me)
    if bool(parts[1]) == (
        key.alg == "ECDH-ES"
    ):  # which agrees on the content key itself (RFC 7516 section 5.2, step 10)
        raise InvalidToken("The token is encrypted in a way that its key is not for.", "decryption")
    inner = _open(text, header, key)
    return _good(_signed(inner, split(inner, 3), me), inner, key.version_id)


def _good(claims: dict[str, Any], inner: str, encrypted_for: int | None) -> Verified:
    return Verified(claims, claims["jti"], inner, encrypted_for, min(claims["exp"] + SKEW_S, time.time() + CACHE_S))


def _open(text: str, header: dict[str, Any], key: Decrypter) -> str:
    if (header.get("alg"), header.get("enc")) != (key.alg, key.enc) or not header.keys() <= OUTER_HEADERS:
        raise InvalidToken("The token is encrypted in a way that its key is not for.", "decryption")
    if header.get("cty") not in ("JWT", "at+jwt"):
        raise InvalidToken("The encrypted token does not say that it holds a JWT.", "decryption")
    try:
        inner = jwe.decrypt_compact(text, key.key, registry=key.registry).plaintext
        return (inner or b"").decode("ascii")
    except Exception:  # the library lets ValueError, TypeError and more through; all mean the same
        raise InvalidToken(
            "The token cannot be decrypted; it was altered or made for another key.", "decryption"
        ) from None


def _signed(text: str, parts: list[str], me: Runtime) -> dict[str, Any]:
    head, body, signature = parts
    # most tokens begin with the very same header: what it means is read once, and kept until something changes
    memory = me.memory
    key: Verifier | None = memory.get(("header", head))
    typ: object = "at+jwt"
    if key is None:
        header = json_object(head)
        key, typ = _verifier_for(header), header.get("typ")
    if not is_signature(text, signature, key):
        raise InvalidToken("The signature does not match.", "signature")
    claims = json_object(body)
    if typ not in ACCESS_TOKEN:
        raise InvalidToken("The token is not an access token (typ at+jwt).", "type", claims)
    memory["header", head] = key  # only after its signature was good: nobody else can fill this
    _check_claims(claims, me)
    if key.version_id and claims["aud"] != audience_of(key.version_id):
        # who shares a secret with us could make tokens with it, but only for itself
        raise InvalidToken("The token is signed with the secret of another API.", "key", claims)
    return claims


def _verifier_for(header: dict[str, Any]) -> Verifier:
    """One key, one algorithm, and nothing in the header that we do not know."""
    key = verifier(header["kid"]) if isinstance(header.get("kid"), str) else None
    if key is None:
        raise InvalidToken("The token is signed with a key that is not published here.", "key")
    if header.get("alg") != key.alg or not header.keys() <= INNER_HEADERS:
        raise InvalidToken("The token is signed in a way that its key is not for.", "key")
    return key


def is_signature(text: str, signature: str, key: Verifier) -> bool:
    try:
        return bool(key.algorithm.verify(text[: text.rindex(".")].encode(), key.key, decode_segment(signature)))
    except InvalidToken:
        raise
    except Exception:  # a signature of the wrong form
        return False


def _check_claims(claims: dict[str, Any], me: Runtime) -> None:
    try:
        texts = (claims["iss"], claims["jti"], claims["client_id"], claims["sub"])
        starts, ends, _ = claims["iat"], claims["exp"], claims["aud"]
    except KeyError as missing:
        raise InvalidToken(f"The token lacks the claim {missing.args[0]}.", "claims", claims) from None
    for text in texts:
        if type(text) is not str:
            raise InvalidToken("A claim of the token has the wrong type.", "claims", claims)
    if not IDENTITY.fullmatch(texts[1]):
        raise InvalidToken("The id of the token (jti) is not one of ours.", "claims", claims)
    if texts[0] != me.config.public_url:
        raise InvalidToken("The token comes from another issuer.", "issuer", claims)
    clock = time.time()
    if number(ends) <= clock - SKEW_S:
        raise InvalidToken("The token has expired.", "times", claims)
    if ends > clock + LONGEST_TOKEN_S + SKEW_S:  # who shares a secret with us may write anything
        raise InvalidToken("The token lives longer than any token may.", "times", claims)
    if number(starts) > clock + SKEW_S or ("nbf" in claims and number(claims["nbf"]) > clock + SKEW_S):
        raise InvalidToken("The token is not valid yet.", "times", claims)
    gone = me.memory.get("revoked")
    if texts[1] in (revoked() if gone is None else gone):
        raise InvalidToken("The token was revoked.", "revoked", claims)


def _known_by_hash(text: str, header: dict[str, Any], me: Runtime) -> Verified:
    """A token that only its API can open: what we wrote down when we issued exactly this text."""
    needs_database()
    row = db.session.get(SealedToken, digest_of(text))
    if row is None:
        raise InvalidToken("The token is encrypted to a key that we do not have.", "decryption")
    if not is_in_use(str(header.get("kid")), row.version_id):
        raise InvalidToken("The token is encrypted to a key that was revoked.", "decryption")
    if verifier(row.signed_by) is None:
        raise InvalidToken("The token is signed with a key that is not published here.", "key")
    issued, ends = int(row.issued_at.timestamp()), int(row.expires_at.timestamp())
    claims: dict[str, Any] = {
        "iss": me.config.public_url,
        "sub": row.client_id,
        "aud": audience_of(row.version_id),
        "client_id": row.client_id,
        "iat": issued,
        "exp": ends,
        "jti": row.jti,
    }
    if row.scope:
        claims["scope"] = row.scope
    if row.jkt:
        claims["cnf"] = {"jkt": row.jkt}
    _check_claims(claims, me)
    return _good(claims, "", row.version_id)


def revoked() -> frozenset[str]:
    """Ids of tokens that are refused although they have not expired."""
    return remembered("revoked", _read_revoked)


def _read_revoked() -> frozenset[str]:
    return frozenset(db.session.scalars(select(RevokedToken.jti).where(RevokedToken.expires_at > now())))


def audiences(claims: dict[str, Any]) -> list[str]:
    aud = claims.get("aud")
    return [aud] if isinstance(aud, str) else [a for a in aud if isinstance(a, str)] if isinstance(aud, list) else []
