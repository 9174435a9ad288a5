"""Finding applications and subscriptions within what a person may see."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, cast

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from ..accounts.models import Permission, Person
from ..apis.models import Api, ApiVersion
from ..db import db
from ..errors import NotFound
from .models import OPEN_STATES, Application, Plan, Subscription, SubscriptionState

PAGE = 30
SHOWN_STATES = (SubscriptionState.ACTIVE, SubscriptionState.PENDING)
MOST_SUBSCRIBED = 2_000  # of a page


def _visible(person: Person) -> Select[Application]:
    query = select(Application)
    if not person.may(Permission.READ_ALL_APPLICATIONS):
        query = query.where(Application.team_id.in_(person.team_ids))
    return query


def applications(person: Person, *, after: int = 0, search: str = "", size: int = PAGE) -> list[Application]:
    owners = (joinedload(Application.team), joinedload(Application.created_by))
    query = _visible(person).options(*owners).order_by(Application.id)
    if search:
        query = query.where(Application.name.icontains(search, autoescape=True))
    return list(db.session.scalars(query.where(Application.id > after).limit(size + 1)))


class Subscribed(NamedTuple):
    name: str
    is_active: bool


def subscribed_by(application_ids: list[int]) -> dict[int, list[Subscribed]]:
    """To which versions each of them is subscribed, or asks to be, oldest first: a column of a list."""
    found: dict[int, list[Subscribed]] = {}
    for application_id, state, api, number in db.session.execute(_subscribed(), {"ids": application_ids}):
        is_active = state == SubscriptionState.ACTIVE
        found.setdefault(application_id, []).append(Subscribed(f"{api} {number}", is_active))
    return found


@cache
def _subscribed() -> Select[Any]:
    query: Any = select(Subscription.application_id, Subscription.state, Api.name, ApiVersion.version)
    query = query.join(ApiVersion, ApiVersion.id == Subscription.version_id).join(Api, Api.id == ApiVersion.api_id)
    query = query.where(Subscription.application_id.in_(bindparam("ids", expanding=True)))
    return cast(
        "Select[Any]",
        query.where(Subscription.state.in_(SHOWN_STATES)).order_by(Subscription.id).limit(MOST_SUBSCRIBED),
    )


def own_applications(person: Person, *, with_versions: bool = False) -> list[Application]:
    """Those of her teams: what she may act for, whatever she may read. ``with_versions``: and their subscriptions."""
    query = select(Application).where(Application.team_id.in_(person.team_ids)).order_by(Application.name).limit(200)
    if with_versions:
        chain = selectinload(Application.subscriptions).joinedload(Subscription.version)
        query = query.options(chain.joinedload(ApiVersion.api))
    return list(db.session.scalars(query.options(joinedload(Application.team))))


def own_subscriptions(person: Person, version_id: int) -> list[Subscription]:
    """The open ones of her teams' applications to a version."""
    query = select(Subscription).join(Subscription.application).options(contains_eager(Subscription.application))
    query = query.where(Application.team_id.in_(person.team_ids), Subscription.version_id == version_id)
    return list(
        db.session.scalars(query.where(Subscription.state.in_(OPEN_STATES)).order_by(Application.name).limit(200))
    )


def own_subscribers(person: Person, version_id: int) -> list[Application]:
    """Those of her teams with an active subscription to the version."""
    query = select(Application).where(Application.team_id.in_(person.team_ids)).order_by(Application.name).limit(200)
    active = (Subscription.version_id == version_id, Subscription.state == SubscriptionState.ACTIVE)
    query = query.join(Application.subscriptions).where(*active)
    return list(db.session.scalars(query.options(contains_eager(Application.subscriptions))).unique())


def subscribed_versions(person: Person) -> frozenset[int]:
    """What the applications of her teams may call, as numbers of versions."""
    mine = select(Application.id).where(Application.team_id.in_(person.team_ids))
    query = select(Subscription.version_id).where(Subscription.application_id.in_(mine))
    query = query.where(Subscription.state == SubscriptionState.ACTIVE).distinct().limit(5_000)
    return frozenset(db.session.scalars(query))


def find_application(application_id: int, *, by: Person) -> Application:
    query = _visible(by).where(Application.id == application_id)
    subscribed = joinedload(Application.subscriptions).joinedload(Subscription.version).joinedload(ApiVersion.api)
    application = db.session.scalars(query.options(joinedload(Application.team), subscribed)).unique().first()
    if application is None:
        raise NotFound("There is no such application among yours.")
    return application


