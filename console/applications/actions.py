"""What can happen to applications and their subscriptions."""

from __future__ import annotations

import secrets

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ..accounts.models import Person, Team
from ..apis.models import Accepts, ApiVersion, State
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, serialise
from ..errors import Refused
from ..runtime import changed
from .models import Application, Subscription, SubscriptionState


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


def subscribe(application: Application, version: ApiVersion, message: str, *, by: Person) -> Subscription:
    """Ask for access; an admin decides."""
    if version.state != State.PUBLISHED:
        raise Refused(f"{version.name} is {version.state} and takes no new subscriptions.")
    if Accepts.OPEN in version.accepts:
        raise Refused(f"{version.name} is open: anybody may call it without a subscription.")
    subscription = Subscription(
        application_id=application.id, version_id=version.id, message=message, requested_by_id=by.id
    )
    try:
        with db.session.begin_nested():
            db.session.add(subscription)
            db.session.flush()
    except IntegrityError:
        raise Refused(f"{application.name} has a subscription to {version.name} already.", "application") from None
    record(Action.SUBSCRIPTION_REQUESTED, subscription, by=by, name=_name(subscription), changes={"message": message})
    return subscription


def approve_subscription(subscription: Subscription, *, by: Person) -> None:
    _decide(subscription, SubscriptionState.ACTIVE, "", by=by)
    changed()
    record(
        Action.SUBSCRIPTION_APPROVED,
        subscription,
        by=by,
        name=_name(subscription),
        changes={"state": ["pending", "active"]},
    )


def reject_subscription(subscription: Subscription, reason: str, *, by: Person) -> None:
    if not reason:
        raise Refused("Say why, so that the developer knows what to change.", "reason")
    _decide(subscription, SubscriptionState.REJECTED, reason, by=by)
    changes = {"state": ["pending", "rejected"], "reason": reason}
    record(Action.SUBSCRIPTION_REJECTED, subscription, by=by, name=_name(subscription), changes=changes)


def _decide(subscription: Subscription, state: SubscriptionState, reason: str, *, by: Person) -> None:
    serialise(f"subscription {subscription.id}")
    db.session.refresh(subscription)
    if subscription.state != SubscriptionState.PENDING:
        who = subscription.decided_by.name if subscription.decided_by else "somebody"
        raise Refused(f"{who} decided this already: it is {subscription.state}.")
    subscription.state, subscription.reason = state, reason
    subscription.decided_at, subscription.decided_by_id = now(), by.id


def close_subscription(subscription: Subscription, *, by: Person) -> None:
    """It ends now: new tokens are refused, and the gateways refuse those already made."""
    serialise(f"subscription {subscription.id}")
    db.session.refresh(subscription)
    if subscription.state not in (SubscriptionState.ACTIVE, SubscriptionState.PENDING):
        raise Refused(f"This subscription is {subscription.state} already.")
    before, subscription.state, subscription.closed_at = subscription.state, SubscriptionState.CLOSED, now()
    changed()
    record(
        Action.SUBSCRIPTION_CLOSED, subscription, by=by, name=_name(subscription), changes={"state": [before, "closed"]}
    )


def _name(subscription: Subscription) -> str:
    return f"{subscription.application.name} → {subscription.version.name}"
