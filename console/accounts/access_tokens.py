"""What can happen to personal access tokens: made and shown once, used, revoked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import joinedload

from ..audit.actions import record
from ..audit.models import Action
from ..credentials.secrets import ACCESS_TOKEN, digest, mint, well_formed
from ..db import db, now, serialise, unit_of_work
from ..errors import NotFound, Refused
from .access_token_models import SCOPES, AccessToken, Scope
from .models import Person, Role

LONGEST_DAYS = 366
MOST_GOOD = 50
USED_EVERY = timedelta(hours=1)


def create_access_token(name: str, scopes: Iterable[str], *, days: int, by: Person) -> tuple[AccessToken, str]:
    """The token and its text, which is shown once and not kept. It ends by itself after ``days``."""
    chosen = [scope for scope in Scope if scope in set(scopes)]
    if not name.strip():
        raise Refused("Name the token, by where it will live.", "name")
    if not chosen or set(scopes) - set(Scope):
        raise Refused(f"Choose scopes among {', '.join(Scope)}.", "scopes")
    if lacking := [scope for scope in chosen if scope not in scopes_of(by)]:
        raise Refused(f"Your role allows nothing of {', '.join(lacking)}.", "scopes")
    if not 1 <= days <= LONGEST_DAYS:
        raise Refused(f"A token lives between 1 and {LONGEST_DAYS} days.", "days")
    serialise(f"access tokens {by.id}")
    if len([token for token in access_tokens(by) if token.is_good]) >= MOST_GOOD:
        raise Refused(f"You have {MOST_GOOD} tokens that work. Revoke one first.")
    minted = mint(ACCESS_TOKEN)
    token = AccessToken(
        person_id=by.id, person=by, name=name.strip()[:80], digest=minted.digest, hint=minted.hint,
        scopes=[str(scope) for scope in chosen], expires_at=now() + timedelta(days=days),
    )  # fmt: skip
    db.session.add(token)
    db.session.flush()
    record(Action.ACCESS_TOKEN_CREATED, token, by=by, changes={"scopes": token.scopes, "expires_at": token.expires_at})
    return token, minted.text


def scopes_of(person: Person) -> list[Scope]:
    """Those of which her role allows something."""
    return [scope for scope, held in SCOPES.items() if held & Role(person.role).permissions]


def revoke_access_token(token: AccessToken, *, by: Person) -> None:
    if token.revoked_at is None:
        token.revoked_at = now()
        record(Action.ACCESS_TOKEN_REVOKED, token, by=by)


def access_tokens(person: Person, size: int = 100) -> list[AccessToken]:
    """Newest first."""
    query = select(AccessToken).where(AccessToken.person_id == person.id).order_by(AccessToken.id.desc()).limit(size)
    return list(db.session.scalars(query.options(joinedload(AccessToken.person))))


def find_access_token(token_id: int, *, by: Person) -> AccessToken:
    token = db.session.get(AccessToken, token_id)
    if token is None or token.person_id != by.id:
        raise NotFound("There is no such token of yours.")
    return token


def good_access_token(text: str) -> AccessToken | None:
    """The token that this text is, while it is good. Its use is noted, to the hour, in a unit of work of its own: so it is
    asked for before anything is changed."""
    if not well_formed(text, ACCESS_TOKEN):
        return None
    query = select(AccessToken).where(AccessToken.digest == digest(text)).options(joinedload(AccessToken.person))
    token = db.session.scalars(query).first()
    if token is None or not token.is_good:
        return None
    if token.used_at is None or now() - token.used_at >= USED_EVERY:
        _note_use(token)
    return token


def _note_use(token: AccessToken) -> None:
    number, moment = token.id, now()
    with unit_of_work():
        db.session.execute(update(AccessToken).where(AccessToken.id == number).values(used_at=moment))
