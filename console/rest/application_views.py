"""Applications, and their side of subscriptions."""

from __future__ import annotations

from flask import Response

from ..accounts.models import Permission
from ..accounts.queries import teams_of
from ..apis.queries import find_in_catalog
from ..applications import actions, queries
from ..applications.models import Subscription
from ..applications.plans import find_plan_to_ask_for
from ..errors import NotFound, Refused
from ..web.access import me
from . import shapes
from .answers import address, after_number, json, page
from .operations import Asked, operation
from .parameters import PAGED, SEARCH

P = Permission
TAG = "Applications"
OF_APPLICATION = "/applications/<int:application_id>"
OF_SUBSCRIPTION = f"{OF_APPLICATION}/subscriptions/<int:subscription_id>"


@operation("GET", "/applications", P.READ_APPLICATIONS, tag=TAG, answer="[Application]", query=(SEARCH, *PAGED))
def list_applications(asked: Asked) -> Response:
    """List applications: those of your teams, or all where you may read them."""
    found = queries.applications(
        me(), after=after_number(asked), search=asked.query["search"], size=asked.query["limit"]
    )
    return page(asked, found, shapes.of_application, lambda one: one.id)


@operation(
    "POST", "/applications", P.USE_APPLICATIONS, tag=TAG, answer="Application", statuses=(201,), body="NewApplication"
)
def create_application(asked: Asked) -> Response:
    """Create an application of a team of yours."""
    team = next((t for t in teams_of(me()) if t.name == asked.body["team"]), None)
    if team is None:
        raise Refused("Name a team of yours.", "team")
    made = actions.create_application(asked.body["name"], asked.body.get("description", ""), team, by=me())
    return json(shapes.of_application(made), 201, Location=address("applications", made.id))


@operation("GET", OF_APPLICATION, P.READ_APPLICATIONS, tag=TAG, answer="Application")
def show_application(asked: Asked, application_id: int) -> Response:
    """Read one application."""
    return json(shapes.of_application(queries.find_application(application_id, by=me())))


@operation("GET", f"{OF_APPLICATION}/subscriptions", P.READ_APPLICATIONS, tag=TAG, answer="[Subscription]", query=PAGED)
def list_subscriptions_of(asked: Asked, application_id: int) -> Response:
    """List the subscriptions of an application, newest first."""
    application = queries.find_application(application_id, by=me())
    found = queries.subscriptions_of(application, before=after_number(asked), size=asked.query["limit"])
    return page(asked, found, shapes.of_subscription, lambda one: one.id)


@operation(
    "POST", f"{OF_APPLICATION}/subscriptions", P.USE_APPLICATIONS, tag=TAG, answer="Subscription", statuses=(201,),
    body="NewSubscription",
)  # fmt: skip
def subscribe(asked: Asked, application_id: int) -> Response:
    """Ask for a subscription to a version; without a plan, to the first that it offers."""
    application, said = queries.find_own_application(application_id, by=me()), asked.body
    version = find_in_catalog(said["api"], said["version"], by=me())
    plan = find_plan_to_ask_for(version, said["plan"]) if said.get("plan") else None
    made = actions.subscribe(application, version, said.get("message", ""), by=me(), plan=plan)
    where = address("subscriptions", made.id)
    return json(shapes.of_subscription(made), 201, Location=where)


def _own(application_id: int, subscription_id: int) -> Subscription:
    application = queries.find_own_application(application_id, by=me())
    found = queries.find_subscription(subscription_id, by=me())
    if found.application_id != application.id:
        raise NotFound("There is no such subscription.")
    return found


@operation(
    "POST", f"{OF_SUBSCRIPTION}/pause", P.USE_APPLICATIONS, tag=TAG, answer="Subscription", body="OptionalReason",
    is_optional=True,
)  # fmt: skip
def pause_own(asked: Asked, application_id: int, subscription_id: int) -> Response:
    """Pause a subscription, as the application's team."""
    found = _own(application_id, subscription_id)
    actions.pause_subscription(found, asked.body.get("reason", ""), by=me(), as_owner=False)
    return json(shapes.of_subscription(found))


@operation("POST", f"{OF_SUBSCRIPTION}/resume", P.USE_APPLICATIONS, tag=TAG, answer="Subscription")
def resume_own(asked: Asked, application_id: int, subscription_id: int) -> Response:
    """Resume a subscription that the application's team has paused."""
    found = _own(application_id, subscription_id)
    actions.resume_subscription(found, by=me(), as_owner=False)
    return json(shapes.of_subscription(found))


@operation(
    "POST", f"{OF_SUBSCRIPTION}/close", P.USE_APPLICATIONS, tag=TAG, answer="Subscription", body="OptionalReason",
    is_optional=True,
)  # fmt: skip
def close_own(asked: Asked, application_id: int, subscription_id: int) -> Response:
    """End a subscription, as the application's team."""
    found = _own(application_id, subscription_id)
    actions.close_subscription(found, by=me(), reason=asked.body.get("reason", ""))
    return json(shapes.of_subscription(found))
