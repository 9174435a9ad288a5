"""What waits for somebody in the lives of API versions: endings, emergencies, reviews, drafts. Three of each at most."""

from __future__ import annotations

from flask import url_for
from sqlalchemy import Select, select
from sqlalchemy.orm import contains_eager, joinedload

from ..accounts.models import Permission, Person
from ..apis.models import ApiVersion, State
from ..apis.review_models import Review, ReviewState
from ..applications.models import Application, SubscriptionState
from ..db import db, now
from ..logs.traffic import Traffic, traffic
from ..web.filters import distance, plural
from .notices import Notice

MOST = 3
CALLING = (SubscriptionState.ACTIVE, SubscriptionState.PAUSED)


def blocked() -> list[Notice]:
    query = _in(State.BLOCKED).order_by(ApiVersion.blocked_at.desc())
    return [
        Notice("bad", "ban", f"{v.name} is blocked", _since(v), "Look at it", _page(v))
        for v in db.session.scalars(query)
    ]


def _since(version: ApiVersion) -> str:
    since = f" for {distance(now() - version.blocked_at)}" if version.blocked_at else ""
    return f"Callers have got 503{since}. {version.block_reason}"


def ending_soon() -> list[Notice]:
    query = _in(State.DEPRECATED).where(ApiVersion.sunset_at.is_not(None)).order_by(ApiVersion.sunset_at)
    rows = list(db.session.scalars(query))
    calls = traffic(24, {v.id for v in rows}) if rows else {}
    out = []
    for v in rows:
        count = calls.get(v.id, Traffic()).requests
        text = f"{plural(count, 'call')} in the last 24 hours." if count else "Nobody called it in the last 24 hours."
        out.append(Notice("warn", "sunset", f"{v.name} {_when(v)}", text, "Plan the sunset", _page(v)))
    return out


def _when(version: ApiVersion) -> str:
    assert version.sunset_at is not None
    left = version.sunset_at - now()
    return f"ends in {distance(left)}" if left.total_seconds() > 0 else f"was to end {distance(left)} ago"


def to_review(person: Person) -> list[Notice]:
    """That others asked for."""
    if not person.may(Permission.REVIEW_APIS):
        return []
    query = _reviews(ReviewState.OPEN).where(Review.requested_by_id != person.id).order_by(Review.id)
    return [
        Notice(
            "rev",
            "eye",
            f"{review.version.name} waits for your review",
            f"{review.requested_by.name} asked {distance(now() - review.requested_at)} ago. {review.message[:120]}".strip(),
            "Review",
            _page(review.version, "reviews.index"),
        )
        for review in db.session.scalars(query.limit(MOST))
    ]


def sent_back(person: Person) -> list[Notice]:
    """What came back from a review."""
    if not person.may(Permission.MANAGE_APIS):
        return []
    query = _reviews(ReviewState.CHANGES_REQUESTED).where(ApiVersion.state == State.CHANGES_REQUESTED)
    newest: dict[int, Review] = {}
    for review in db.session.scalars(query.order_by(Review.id.desc()).limit(4 * MOST)):
        newest.setdefault(review.version_id, review)
    return [
        Notice(
            "warn",
            "pencil",
            f"{review.version.name} needs changes",
            f"{review.decided_by.name if review.decided_by else 'A reviewer'}: {review.answer[:160]}",
            "Read the review",
            _page(review.version, "reviews.index"),
        )
        for review in list(newest.values())[:MOST]
    ]


def drafts(person: Person) -> list[Notice]:
    if not person.may(Permission.MANAGE_APIS):
        return []
    text = "{}. Nobody can call it yet."
    return [
        Notice(
            "info",
            "pencil",
            f"{v.name} is a draft",
            text.format(plural(v.operations, "operation")),
            "Publish it",
            _page(v),
        )
        for v in db.session.scalars(_in(State.DRAFT).order_by(ApiVersion.id.desc()))
    ]


def ending_for(applications: list[Application]) -> list[Notice]:
    """What these applications call and what ends, the nearest first."""
    found: dict[int, tuple[ApiVersion, list[str]]] = {}
    for application in applications:
        for s in application.subscriptions:
            if s.state in CALLING and s.version.state == State.DEPRECATED and s.version.sunset_at:
                found.setdefault(s.version_id, (s.version, []))[1].append(application.name)
    nearest = sorted(found.values(), key=lambda one: one[0].sunset_at or now())[:MOST]
    return [
        Notice("warn", "sunset", f"{v.name} {_when(v)}", _advice(v, names), "See what to do", _page(v, "catalog.show"))
        for v, names in nearest
    ]


def _advice(version: ApiVersion, names: list[str]) -> str:
    who = names[0] if len(names) == 1 else f"{names[0]} and {plural(len(names) - 1, 'other application')}"
    may = "has" if len(names) == 1 else "have"
    return f"{who} {may} a subscription to it. {version.deprecation_note}".strip()


def _in(state: State) -> Select[ApiVersion]:
    return select(ApiVersion).where(ApiVersion.state == state).options(joinedload(ApiVersion.api)).limit(MOST)


def _reviews(state: ReviewState) -> Select[Review]:
    query = select(Review).join(Review.version).where(Review.state == state)
    people = (joinedload(Review.requested_by), joinedload(Review.decided_by))
    return query.options(contains_eager(Review.version).joinedload(ApiVersion.api), *people)


def _page(version: ApiVersion, endpoint: str = "apis.show") -> str:
    return url_for(endpoint, slug=version.api.slug, number=version.version)
