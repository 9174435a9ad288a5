"""What the gateway asks about a credential it cannot judge by itself.

An encrypted token is opened and handed back as the signed token inside it; an API key becomes a signed token that
stands for it. Behind that the gateway checks every token alike, and remembers the answer for ``ttl_s``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import update

from ..apis.models import Accepts
from ..applications.clients import KnownKey, audience_of, known_key
from ..credentials.models import ApiKey
from ..credentials.secrets import API_KEY, digest, well_formed
from ..db import db, now, unit_of_work
from ..errors import Refused
from ..runtime import runtime
from ..tokens.issue import issue_token
from ..tokens.verify import audiences, verify

REMEMBER_S = 60
INTERNAL_S = 300
USED_EVERY = timedelta(hours=1)

log = structlog.get_logger("decisions")


class CredentialRefused(Refused):
    """``reason`` is a word for logs and problem types; the message is for the caller."""

    def __init__(self, status: int, reason: str, title: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.title = status, reason, title


@dataclass(frozen=True)
class Decision:
    signed: str  # a signed token, for the Authorization header
    ttl_s: int


def unwrap(token: str, audience: str) -> Decision:
    """Open an encrypted token for the API of ``audience``. `InvalidToken` says what is wrong with it."""
    verified = verify(token)
    meant_for = audiences(verified.claims)
    sealed_for = audience_of(verified.encrypted_for) if verified.encrypted_for is not None else ""
    if sealed_for not in meant_for:
        raise CredentialRefused(
            401, "wrong_audience", "The token is for another API", "The token was encrypted for another API."
        )
    if audience and audience not in meant_for:
        message = f"The token is for {', '.join(meant_for)}. This API needs one for {audience}."
        raise CredentialRefused(401, "wrong_audience", "The token is for another API", message)
    left = int(verified.claims["exp"] - time.time())
    return Decision(verified.inner, max(0, min(REMEMBER_S, left)))


def exchange_key(text: str, audience: str) -> Decision:
    """A signed token that stands for the API key at the API of ``audience``."""
    if not well_formed(text, API_KEY):
        raise _bad_key("This is not an API key of this console. Check that it was copied whole.")
    key = known_key(digest(text))
    if key is None:
        raise _bad_key("The API key is unknown or was revoked. Create a new one in the developer console.")
    if key.expires_at is not None and key.expires_at <= now():
        raise _bad_key(f"The API key expired on {key.expires_at:%d %B %Y}. Create a new one in the developer console.")
    grant = key.client.grant_for(audience)
    if grant is None or Accepts.KEY not in grant.accepts:
        message = "The application of this API key has no approved subscription to this API. Subscribe in the catalog."
        raise CredentialRefused(403, "subscription_missing", "No subscription", message)
    _note_use(key)
    token = issue_token(
        client_id=key.client.client_id,
        audience=audience,
        scope=" ".join(grant.scopes),
        lifetime_s=INTERNAL_S,
        jti=key.jti,
    )
    return Decision(token.text, REMEMBER_S)


def _bad_key(message: str) -> CredentialRefused:
    return CredentialRefused(401, "invalid_key", "The API key is not good", message)


def _note_use(key: KnownKey) -> None:
    """To the hour, and never in the way of an answer."""
    noted = runtime().memory.get(("used", key.key_id)) or key.used_at
    if noted is not None and now() - noted < USED_EVERY:
        return
    runtime().memory[("used", key.key_id)] = now()
    try:
        with unit_of_work():
            db.session.execute(update(ApiKey).where(ApiKey.id == key.key_id).values(used_at=now()))
    except Exception as problem:  # a busy database must not refuse a good key
        log.warning("decisions.use_not_noted", error=type(problem).__name__)
