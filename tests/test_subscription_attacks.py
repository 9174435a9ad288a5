"""Subscriptions that would outlive their terms: decided while their plan is closed, used after their end, by the wrong side."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

import pytest
from flask import Flask
from sqlalchemy import select

from console.accounts.models import Person
from console.apis.models import ApiVersion
from console.applications.actions import (
    approve_subscription,
    create_application,
    move_subscription,
    subscribe,
)
from console.applications.models import Application, Plan, Subscription
from console.applications.plans import Terms, close_plan, create_plan, publish_plan
from console.db import db, unit_of_work
from console.errors import Refused
from tests.conftest import Cast, World, at_once


@pytest.fixture
def waiting(app: Flask, cast: Cast, world: World) -> int:
    """Carol's application waits for the plan gold."""
    with app.app_context(), unit_of_work():
        alice, carol = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.carol)
        version = db.session.get_one(ApiVersion, world.version_id)
        plan = create_plan(version, "gold", Terms("Gold"), by=alice)
        publish_plan(plan, by=alice)
        application = create_application("Freight", "", carol.teams[0], by=carol)
        return subscribe(application, version, "", by=carol, plan=plan).id


def attempt(app: Flask, person_id: int, act: Callable[[Person], object]) -> Callable[[], str]:
    def once() -> str:
        try:
            with app.app_context(), unit_of_work():
                act(db.session.get_one(Person, person_id))
        except Refused as refused:
            return refused.message
        return ""

    return once


def gold() -> Plan:
    return db.session.scalars(select(Plan).where(Plan.name == "gold")).one()


def of(number: int) -> Subscription:
    return db.session.get_one(Subscription, number)


@pytest.mark.parametrize("closed_first", [True, False])
@pytest.mark.parametrize("what", ["approve", "ask", "move"])
def test_nobody_holds_a_plan_that_is_closed_at_that_moment(
    app: Flask, cast: Cast, world: World, waiting: int, what: str, closed_first: bool
) -> None:
    """The second one begins while the first one is not committed, and waits."""
    with app.app_context(), unit_of_work():
        bob = db.session.get_one(Person, cast.bob)
        other = create_application("Second", "", bob.teams[0], by=bob).id
        own = db.session.scalars(select(Subscription.id).where(Subscription.id != waiting)).one()

    def ask(by: Person) -> None:
        version = db.session.get_one(ApiVersion, world.version_id)
        subscribe(db.session.get_one(Application, other), version, "", by=by, plan=gold())

    change = {
        "approve": lambda by: approve_subscription(of(waiting), by=by),
        "ask": ask,
        "move": lambda by: move_subscription(of(own), gold(), by=by),
    }[what]
    begun, order = Event(), [lambda by: close_plan(gold(), by=by), change][:: 1 if closed_first else -1]

    def first(by: Person) -> None:
        order[0](by)
        begun.set()
        time.sleep(0.4)  # the other one reads meanwhile, and writes when this one has ended

    def second(by: Person) -> None:
        order[1](by)

    def after() -> str:
        begun.wait(5)
        return attempt(app, cast.alice, second)()

    at_once(attempt(app, cast.alice, first), after)
    with app.app_context():
        assert gold().state == "closed"
        query = select(Subscription.state).where(Subscription.plan_id == gold().id)
        assert set(db.session.scalars(query)) <= {"closed"}
