"""What waits for somebody, read at once: a branch of one UNION for each kind, three rows of each at most.

Who opens the first page asks eight tables for what is hardly ever there; one statement with an index for each branch is
as cheap as one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Integer,
    Select,
    String,
    bindparam,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from ..accounts.models import Permission, Person
from ..alerts.models import AlertRule, AlertState
from ..apis.models import Api, ApiVersion, State
from ..apis.review_models import Review, ReviewState
from ..applications.models import Application, Subscription, SubscriptionState
from ..credentials.models import ApiKey, ClientSecret
from ..db import UtcDateTime, db, now

MOST = 3
WARN_AHEAD = timedelta(days=30)
SECRET, KEY = "client secret", "API key"
KINDS = {  # who is told; the worst first
    "firing": Permission.READ_LOGS,
    "blocked": Permission.READ_LOGS,
    SECRET: Permission.READ_LOGS,
    KEY: Permission.READ_LOGS,
    "ending": Permission.READ_LOGS,
    "review": Permission.REVIEW_APIS,
    "pending": Permission.DECIDE_SUBSCRIPTIONS,
    "changes": Permission.MANAGE_APIS,
    "draft": Permission.MANAGE_APIS,
}


@dataclass(frozen=True)
class Waiting:
    """``name``, ``number`` and ``slug`` of the API version that it is about, or the ``name`` of what else it is about.

    Of a credential ``said`` is its own name and ``number`` its hint; who asks for access is the application in ``said``.
    """

    kind: str
    id: int
    name: str
    number: str
    slug: str
    who: str
    said: str
    at: datetime | None
    until: datetime | None
    amount: int

    @property
    def version(self) -> str:
        return f"{self.name} {self.number}"


def waiting(person: Person) -> list[Waiting]:
    """For one who reads all calls, in the order of `KINDS`."""
    rows = _asked(tuple(kind for kind, needed in KINDS.items() if person.may(needed)), person.id)
    by_kind = {kind: [row for row in rows if row.kind == kind] for kind in KINDS}
    by_kind[SECRET] = _by_danger(by_kind[SECRET] + by_kind.pop(KEY))
    return list(chain.from_iterable(by_kind.values()))


def troubled_credentials(team_ids: list[int]) -> list[Waiting]:
    """Good ones of these teams that were found in the open, or end within a month; the worst first."""
    return _by_danger(_asked((SECRET, KEY), 0, team_ids))


def _by_danger(credentials: list[Waiting]) -> list[Waiting]:
    return sorted(credentials, key=lambda row: (row.at is None, row.until or now()))[:MOST]


def _asked(kinds: tuple[str, ...], person_id: int, team_ids: list[int] | None = None) -> list[Waiting]:
    said = {"now": now(), "soon": now() + WARN_AHEAD, "person_id": person_id, "most": MOST, "team_ids": team_ids}
    return [Waiting(*row) for row in db.session.execute(_question(kinds, team_ids is not None), said)]


@cache
def _question(kinds: tuple[str, ...], of_teams: bool) -> CompoundSelect[Any]:
    branches = {
        "firing": _firing,
        "blocked": _blocked,
        SECRET: lambda: _credentials(ClientSecret, SECRET, of_teams),
        KEY: lambda: _credentials(ApiKey, KEY, of_teams),
        "ending": _ending,
        "review": _reviews,
        "pending": _pending,
        "changes": _changes,
        "draft": _drafts,
    }
    # each within a SELECT of its own, because SQLite takes no ORDER BY in a part of a UNION
    return union_all(*(select(branches[kind]().limit(bindparam("most")).subquery()) for kind in kinds))


def _row(kind: str, id_: Any, name: Any, **more: Any) -> Select[Any]:
    """Columns by the names of `Waiting`. PostgreSQL wants a type for what is empty, too."""
    texts = [cast(more.get(n, ""), String).label(n) for n in ("number", "slug", "who", "said")]
    times = [more.get(n, cast(null(), UtcDateTime)).label(n) for n in ("at", "until")]
    amount = cast(more.get("amount", 0), Integer).label("amount")
    return select(literal(kind, String).label("kind"), id_.label("id"), name.label("name"), *texts, *times, amount)


def _firing() -> Select[Any]:
    query = _row("firing", AlertRule.id, AlertRule.name, said=AlertRule.threshold, amount=AlertRule.window_min)
    query = query.where(AlertRule.state == AlertState.FIRING)
    snoozed = AlertRule.snoozed_until
    return query.where(or_(snoozed.is_(None), snoozed <= bindparam("now", type_=UtcDateTime))).order_by(AlertRule.name)


def _version(kind: str, state: State, **more: Any) -> Select[Any]:
    query = _row(kind, ApiVersion.id, Api.name, number=ApiVersion.version, slug=Api.slug, **more)
    return query.select_from(ApiVersion).join(ApiVersion.api).where(ApiVersion.state == state)


def _blocked() -> Select[Any]:
    query = _version("blocked", State.BLOCKED, said=ApiVersion.block_reason, at=ApiVersion.blocked_at)
    return query.order_by(ApiVersion.blocked_at.desc())


def _ending() -> Select[Any]:
    query = _version("ending", State.DEPRECATED, until=ApiVersion.sunset_at)
    return query.where(ApiVersion.sunset_at.is_not(None)).order_by(ApiVersion.sunset_at)


def _drafts() -> Select[Any]:
    return _version("draft", State.DRAFT, amount=ApiVersion.operations).order_by(ApiVersion.id.desc())


def _review(kind: str, state: ReviewState, who: Any, **more: Any) -> Select[Any]:
    query = _row(kind, Review.id, Api.name, number=ApiVersion.version, slug=Api.slug, who=Person.name, **more)
    query = query.select_from(Review).join(Review.version).join(ApiVersion.api).outerjoin(who)
    return query.where(Review.state == state)


def _reviews() -> Select[Any]:
    """That others asked for."""
    query = _review("review", ReviewState.OPEN, Review.requested_by, said=Review.message, at=Review.requested_at)
    return query.where(Review.requested_by_id != bindparam("person_id")).order_by(Review.id)


def _changes() -> Select[Any]:
    """What came back from its newest review."""
    newest = aliased(Review)
    is_newest = Review.id == select(func.max(newest.id)).where(newest.version_id == Review.version_id).scalar_subquery()
    query = _review("changes", ReviewState.CHANGES_REQUESTED, Review.decided_by, said=Review.answer)
    return query.where(ApiVersion.state == State.CHANGES_REQUESTED, is_newest).order_by(Review.id.desc())


def _pending() -> Select[Any]:
    names = {"number": ApiVersion.version, "slug": Api.slug, "said": Application.name, "who": Person.name}
    query = _row("pending", Subscription.id, Api.name, **names, at=Subscription.requested_at)
    query = query.select_from(Subscription).join(Subscription.application).join(Subscription.version)
    query = query.join(ApiVersion.api).outerjoin(Subscription.requested_by)
    return query.where(Subscription.state == SubscriptionState.PENDING).order_by(Subscription.id)


def _credentials(kind: type[ClientSecret | ApiKey], word: str, of_teams: bool) -> Select[Any]:
    query = _row(
        word,
        Application.id,
        Application.name,
        said=kind.name,
        number=kind.hint,
        at=kind.leaked_at,
        until=kind.expires_at,
    )
    query = query.select_from(kind).join(kind.application).where(kind.revoked_at.is_(None), kind.replaced_at.is_(None))
    query = query.where(or_(kind.expires_at.is_(None), kind.expires_at > bindparam("now", type_=UtcDateTime)))
    query = query.where(or_(kind.leaked_at.is_not(None), kind.expires_at < bindparam("soon", type_=UtcDateTime)))
    if of_teams:
        query = query.where(Application.team_id.in_(bindparam("team_ids", expanding=True)))
    return query.order_by(kind.leaked_at.is_(None), kind.expires_at)