def find_own_application(application_id: int, *, by: Person) -> Application:
    """One she may change: her team's, or any for an admin (an auditor sees all and changes none)."""
    application = find_application(application_id, by=by)
    if application.team_id not in by.team_ids and not by.may(Permission.DECIDE_SUBSCRIPTIONS):
        raise NotFound("There is no such application among yours.")
    return application


def subscription_of(application: Application, version_id: int) -> Subscription | None:
    """The one by which it may call the version now."""
    return next((s for s in application.subscriptions if s.version_id == version_id and s.may_call), None)


def find_subscription(subscription_id: int, *, by: Person) -> Subscription:
    query = select(Subscription).where(Subscription.id == subscription_id).options(*_whole())
    subscription = db.session.scalars(query).first()
    if subscription is None or not (
        by.may(Permission.READ_ALL_APPLICATIONS) or subscription.application.team_id in by.team_ids
    ):
        raise NotFound("There is no such subscription.")
    return subscription


def subscriptions(*, state: str = "", after: int = 0, size: int = PAGE) -> list[Subscription]:
    """The approvals queue: oldest first while pending; newest first otherwise."""
    query = select(Subscription).options(*_whole()).limit(size + 1)
    if state == SubscriptionState.PENDING:
        return list(
            db.session.scalars(
                query.where(Subscription.state == state, Subscription.id > after).order_by(Subscription.id)
            )
        )
    if state:
        query = query.where(Subscription.state == state)
    if after:
        query = query.where(Subscription.id < after)
    return list(db.session.scalars(query.order_by(Subscription.id.desc())))


def subscriptions_of(application: Application, *, before: int = 0, size: int = PAGE) -> list[Subscription]:
    """Newest first; ``before``: the number of the last one seen."""
    query = select(Subscription).where(Subscription.application_id == application.id).options(*_whole())
    query = query.where(Subscription.id < before) if before else query
    return list(db.session.scalars(query.order_by(Subscription.id.desc()).limit(size + 1)))


def _whole() -> tuple[Any, ...]:
    return (
        joinedload(Subscription.plan),
        joinedload(Subscription.application).joinedload(Application.team),
        joinedload(Subscription.version).joinedload(ApiVersion.api).joinedload(Api.team),
        joinedload(Subscription.plan),
        joinedload(Subscription.requested_by),
        joinedload(Subscription.decided_by),
    )


def subscribers(version_id: int, size: int = 50) -> list[Subscription]:
    query = select(Subscription).where(Subscription.version_id == version_id).options(*_whole())
    return list(db.session.scalars(query.order_by(Subscription.id.desc()).limit(size)))


def pending() -> Select[int]:
    return select(func.count()).select_from(Subscription).where(Subscription.state == SubscriptionState.PENDING)


def pending_count() -> int:
    return db.session.scalar(pending()) or 0


def client_ids_named(name: str) -> set[str]:
    """By client id or by name; a client id that is no application's of ours may still be in the records."""
    found = set(db.session.scalars(select(Application.client_id).where(Application.name == name).limit(50)))
    return found or {name}


def by_client_ids(client_ids: set[str]) -> dict[str, Application]:
    """Applications by client id, for log rows."""
    if not client_ids:
        return {}
    query = select(Application).where(Application.client_id.in_(client_ids)).options(joinedload(Application.team))
    return {a.client_id: a for a in db.session.scalars(query)}


MOST_OF_A_PLAN = 2000


def clients_of_plan(name: str) -> set[str]:
    """Client ids with a subscription of a plan: ``orders@1.0.0/gold``, or ``gold`` of whichever version."""
    version, _, plan = name.rpartition("/")
    slug, _, number = version.partition("@")
    query = select(Application.client_id).join(Subscription).join(Plan, Subscription.plan_id == Plan.id)
    query = query.where(Plan.name == plan, Subscription.state.in_((*OPEN_STATES, SubscriptionState.CLOSED)))
    if slug:
        query = query.join(ApiVersion, Plan.version_id == ApiVersion.id).join(ApiVersion.api)
        query = query.where(Api.slug == slug, *((ApiVersion.version == number,) if number else ()))
    return set(db.session.scalars(query.distinct().limit(MOST_OF_A_PLAN)))


def plans_of_clients(version_id: int, client_ids: set[str]) -> dict[str, Plan]:
    """The plan of each application at one version, by client id."""
    query = select(Application.client_id, Plan).join(Subscription, Subscription.application_id == Application.id)
    query = query.join(Plan, Subscription.plan_id == Plan.id).order_by(Subscription.id)
    query = query.where(Subscription.version_id == version_id, Application.client_id.in_(client_ids))
    return {row[0]: row[1] for row in db.session.execute(query)}
