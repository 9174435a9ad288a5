"""The plans of a version."""

from __future__ import annotations

from dataclasses import asdict

from flask import Response

from ..accounts.models import Permission
from ..apis.queries import find_version
from ..applications import plans
from ..applications.plans import Terms
from ..web.access import me
from . import shapes
from .answers import address, bounded, json
from .api_views import OF_VERSION
from .operations import Asked, operation

P = Permission
TAG = "Plans"
OF_PLAN = f"{OF_VERSION}/plans/<name>"


@operation("GET", f"{OF_VERSION}/plans", P.READ_APIS, tag=TAG, answer="[Plan]")
def list_plans(asked: Asked, slug: str, number: str) -> Response:
    """List the plans of a version; there are 20 at most."""
    return bounded(shapes.of_plan(plan) for plan in plans.plans_of(find_version(slug, number).id))


@operation("POST", f"{OF_VERSION}/plans", P.MANAGE_APIS, tag=TAG, answer="Plan", statuses=(201,), body="NewPlan")
def create_plan(asked: Asked, slug: str, number: str) -> Response:
    """Create a plan. Nobody can subscribe to it before it is published."""
    terms = Terms(**{k: v for k, v in asked.body.items() if k != "name"})
    plan = plans.create_plan(find_version(slug, number), asked.body["name"], terms, by=me())
    where = address("apis", slug, "versions", number, "plans", plan.name)
    return json(shapes.of_plan(plan), 201, Location=where)


@operation("GET", OF_PLAN, P.READ_APIS, tag=TAG, answer="Plan")
def show_plan(asked: Asked, slug: str, number: str, name: str) -> Response:
    """Read one plan."""
    return json(shapes.of_plan(plans.find_plan(find_version(slug, number), name)))


@operation("PATCH", OF_PLAN, P.MANAGE_APIS, tag=TAG, answer="Plan", body="PlanChange")
def change_plan(asked: Asked, slug: str, number: str, name: str) -> Response:
    """Change the terms of a plan, for those who have it, too. What is not sent stays."""
    plan = plans.find_plan(find_version(slug, number), name)
    plans.change_plan(plan, Terms(**asdict(Terms.of(plan)) | asked.body), by=me())
    return json(shapes.of_plan(plan))


@operation("POST", f"{OF_PLAN}/publish", P.MANAGE_APIS, tag=TAG, answer="Plan")
def publish_plan(asked: Asked, slug: str, number: str, name: str) -> Response:
    """Offer a plan to subscribers."""
    plan = plans.find_plan(find_version(slug, number), name)
    plans.publish_plan(plan, by=me())
    return json(shapes.of_plan(plan))


@operation("POST", f"{OF_PLAN}/deprecate", P.MANAGE_APIS, tag=TAG, answer="Plan")
def deprecate_plan(asked: Asked, slug: str, number: str, name: str) -> Response:
    """Take no new subscriptions to a plan; those that it has go on."""
    plan = plans.find_plan(find_version(slug, number), name)
    plans.deprecate_plan(plan, by=me())
    return json(shapes.of_plan(plan))


@operation("POST", f"{OF_PLAN}/close", P.MANAGE_APIS, tag=TAG, answer="Plan")
def close_plan(asked: Asked, slug: str, number: str, name: str) -> Response:
    """Close a plan, and end its subscriptions."""
    plan = plans.find_plan(find_version(slug, number), name)
    plans.close_plan(plan, by=me())
    return json(shapes.of_plan(plan))
