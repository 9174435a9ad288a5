"""Who calls the authorization server: client authentication (RFC 6749 section 2.3, RFC 7523 with RFC 10070)."""

from __future__ import annotations

import base64
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import orjson

from ..applications.clients import Client, Limits, client, exists
from ..credentials.algorithms import PUBLISHED_SIGNING, canonical
from ..credentials.limits import is_within, note_use
from ..credentials.models import ClientSecret
from ..credentials.secrets import digest
from ..db import now
from ..runtime import needs_database, remembered, runtime
from . import remote
from .compact import InvalidToken, json_object, number, split
from .errors import OAuthError, invalid_client
from .keys import Verifier, algorithm, load
from .once import is_first_use
from .verify import SKEW_S, is_signature

NOBODY = "0" * 64
CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")  # what else is asked for is neither looked up nor remembered
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_ASSERTION_S = 3600
ASSERTION_TYPES = (None, "JWT", "client-authentication+jwt")
WRONG = "The client id or the client secret is wrong."


@dataclass(frozen=True)
class Caller:
    """A client that has proven itself. ``scopes``: what its secret is limited to; empty: nothing."""

    client: Client
    scopes: frozenset[str] = frozenset()


def authenticate_client(authorization: str, form: Mapping[str, str], address: str = "") -> Caller:
    """By HTTP Basic, by ``client_id`` and ``client_secret`` in the form, or by a signed assertion; one of them only.

    An unknown client and a wrong secret get the same answer after the same work.
    """
    ways = [bool(authorization), "client_secret" in form, "client_assertion" in form or "client_assertion_type" in form]
    if sum(ways) > 1:
        raise OAuthError("invalid_request", "Use one way of client authentication, not two.")
    if ways[2]:
        return _by_assertion(form)
    if not authorization:
        return _by_secret(form.get("client_id", ""), form.get("client_secret", ""), address)
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise invalid_client("Use HTTP Basic, or client_id and client_secret in the form.")
    client_id, secret = _basic(value)
    if form.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_request", "The client_id in the form is not the one in the Authorization header.")
    return _by_secret(client_id, secret, address)


def _basic(value: str) -> tuple[str, str]:
    """Both halves are form-encoded before base64 (RFC 6749 section 2.3.1)."""
    try:
        user, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:  # not base64, not ASCII, not UTF-8
        raise invalid_client("The Authorization header is not valid HTTP Basic.") from None
    if not colon:
        raise invalid_client("The Authorization header is not valid HTTP Basic.")
    return unquote_plus(user), unquote_plus(password)


def _known(client_id: str) -> Client | None:
    return client(client_id) if CLIENT_ID.fullmatch(client_id) else None


def _by_secret(client_id: str, secret: str, address: str) -> Caller:
    found, shown = _known(client_id), digest(secret)
    right: Limits | None = None
    for limits in found.secrets if found else ():
        if hmac.compare_digest(shown, limits.digest):
            right = limits
    if right is None:
        hmac.compare_digest(shown, NOBODY)
    if found is None or right is None or (right.expires_at is not None and right.expires_at <= now()):
        if found is not None:
            exists(
                client_id
            )  # the time must not tell a wrong secret from an unknown client, which is looked up each time
        raise invalid_client(WRONG)
    if not is_within(address, right.networks):
        raise invalid_client("This client secret may not be used from this network.")
    note_use(ClientSecret, right.id, right.used_at)
    return Caller(found, right.scopes)


def _by_assertion(form: Mapping[str, str]) -> Caller:
    """``private_key_jwt``: the client signs who it is; the audience is this issuer and nothing else (RFC 10070)."""
    if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
        raise OAuthError("invalid_request", f"client_assertion needs client_assertion_type {ASSERTION_TYPE}.")
    needs_database()  # its jti is written down
    try:
        claims, found = _read_assertion(form["client_assertion"])
        until = _check_assertion(claims, found, form.get("client_id", found.client_id))
    except InvalidToken as invalid:
        raise invalid_client(f"The client assertion is not good. {invalid.reason}") from None
    if not is_first_use("assertion", found.client_id, claims["jti"], until):
        raise invalid_client("The client assertion was used before. Make a new one, with a jti of its own, each time.")
    return Caller(found)


def _read_assertion(text: str) -> tuple[dict[str, Any], Client]:
    """What a well-signed assertion says, and the client whose registered key signed it."""
    head, body, signature = split(text, 3)
    header, claims = json_object(head), json_object(body)
    found = _known(claims["sub"]) if isinstance(claims.get("sub"), str) else None
    key = _assertion_key(found, header) if found is not None else None
    if found is None or key is None:
        raise InvalidToken("It is signed with a key that this client has not registered.")
    if (
        header.get("alg") != key.alg
        or header.get("typ") not in ASSERTION_TYPES
        or header.keys() - {"alg", "kid", "typ"}
    ):
        raise InvalidToken("Its header is not one that its key is for.")
    if not is_signature(text, signature, key):
        raise InvalidToken("Its signature does not match.")
    return claims, found


def _assertion_key(found: Client, header: dict[str, Any]) -> Verifier | None:
    """By ``kid``; without one, the client's only key."""
    kid, alg = header.get("kid"), canonical(header.get("alg"))
    if alg not in PUBLISHED_SIGNING or not isinstance(kid, str | None):
        return None
    jwk = next((k for k in found.keys if k["kid"] == kid), None)
    if jwk is None and kid is None and len(found.keys) == 1:
        jwk = found.keys[0]
    if jwk is None and kid is not None and found.jwks_uri:
        jwk = remote.signing_key(found.jwks_uri, kid)
    if jwk is None:
        return None
    name = ("client key", found.client_id, jwk["kid"], jwk.get("x"), jwk.get("n"))
    return remembered(name, lambda: _verifier_of(jwk))


def _verifier_of(jwk: dict[str, Any]) -> Verifier:
    alg = str(jwk["alg"])
    return Verifier(str(jwk["kid"]), alg, algorithm(alg), load(alg, orjson.dumps(jwk)))


def _check_assertion(claims: dict[str, Any], found: Client, client_id: str) -> float:
    """When the assertion ends, seconds since 1970."""
    if claims.get("iss") != found.client_id or client_id != found.client_id:
        raise InvalidToken("iss, sub and client_id must be the client's id.")
    if claims.get("aud") not in (runtime().config.public_url, [runtime().config.public_url]):
        raise InvalidToken(f"aud must be {runtime().config.public_url} and nothing else; not the token endpoint.")
    clock = time.time()
    ends = number(claims.get("exp"))
    if ends <= clock - SKEW_S:
        raise InvalidToken("It has expired.")
    if ends > clock + LONGEST_ASSERTION_S + SKEW_S:
        raise InvalidToken("It lives too long: exp may be one hour ahead.")
    if number(claims.get("iat", 0)) > clock + SKEW_S or number(claims.get("nbf", 0)) > clock + SKEW_S:
        raise InvalidToken("It is not valid yet.")
    if not isinstance(claims.get("jti"), str) or not 0 < len(claims["jti"]) <= 256:
        raise InvalidToken("It needs a jti, which is used once.")
    return ends + SKEW_S
