"""Plans: what can happen to the terms on which a version is offered.

``staging -> published -> deprecated -> closed``; a closed plan ends its subscriptions.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import func, select

from ..accounts.models import Person
from ..apis.models import Accepts, ApiVersion
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, serialise
from ..errors import NotFound, Refused
from ..runtime import changed
from .models import OPEN_STATES, Approval, Period, Plan, PlanState, Subscription, SubscriptionState

STANDARD = "standard"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
LONGEST_RATE_S = 86_400
MOST_PLANS = 20


@dataclass(frozen=True)
class Terms:
    """What a plan says; the names are those of its columns."""

    title: str
    description: str = ""
    approval: str = Approval.MANUAL
    takes: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    rate_requests: int | None = None
    rate_per_s: int = 60
    quota_requests: int | None = None
    quota_period: str = Period.MONTH

    @classmethod
    def of(cls, plan: Plan) -> Terms:
        return cls(**{name: getattr(plan, name) for name in cls.__dataclass_fields__})


def plans_of(version_id: int) -> list[Plan]:
    return list(
        db.session.scalars(select(Plan).where(Plan.version_id == version_id).order_by(Plan.id).limit(MOST_PLANS))
    )


def offered(version_id: int) -> list[Plan]:
    """Those that may be subscribed to."""
    return [plan for plan in plans_of(version_id) if plan.state == PlanState.PUBLISHED]


def offered_by(version_ids: set[int]) -> dict[int, list[Plan]]:
    """Those that may be subscribed to, by version."""
    query = select(Plan).where(Plan.version_id.in_(version_ids), Plan.state == PlanState.PUBLISHED)
    found: dict[int, list[Plan]] = {version_id: [] for version_id in version_ids}
    for plan in db.session.scalars(query.order_by(Plan.id)):
        found[plan.version_id].append(plan)
    return found


def find_plan(version: ApiVersion, name: str) -> Plan:
    plan = db.session.scalars(select(Plan).where(Plan.version_id == version.id, Plan.name == name)).first()
    if plan is None:
        raise _no_plan(version, name)
    return plan


def find_plan_to_ask_for(version: ApiVersion, name: str) -> Plan:
    """For subscribers, to whom one in staging is not there yet."""
    plan = find_plan(version, name)
    if plan.state == PlanState.STAGING:
        raise _no_plan(version, name)
    return plan


def _no_plan(version: ApiVersion, name: str) -> NotFound:
    return NotFound(f"{version.name} has no plan {name}.")


def create_plan(version: ApiVersion, name: str, terms: Terms, *, by: Person) -> Plan:
    """In staging: nobody can subscribe to it before it is published."""
    if not NAME.fullmatch(name):
        raise Refused("Name it in lower case letters, digits and dashes, such as gold.", "name")
    lock_plans(version.id)
    there = plans_of(version.id)
    if any(plan.name == name for plan in there):
        raise Refused(f"{version.name} has a plan {name} already.", "name")
    if len(there) >= MOST_PLANS:
        raise Refused(f"A version offers at most {MOST_PLANS} plans.")
    _check(version, terms)
    plan = Plan(version_id=version.id, version=version, name=name, **asdict(terms))
    db.session.add(plan)
    db.session.flush()
    record(Action.PLAN_CREATED, plan, by=by, name=_name(plan), changes=asdict(terms))
    return plan


def change_plan(plan: Plan, terms: Terms, *, by: Person) -> None:
    """For those who have it, too: within the life of a token for scopes and credentials, at once for the rest."""
    _lock(plan)
    if plan.state == PlanState.CLOSED:
        raise Refused(f"The plan {plan.title} is closed. Create another.")
    _check(plan.version, terms)
    changes = {k: [getattr(plan, k), v] for k, v in asdict(terms).items() if getattr(plan, k) != v}
    for name, (_, after) in changes.items():
        setattr(plan, name, after)
    if changes:
        changed()
        record(Action.PLAN_CHANGED, plan, by=by, name=_name(plan), changes=changes)


def _check(version: ApiVersion, terms: Terms) -> None:
    if not terms.title.strip():
        raise Refused("Give the plan a title.", "title")
    if terms.approval not in tuple(Approval) or terms.quota_period not in tuple(Period):
        raise Refused("Approval is manual or automatic, and a quota is for a day or a month.")
    if foreign := set(terms.takes) - set(version.accepts):
        raise Refused(f"{version.name} does not accept: {', '.join(sorted(foreign))}.", "takes")
    if foreign := set(terms.scopes) - set(version.scopes):
        raise Refused(f"{version.name} has no scope {', '.join(sorted(foreign))}.", "scopes")
    if terms.rate_requests is not None and terms.rate_requests < 1:
        raise Refused("Allow one request or more, or leave it empty for no limit.", "rate_requests")
    if not 1 <= terms.rate_per_s <= LONGEST_RATE_S:
        raise Refused("A rate is over 1 second to one day.", "rate_per_s")
    if terms.quota_requests is not None and terms.quota_requests < 1:
        raise Refused("Allow one request or more, or leave it empty for no quota.", "quota_requests")


MOVES: dict[PlanState, tuple[tuple[PlanState, ...], str]] = {
    PlanState.PUBLISHED: ((PlanState.STAGING, PlanState.DEPRECATED), "published"),
    PlanState.DEPRECATED: ((PlanState.PUBLISHED,), "deprecated"),
    PlanState.CLOSED: ((PlanState.STAGING, PlanState.PUBLISHED, PlanState.DEPRECATED), "closed"),
}


def publish_plan(plan: Plan, *, by: Person) -> None:
    _move(plan, PlanState.PUBLISHED, by=by)


def deprecate_plan(plan: Plan, *, by: Person) -> None:
    """It takes no new subscriptions; those that it has go on."""
    _move(plan, PlanState.DEPRECATED, by=by)


def close_plan(plan: Plan, *, by: Person) -> int:
    """Its subscriptions end now; how many did."""
    _move(plan, PlanState.CLOSED, by=by)
    query = select(Subscription).where(Subscription.plan_id == plan.id, Subscription.state.in_(OPEN_STATES))
    ended = list(db.session.scalars(query))
    for subscription in ended:
        subscription.state, subscription.closed_at = SubscriptionState.CLOSED, now()
        subscription.reason = f"The plan {plan.title} was closed."
    db.session.flush()
    return len(ended)


def _move(plan: Plan, state: PlanState, *, by: Person) -> None:
    _lock(plan)
    sources, word = MOVES[state]
    if plan.state not in sources:
        final = " A closed plan stays closed: create another." if plan.state == PlanState.CLOSED else ""
        from_ = " or ".join(sources)
        raise Refused(f"The plan {plan.title} is {plan.state}; only a {from_} one can be {word}.{final}")
    before, plan.state = plan.state, state
    changed()
    record(Action.PLAN_MOVED, plan, by=by, name=_name(plan), changes={"state": [before, state]})


def lock_plans(version_id: int) -> None:
    """Until the transaction ends: a plan that is closed meanwhile would not end a subscription that is decided just now."""
    serialise(f"plans {version_id}")


def _lock(plan: Plan) -> None:
    lock_plans(plan.version_id)
    db.session.refresh(plan)


def ensure_plan(version: ApiVersion) -> Plan | None:
    """Of a version that needs subscriptions and has no plan: one that takes all it accepts, approved by hand."""
    if Accepts.OPEN in version.accepts or plans_of(version.id):
        return None
    plan = Plan(version_id=version.id, version=version, name=STANDARD, title="Standard", state=PlanState.PUBLISHED)
    db.session.add(plan)
    db.session.flush()
    return plan


def subscribers_by_plan(version_id: int) -> dict[int | None, int]:
    query = select(Subscription.plan_id, func.count()).where(
        Subscription.version_id == version_id, Subscription.state.in_(OPEN_STATES)
    )
    return {row[0]: row[1] for row in db.session.execute(query.group_by(Subscription.plan_id))}


def snapshot(version_id: int) -> list[dict[str, Any]]:
    """Of all plans, for a revision to keep."""
    return [{"name": p.name, "state": str(p.state)} | _plain(Terms.of(p)) for p in plans_of(version_id)]


def _plain(terms: Terms) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, str) else v for k, v in asdict(terms).items()}


def restore_plans(version: ApiVersion, kept: list[dict[str, Any]]) -> list[str]:
    """The terms as they were kept, of the plans that are still there and open; the names of those that changed."""
    there = {plan.name: plan for plan in plans_of(version.id)}
    restored = []
    for one in kept:
        plan = there.get(one["name"])
        terms = Terms(**{k: v for k, v in one.items() if k not in ("name", "state")})
        if plan is not None and plan.state != PlanState.CLOSED and _plain(Terms.of(plan)) != _plain(terms):
            for name, value in asdict(terms).items():
                setattr(plan, name, value)
            restored.append(plan.name)
    db.session.flush()
    return restored


def _name(plan: Plan) -> str:
    return f"{plan.version.name}: {plan.title}"
