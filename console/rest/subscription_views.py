"""Subscriptions as the owner of the API sees them."""

from __future__ import annotations

from flask import Response

from ..accounts.models import Permission
from ..applications import actions, queries
from ..applications.models import SubscriptionState
from ..applications.plans import find_plan
from ..web.access import me
from . import shapes
from .answers import address, after_number, json, page, read_time
from .operations import Asked, operation
from .parameters import PAGED, Parameter

P = Permission
TAG = "Subscriptions"
ONE = "/subscriptions/<int:subscription_id>"
STATE = Parameter("state", "in this state", choices=tuple(SubscriptionState))


@operation("GET", "/subscriptions", P.READ_ALL_APPLICATIONS, tag=TAG, answer="[Subscription]", query=(STATE, *PAGED))
def list_subscriptions(asked: Asked) -> Response:
    """List subscriptions, newest first; those that wait for a decision (`state=pending`) oldest first."""
    said = asked.query
    found = queries.subscriptions(state=said["state"], after=after_number(asked), size=said["limit"])
    return page(asked, found, shapes.of_subscription, lambda one: one.id)


@operation("GET", ONE, P.READ_APPLICATIONS, tag=TAG, answer="Subscription")
def show_subscription(asked: Asked, subscription_id: int) -> Response:
    """Read one subscription."""
    return json(shapes.of_subscription(queries.find_subscription(subscription_id, by=me())))


@operation(
    "POST", f"{ONE}/approve", P.DECIDE_SUBSCRIPTIONS, tag=TAG, answer="Subscription", body="Approval", is_optional=True
)
def approve(asked: Asked, subscription_id: int) -> Response:
    """Approve a subscription, until a time if one is given."""
    found = queries.find_subscription(subscription_id, by=me())
    actions.approve_subscription(found, by=me(), expires_at=read_time(asked.body.get("expires_at")))
    return json(shapes.of_subscription(found))


@operation("POST", f"{ONE}/reject", P.DECIDE_SUBSCRIPTIONS, tag=TAG, answer="Subscription", body="Reason")
def reject(asked: Asked, subscription_id: int) -> Response:
    """Reject a subscription, and say why."""
    found = queries.find_subscription(subscription_id, by=me())
    actions.reject_subscription(found, asked.body["reason"], by=me())
    return json(shapes.of_subscription(found))


@operation("POST", f"{ONE}/pause", P.DECIDE_SUBSCRIPTIONS, tag=TAG, answer="Subscription", body="Reason")
def pause(asked: Asked, subscription_id: int) -> Response:
    """Pause a subscription, as the owner of the API, and say why."""
    found = queries.find_subscription(subscription_id, by=me())
    actions.pause_subscription(found, asked.body["reason"], by=me(), as_owner=True)
    return json(shapes.of_subscription(found))


@operation("POST", f"{ONE}/resume", P.DECIDE_SUBSCRIPTIONS, tag=TAG, answer="Subscription")
def resume(asked: Asked, subscription_id: int) -> Response:
    """Resume a subscription that the owner of the API has paused."""
    found = queries.find_subscription(subscription_id, by=me())
    actions.resume_subscription(found, by=me(), as_owner=True)
    return json(shapes.of_subscription(found))


@operation(
    "POST", f"{ONE}/close", P.DECIDE_SUBSCRIPTIONS, tag=TAG, answer="Subscription", body="OptionalReason",
    is_optional=True,
)  # fmt: skip
def close(asked: Asked, subscription_id: int) -> Response:
    """End a subscription, as the owner of the API."""
    found = queries.find_subscription(subscription_id, by=me())
    actions.close_subscription(found, by=me(), reason=asked.body.get("reason", ""))
    return json(shapes.of_subscription(found))


@operation("POST", f"{ONE}/move", P.DECIDE_SUBSCRIPTIONS, tag=TAG, answer="Subscription", body="PlanName")
def move(asked: Asked, subscription_id: int) -> Response:
    """Move a subscription to another plan of the same version."""
    found = queries.find_subscription(subscription_id, by=me())
    actions.move_subscription(found, find_plan(found.version, asked.body["plan"]), by=me())
    return json(shapes.of_subscription(found))


@operation("POST", f"{ONE}/date", P.DECIDE_SUBSCRIPTIONS, tag=TAG, answer="Subscription", body="Ending")
def date(asked: Asked, subscription_id: int) -> Response:
    """Say when a subscription ends by itself; null: never."""
    found = queries.find_subscription(subscription_id, by=me())
    actions.date_subscription(found, read_time(asked.body["expires_at"]), by=me())
    return json(shapes.of_subscription(found))


@operation(
    "POST", f"{ONE}/messages", P.DECIDE_SUBSCRIPTIONS, tag=TAG, answer="Message", statuses=(201,), body="NewMessage"
)
def write_message(asked: Asked, subscription_id: int) -> Response:
    """Write to the application's team about a subscription."""
    found = queries.find_subscription(subscription_id, by=me())
    row = actions.discuss(found, asked.body["text"], by=me())
    return json(shapes.of_message(row), 201, Location=address("subscriptions", subscription_id))
