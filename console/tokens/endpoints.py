"""The authorization server's endpoints, for machines: token, introspection, revocation, metadata, keys."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import update

from ..applications.clients import Client, Grant
from ..audit.actions import record
from ..audit.models import Action
from ..credentials.algorithms import PUBLISHED_SIGNING
from ..credentials.models import Source
from ..credentials.signing import CACHE_CONTROL, jwks
from ..db import db, now, unit_of_work
from ..runtime import needs_database, remembered, runtime
from ..web.machine import Answer, Asked, Route, json_answer
from ..web.metrics import TOKENS
from . import dpop
from .actions import revoke_jti
from .client_auth import Caller, authenticate_client
from .errors import OAuthError
from .grants import check_grant_type, grant_client_credentials, parse_form, target
from .issue import sign
from .keys import signer
from .models import IssuedToken
from .verify import InvalidToken, Verified, audiences, verify

NEVER_IN_ADDRESS = frozenset({"client_secret", "client_assertion", "token"})
SIGNED_ANSWER = "application/token-introspection+jwt"


def token(asked: Asked) -> Answer:
    """RFC 6749 section 4.4 with RFC 8707, RFC 9068 and RFC 9449."""
    try:
        form, who = _form_and_caller(asked)
        check_grant_type(form)
        grant = target(who, form)
        jkt = _proof(asked)
        with _writing_where_needed(grant):
            granted = grant_client_credentials(who, grant, form, jkt)
    except OAuthError as error:
        return _refusal(error)
    made = granted.token
    TOKENS.labels(made.format).inc()
    answer: dict[str, object] = {
        "access_token": made.text,
        "token_type": made.type,
        "expires_in": made.lifetime_s,
    }
    if granted.scope:
        answer["scope"] = granted.scope
    return json_answer(answer, 200, *([("DPoP-Nonce", dpop.nonce())] if jkt else []))


def _form_and_caller(asked: Asked) -> tuple[dict[str, str], Caller]:
    """The parameters, and the client that has proven itself."""
    if asked.query.keys() & NEVER_IN_ADDRESS:
        raise OAuthError("invalid_request", "Never put a secret into the address: send it in the body.")
    form = parse_form(asked.body(), asked.content_type)
    return form, authenticate_client(asked.header("Authorization"), form, asked.address)


def _proof(asked: Asked) -> str:
    """The thumbprint of the key that the token is to be bound to; empty when no proof was sent."""
    proof = asked.header("DPoP")
    if not proof:
        return ""
    needs_database()  # its jti is written down
    return dpop.check_proof(proof, "POST", runtime().config.public_url + "/oauth/token", needs_nonce=True)


def _writing_where_needed(grant: Grant) -> contextlib.AbstractContextManager[None]:
    """Tokens that only the API can open are written down by their hash; all others leave nothing behind."""
    if not grant.is_encrypted or grant.key_source == Source.MANAGED:
        return contextlib.nullcontext()
    needs_database()
    return unit_of_work()


def _refusal(error: OAuthError) -> Answer:
    return json_answer({"error": error.code, "error_description": error.message}, error.status, *error.headers)


def _client_and_token(asked: Asked) -> tuple[Client, str]:
    """What introspection and revocation are asked with: a client that proves itself, and a token."""
    form, who = _form_and_caller(asked)
    if "token" not in form:
        raise OAuthError("invalid_request", "The parameter token is missing.")
    return who.client, form["token"]


def introspect(asked: Asked) -> Answer:
    """RFC 7662; a signed answer (RFC 9701) to who accepts that. Who is no audience of the token learns nothing of it."""
    try:
        who, text = _client_and_token(asked)
    except OAuthError as error:
        return _refusal(error)
    try:
        told = _told(verify(text), who)
    except InvalidToken:
        told = {"active": False}
    if SIGNED_ANSWER in asked.header("Accept"):
        return _signed_answer(told, who)
    return json_answer(told)


def _told(verified: Verified, who: Client) -> dict[str, Any]:
    """All to the API's backend and to the client that was given the token; else only that it is not active."""
    claims = verified.claims
    if claims["client_id"] != who.client_id and not who.serves & set(audiences(claims)):
        return {"active": False}
    shown = {
        k: claims[k] for k in ("scope", "client_id", "exp", "iat", "sub", "aud", "iss", "jti", "cnf") if k in claims
    }
    return {"active": True, "token_type": "DPoP" if verified.jkt else "Bearer"} | shown


def _signed_answer(told: dict[str, Any], who: Client) -> Answer:
    """RFC 9701 section 5."""
    claims: dict[str, object] = {
        "iss": runtime().config.public_url,
        "aud": who.client_id,
        "iat": int(time.time()),
        "token_introspection": told,
    }
    answer = json_answer({})
    answer.body = sign(claims, signer(), "token-introspection+jwt").encode()
    answer.headers = [("Content-Type", SIGNED_ANSWER), *answer.headers[1:]]
    return answer


def revoke(asked: Asked) -> Answer:
    """RFC 7009: 200 for whatever is no good token of this client, too."""
    try:
        who, text = _client_and_token(asked)
    except OAuthError as error:
        return _refusal(error)
    try:
        verified = verify(text)
    except InvalidToken:
        return json_answer({})
    if verified.claims["client_id"] == who.client_id:
        with unit_of_work():
            if revoke_jti(verified.jti, datetime.fromtimestamp(verified.claims["exp"], UTC)):
                db.session.execute(update(IssuedToken).where(IssuedToken.jti == verified.jti).values(revoked_at=now()))
                record(Action.TOKEN_REVOKED, _Revoked(verified.jti), changes={"client_id": who.client_id})
    return json_answer({})


class _Revoked:
    """A token as the subject of an audit entry."""

    __tablename__ = "token"

    def __init__(self, jti: str) -> None:
        self.jti = jti


def keys(asked: Asked) -> Answer:
    """RFC 7517."""
    answer = json_answer(remembered("jwks", jwks))
    answer.headers = [
        ("Content-Type", "application/jwk-set+json"),
        ("Cache-Control", CACHE_CONTROL),
        ("Access-Control-Allow-Origin", "*"),
    ]
    return answer


def metadata(asked: Asked) -> Answer:
    """RFC 8414, with the members that RFC 9449 and RFC 9701 add."""
    issuer = runtime().config.public_url
    methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
    said: dict[str, object] = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
        "introspection_signing_alg_values_supported": ["ES256"],
        "service_documentation": f"{issuer}/catalog",
    }
    for endpoint in ("token", "introspection", "revocation"):
        said[f"{endpoint}_endpoint_auth_methods_supported"] = methods
        said[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = list(PUBLISHED_SIGNING)
    answer = json_answer(said)
    answer.headers = [("Content-Type", "application/json"), ("Cache-Control", "public, max-age=900")]
    return answer


ROUTES = [
    Route("POST", "/oauth/token", "client", token, memory=True),
    Route("POST", "/oauth/introspect", "client", introspect, memory=True),
    Route("POST", "/oauth/revoke", "client", revoke),
    Route("GET", "/.well-known/jwks.json", "nobody", keys, memory=True),
    Route("GET", "/.well-known/oauth-authorization-server", "nobody", metadata, memory=True),
]
