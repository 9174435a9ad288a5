"""What can happen to applications and their subscriptions: asked for, decided, paused by either side, given dates, ended.

``pending -> active -> closed``, with ``rejected``, ``paused`` and ``expired`` beside them.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ..accounts.models import Permission, Person, Team
from ..accounts.queries import members_of
from ..apis.models import Accepts, ApiVersion, State
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, serialise
from ..errors import Refused
from ..outbox import write_to
from ..runtime import changed, runtime
from .models import Application, Approval, Plan, PlanState, Subscription, SubscriptionMessage, SubscriptionState
from .plans import ensure_plan, lock_plans, offered

S = SubscriptionState


def create_application(name: str, description: str, team: Team, *, by: Person) -> Application:
    same = select(Application.id).where(Application.team_id == team.id, Application.name == name)
    if db.session.scalar(same):
        raise Refused(f"{team.name} has an application named {name} already.", "name")
    application = Application(
        name=name, description=description, team=team, created_by_id=by.id, client_id=f"app-{secrets.token_hex(8)}"
    )
    db.session.add(application)
    db.session.flush()
    record(
        Action.APPLICATION_CREATED, application, by=by, changes={"team": team.name, "client_id": application.client_id}
    )
    return application


def subscribe(
    application: Application, version: ApiVersion, message: str, *, by: Person, plan: Plan | None = None
) -> Subscription:
    """Ask for access on the terms of ``plan`` (else the only one, or the first). Decided by hand, or at once where the plan
    says so."""
    if version.state != State.PUBLISHED:
        raise Refused(f"{version.name} is {version.state.replace('_', ' ')} and takes no new subscriptions.")
    if Accepts.OPEN in version.accepts:
        raise Refused(f"{version.name} is open: anybody may call it without a subscription.")
    lock_plans(version.id)
    plan = _plan(version, plan)
    subscription = Subscription(
        application_id=application.id, version_id=version.id, plan_id=plan.id, message=message, requested_by_id=by.id
    )
    try:
        with db.session.begin_nested():
            db.session.add(subscription)
            db.session.flush()
    except IntegrityError:
        raise Refused(f"{application.name} has a subscription to {version.name} already.", "application") from None
    changes = {"message": message, "plan": plan.name}
    record(Action.SUBSCRIPTION_REQUESTED, subscription, by=by, name=_name(subscription), changes=changes)
    if plan.approval == Approval.AUTOMATIC:
        _activate(subscription, by=None)
    return subscription


def _plan(version: ApiVersion, plan: Plan | None) -> Plan:
    if plan is None:
        plan = next(iter(offered(version.id)), None) or ensure_plan(version)
    if plan is None or plan.version_id != version.id:
        raise Refused(f"{version.name} offers no plan to subscribe to.", "plan")
    db.session.refresh(plan)
    if plan.state != PlanState.PUBLISHED:
        raise Refused(f"The plan {plan.title} is {plan.state} and takes no new subscriptions.", "plan")
    return plan


def approve_subscription(subscription: Subscription, *, by: Person, expires_at: datetime | None = None) -> None:
    """``expires_at``: it ends by itself then."""
    if expires_at is not None and expires_at <= now():
        raise Refused("Choose an end in the future.", "expires_at")
    _refuse_unless(subscription, S.PENDING)
    subscription.expires_at = expires_at
    _activate(subscription, by=by)
    _tell(subscription, "is approved", "It may call now.")


def _activate(subscription: Subscription, *, by: Person | None) -> None:
    """``by`` None: its plan says so."""
    subscription.state, subscription.reason = S.ACTIVE, ""
    subscription.decided_at, subscription.decided_by_id = now(), by.id if by else None
    changed()
    changes = {"state": [S.PENDING, S.ACTIVE]} | (
        {"expires_at": subscription.expires_at} if subscription.expires_at else {}
    )
    record(Action.SUBSCRIPTION_APPROVED, subscription, by=by, name=_name(subscription), changes=changes)


def reject_subscription(subscription: Subscription, reason: str, *, by: Person) -> None:
    if not reason:
        raise Refused("Say why, so that the developer knows what to change.", "reason")
    _refuse_unless(subscription, S.PENDING)
    subscription.state, subscription.reason = S.REJECTED, reason
    subscription.decided_at, subscription.decided_by_id = now(), by.id
    changes = {"state": [S.PENDING, S.REJECTED], "reason": reason}
    record(Action.SUBSCRIPTION_REJECTED, subscription, by=by, name=_name(subscription), changes=changes)
    _tell(subscription, "was not approved", reason)


def _refuse_unless(subscription: Subscription, *states: SubscriptionState) -> None:
    lock_plans(subscription.version_id)
    serialise(f"subscription {subscription.id}")
    db.session.refresh(subscription)
    if subscription.state in states:
        return
    if states == (S.PENDING,):
        who = subscription.decided_by.name if subscription.decided_by else "Somebody"
        raise Refused(f"{who} decided this already: it is {subscription.state}.")
    raise Refused(f"This subscription is {subscription.state}. {WAYS_OUT[S(subscription.state)]}")


WAYS_OUT = {
    S.PENDING: "It waits for a decision.",
    S.ACTIVE: "It is in force.",
    S.PAUSED: "Resume it first.",
    S.REJECTED: "Ask for another.",
    S.EXPIRED: "Ask for another.",
    S.CLOSED: "Ask for another.",
}


def close_subscription(subscription: Subscription, *, by: Person, reason: str = "") -> None:
    """It ends now: new tokens are refused, and the gateways refuse those already made."""
    _refuse_unless(subscription, S.ACTIVE, S.PENDING, S.PAUSED)
    before, subscription.state, subscription.closed_at = subscription.state, S.CLOSED, now()
    subscription.reason = reason[:500]
    changed()
    changes = {"state": [before, S.CLOSED]} | ({"reason": reason[:500]} if reason else {})
    record(Action.SUBSCRIPTION_CLOSED, subscription, by=by, name=_name(subscription), changes=changes)


def pause_subscription(subscription: Subscription, reason: str, *, by: Person, as_owner: bool) -> None:
    """By the API's side or by the consumer's; while either has paused it, its tokens and keys are refused."""
    _refuse_unless(subscription, S.ACTIVE, S.PAUSED)
    side = "paused_by_owner_at" if as_owner else "paused_by_consumer_at"
    if getattr(subscription, side) is not None:
        raise Refused("It is paused by your side already.")
    if as_owner and not reason.strip():
        raise Refused("Say why, so that the developer knows what to do.", "reason")
    before = subscription.state
    setattr(subscription, side, now())
    subscription.state, subscription.reason = S.PAUSED, reason.strip()[:500]
    changed()
    changes = {"state": [before, S.PAUSED], "by": "owner" if as_owner else "consumer", "reason": reason[:500]}
    record(Action.SUBSCRIPTION_PAUSED, subscription, by=by, name=_name(subscription), changes=changes)
    if as_owner:
        _tell(subscription, "is paused", reason)


def resume_subscription(subscription: Subscription, *, by: Person, as_owner: bool) -> None:
    """Each side takes back its own pause; it is active again when neither has one."""
    _refuse_unless(subscription, S.PAUSED)
    side = "paused_by_owner_at" if as_owner else "paused_by_consumer_at"
    if getattr(subscription, side) is None:
        raise Refused(f"It is paused by the {subscription.paused_by}, who can resume it.")
    setattr(subscription, side, None)
    if not subscription.paused_by:
        subscription.state, subscription.reason = S.ACTIVE, ""
    changed()
    changes = {"state": [S.PAUSED, subscription.state], "by": "owner" if as_owner else "consumer"}
    record(Action.SUBSCRIPTION_RESUMED, subscription, by=by, name=_name(subscription), changes=changes)


def date_subscription(subscription: Subscription, expires_at: datetime | None, *, by: Person) -> None:
    """When it ends by itself; None: never."""
    _refuse_unless(subscription, S.ACTIVE, S.PAUSED)
    if expires_at is not None and expires_at <= now():
        raise Refused("Choose an end in the future, or close it.", "expires_at")
    before, subscription.expires_at = subscription.expires_at, expires_at
    if before != expires_at:
        changed()
        changes = {"expires_at": [before, expires_at]}
        record(Action.SUBSCRIPTION_DATED, subscription, by=by, name=_name(subscription), changes=changes)


def move_subscription(subscription: Subscription, plan: Plan, *, by: Person) -> None:
    """To another plan of the same version; tokens follow when they are issued anew."""
    _refuse_unless(subscription, S.ACTIVE, S.PAUSED)
    before = subscription.plan
    _plan(subscription.version, plan)
    if before is not None and before.id == plan.id:
        raise Refused(f"It has the plan {plan.title} already.", "plan")
    subscription.plan_id, subscription.plan = plan.id, plan
    changed()
    changes = {"plan": [before.name if before else None, plan.name]}
    record(Action.SUBSCRIPTION_MOVED, subscription, by=by, name=_name(subscription), changes=changes)


def discuss(subscription: Subscription, text: str, *, by: Person) -> SubscriptionMessage:
    """A word from one side to the other; the other side is told by mail."""
    if not text.strip():
        raise Refused("Write the message.", "text")
    row = SubscriptionMessage(subscription_id=subscription.id, person_id=by.id, text=text.strip()[:2000])
    db.session.add(row)
    db.session.flush()
    record(Action.SUBSCRIPTION_DISCUSSED, subscription, by=by, name=_name(subscription), changes={"text": row.text})
    team = subscription.application.team_id
    if by.id in {person.id for person in members_of({team})}:
        team = subscription.version.api.team_id
    others = [p for p in members_of({team}) if p.id != by.id and p.may(Permission.READ_APPLICATIONS)]
    write_to(others, f"{by.name} on {_name(subscription)}", f"{row.text}\n\n{_page(subscription)}\n")
    return row


def expire_subscriptions() -> None:
    """The job: those whose end has come."""
    query = select(Subscription).where(
        Subscription.state.in_((S.ACTIVE, S.PAUSED)),
        Subscription.expires_at.is_not(None),
        Subscription.expires_at <= now(),
    )
    for subscription in db.session.scalars(query.order_by(Subscription.expires_at).limit(500)):
        before, subscription.state, subscription.closed_at = subscription.state, S.EXPIRED, now()
        changed()
        changes = {"state": [before, S.EXPIRED]}
        record(Action.SUBSCRIPTION_EXPIRED, subscription, name=_name(subscription), changes=changes)
        _tell(subscription, "has expired", "Its tokens and keys are refused from now on.")


def _tell(subscription: Subscription, what: str, text: str) -> None:
    subject = f"{subscription.application.name} for {subscription.version.name} {what}"
    write_to(members_of({subscription.application.team_id}), subject, f"{text}\n\n{_page(subscription)}\n")


def _page(subscription: Subscription) -> str:
    return f"{runtime().config.public_url}/subscriptions/{subscription.id}"


def _name(subscription: Subscription) -> str:
    return f"{subscription.application.name} → {subscription.version.name}"
