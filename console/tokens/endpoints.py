"""The authorization server's endpoints, for machines: token, introspection, revocation, metadata, keys."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import update

from ..applications.clients import Client
from ..audit.actions import record
from ..audit.models import Action
from ..credentials.signing import PUBLISH_LEAD_S, jwks
from ..db import db, now, unit_of_work
from ..runtime import remembered, runtime
from ..web.machine import Answer, Asked, Route, json_answer
from ..web.metrics import TOKENS
from .actions import revoke_jti
from .grants import OAuthError, authenticate_client, grant_client_credentials, parse_form
from .models import IssuedToken
from .verify import InvalidToken, audiences, verify


def token(asked: Asked) -> Answer:
    """RFC 6749 section 4.4 with RFC 8707 and RFC 9068."""
    try:
        if "client_secret" in asked.query:
            raise OAuthError("invalid_request", "Never put a secret into the address.")
        form = parse_form(asked.body(), asked.content_type)
        who = authenticate_client(asked.header("Authorization"), form)
        granted = grant_client_credentials(who, form)
    except OAuthError as error:
        return _refusal(error)
    TOKENS.labels(granted.token.format).inc()
    answer = {"access_token": granted.token.text, "token_type": "Bearer", "expires_in": granted.token.lifetime_s}
    return json_answer(answer | ({"scope": granted.scope} if granted.scope else {}))


def _refusal(error: OAuthError) -> Answer:
    body = {"error": error.code, "error_description": error.message}
    if error.status == 401:
        return json_answer(body, 401, ("WWW-Authenticate", 'Basic realm="gatewright", charset="UTF-8"'))
    return json_answer(body, error.status)


def _who_and_token(asked: Asked) -> tuple[Client, str]:
    """What introspection and revocation are asked with: a client that proves itself, and a token."""
    form = parse_form(asked.body(), asked.content_type)
    who = authenticate_client(asked.header("Authorization"), form)
    if "token" not in form:
        raise OAuthError("invalid_request", "The parameter token is missing.")
    return who, form["token"]


def introspect(asked: Asked) -> Answer:
    """RFC 7662. A caller learns of tokens that it was given itself or that are meant for an API it subscribes to."""
    try:
        who, text = _who_and_token(asked)
    except OAuthError as error:
        return _refusal(error)
    try:
        claims = verify(text).claims
    except InvalidToken:
        return json_answer({"active": False})
    if claims["client_id"] != who.client_id and not any(who.grant_for(a) for a in audiences(claims)):
        return json_answer({"active": False})
    shown = {k: claims[k] for k in ("scope", "client_id", "exp", "iat", "sub", "aud", "iss", "jti") if k in claims}
    return json_answer({"active": True, "token_type": "Bearer"} | shown)


def revoke(asked: Asked) -> Answer:
    """RFC 7009: 200 for whatever is no good token of this client, too."""
    try:
        who, text = _who_and_token(asked)
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
        ("Cache-Control", f"public, max-age={PUBLISH_LEAD_S}"),
        ("Access-Control-Allow-Origin", "*"),
    ]
    return answer


def metadata(asked: Asked) -> Answer:
    """RFC 8414."""
    issuer = runtime().config.public_url
    methods = ["client_secret_basic", "client_secret_post"]
    answer = json_answer(
        {
            "issuer": issuer,
            "token_endpoint": f"{issuer}/oauth/token",
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "introspection_endpoint": f"{issuer}/oauth/introspect",
            "revocation_endpoint": f"{issuer}/oauth/revoke",
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
        }
    )
    answer.headers = [("Content-Type", "application/json"), ("Cache-Control", "public, max-age=900")]
    return answer


ROUTES = [
    Route("POST", "/oauth/token", "client", token),
    Route("POST", "/oauth/introspect", "client", introspect),
    Route("POST", "/oauth/revoke", "client", revoke),
    Route("GET", "/.well-known/jwks.json", "nobody", keys),
    Route("GET", "/.well-known/oauth-authorization-server", "nobody", metadata),
]
