"""Who has a stake in a version: the applications that may call it, the people behind them, and who follows the API."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from ..accounts.models import Person
from ..accounts.queries import members_of
from ..applications.models import OPEN_STATES, Application, Subscription
from ..audit.actions import record
from ..audit.models import Action
from ..db import db
from ..outbox import write_to
from ..runtime import runtime
from .models import Api, ApiVersion, Follower
from .queries import is_shown_to

MOST = 5000


def callers_of(version: ApiVersion) -> list[Application]:
    """Applications whose subscription is open, paused ones too."""
    query = select(Application).join(Subscription).where(Subscription.version_id == version.id)
    query = query.where(Subscription.state.in_(OPEN_STATES)).options(joinedload(Application.team))
    return list(db.session.scalars(query.order_by(Application.id).limit(MOST)))


def people_behind(applications: Iterable[Application]) -> list[Person]:
    """All members of the teams that own them."""
    return members_of({application.team_id for application in applications})


def page_of(version: ApiVersion) -> str:
    return f"{runtime().config.public_url}/catalog/{version.api.slug}/{version.version}"


def concerned(version: ApiVersion) -> list[Person]:
    """Who is told of its end: all behind its subscriptions, and those who follow the API."""
    return list(dict.fromkeys([*people_behind(callers_of(version)), *followers(version.api)]))


def tell_followers(version: ApiVersion, subject: str, text: str) -> int:
    """By mail, those of them who may still see it."""
    may_see = [p for p in followers(version.api) if is_shown_to(p, version.api)]
    return write_to(may_see, subject, f"{text}\n")


def followers(api: Api) -> list[Person]:
    query = select(Person).join(Follower, Follower.person_id == Person.id).where(Follower.api_id == api.id)
    return list(db.session.scalars(query.order_by(Person.id).limit(MOST)))


def is_following(api: Api, person: Person) -> bool:
    return db.session.get(Follower, (api.id, person.id)) is not None


def follow(api: Api, *, by: Person) -> None:
    """She is told of new versions and revisions, and of their end."""
    if not is_following(api, by):
        db.session.add(Follower(api_id=api.id, person_id=by.id))
        db.session.flush()
        record(Action.API_FOLLOWED, api, by=by)


def unfollow(api: Api, *, by: Person) -> None:
    row = db.session.get(Follower, (api.id, by.id))
    if row is not None:
        db.session.delete(row)
        db.session.flush()
        record(Action.API_UNFOLLOWED, api, by=by)
