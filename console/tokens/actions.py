"""Tokens that a person makes in the console, and revocation."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import delete

from ..accounts.models import Person
from ..apis.models import ApiVersion, Dpop
from ..applications.clients import grant_of
from ..applications.models import Application
from ..applications.queries import subscription_of
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, serialise
from ..errors import Refused
from ..runtime import changed
from .grants import allowed_scope, profile_of
from .issue import Token, issue_token
from .models import IssuedToken, RevokedToken


def make_token(application: Application, version: ApiVersion, scope: str, lifetime_s: int, *, by: Person) -> Token:
    """A token for a subscribed API. The text is in the answer and nowhere else."""
    subscription = subscription_of(application, version.id)
    if subscription is None:
        raise Refused(f"{application.name} has no approved subscription to {version.name}.", "version")
    if not version.is_serving:
        raise Refused(f"{version.name} is {version.state}; there is nothing to call.", "version")
    grant = grant_of(subscription)
    if not grant.takes_tokens:
        raise Refused(f"{version.name} takes API keys, not tokens. Create a key instead.", "version")
    if not 60 <= lifetime_s <= version.token_lifetime_s:
        raise Refused(f"Choose between 1 and {version.token_lifetime_s // 60} minutes.", "lifetime")
    if version.dpop == Dpop.REQUIRED:
        raise Refused(
            f"{version.name} takes DPoP-bound tokens only; the application must ask for them itself.", "version"
        )
    granted = allowed_scope(grant, scope)
    token = issue_token(
        client_id=application.client_id,
        audience=version.audience,
        scope=granted,
        lifetime_s=lifetime_s,
        profile=profile_of(grant),
        plan=grant.plan,
    )
    row = IssuedToken(
        jti=token.jti,
        application_id=application.id,
        version_id=version.id,
        format=token.format,
        scope=granted,
        issued_by_id=by.id,
        expires_at=datetime.fromtimestamp(token.expires_at, UTC),
    )
    db.session.add(row)
    db.session.flush()
    changes = {
        "application": application.name,
        "api": version.name,
        "format": token.format,
        "expires_at": row.expires_at,
    }
    record(Action.TOKEN_ISSUED, row, by=by, changes=changes)
    return token


def revoke_issued(token: IssuedToken, *, by: Person) -> None:
    if token.revoked_at is None:
        token.revoked_at = now()
        revoke_jti(token.jti, token.expires_at)
        record(Action.TOKEN_REVOKED, token, by=by, changes={"application": token.application.name})


def revoke_jti(jti: str, expires_at: datetime) -> bool:
    """Every worker and every gateway node refuses it within two seconds. False when it was revoked already."""
    serialise(f"token {jti}")
    db.session.execute(delete(RevokedToken).where(RevokedToken.expires_at < now()))
    if db.session.get(RevokedToken, jti) is not None:
        return False
    db.session.add(RevokedToken(jti=jti, expires_at=expires_at))
    db.session.flush()
    changed()
    return True
