"""Subscriptions that would outlive their terms: decided while their plan is closed, used after their end, by the wrong side."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event

import pytest
from flask import Flask
from sqlalchemy import select

from console.accounts.models import Person
from console.apis.models import ApiVersion
from console.applications.actions import (
    approve_subscription,
    create_application,
    date_subscription,
    move_subscription,
    subscribe,
)
from console.applications.models import Application, Plan, Subscription
from console.applications.plans import Terms, change_plan, close_plan, create_plan, plans_of, publish_plan
from console.catalog.trying import issue_permit
from console.credentials.actions import Terms as KeyTerms
from console.credentials.actions import create_key, create_secret
from console.db import db, now, unit_of_work
from console.errors import Refused
from console.gateway.decisions import CredentialRefused, exchange_key
from console.tokens.actions import make_token
from tests.clients import forget
from tests.conftest import Cast, World, at_once, publish, subscribed


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


def test_after_its_end_nothing_is_issued_although_the_job_has_not_come_by(app: Flask, cast: Cast, world: World) -> None:
    with app.app_context(), unit_of_work():
        bob = db.session.get_one(Person, cast.bob)
        application = db.session.get_one(Application, world.application_id)
        secret = create_secret(application, KeyTerms("CI"), by=bob)[1]
        key = create_key(application, KeyTerms("CI"), by=bob)[1]
    form = {"grant_type": "client_credentials", "client_id": world.client_id, "client_secret": secret}
    assert app.test_client().post("/oauth/token", data=form).status_code == 200
    with app.app_context(), unit_of_work():
        subscription = db.session.scalars(select(Subscription)).one()
        date_subscription(subscription, now() + timedelta(seconds=1), by=db.session.get_one(Person, cast.alice))
    forget(app)
    assert app.test_client().post("/oauth/token", data=form).status_code == 200
    time.sleep(1.1)
    assert app.test_client().post("/oauth/token", data=form).get_json()["error"] == "unauthorized_client"
    with app.app_context(), pytest.raises(CredentialRefused, match="no approved subscription"):
        exchange_key(key, world.audience)
    with app.app_context():
        bob, version = db.session.get_one(Person, cast.bob), db.session.get_one(ApiVersion, world.version_id)
        application = db.session.get_one(Application, world.application_id)
        with pytest.raises(Refused, match="no approved subscription"):
            make_token(application, version, "", 60, by=bob)


@pytest.mark.parametrize(("takes", "kind"), [(["key"], "key"), (["signed"], "signed"), (["encrypted"], "encrypted")])
def test_who_tries_gets_what_her_plan_takes(app: Flask, cast: Cast, world: World, takes: list[str], kind: str) -> None:
    with app.app_context(), unit_of_work():
        alice, version = db.session.get_one(Person, cast.alice), db.session.get_one(ApiVersion, world.version_id)
        change_plan(plans_of(version.id)[0], Terms("Standard", takes=takes), by=alice)
        application = db.session.get_one(Application, world.application_id)
        assert issue_permit(application, version, by=db.session.get_one(Person, cast.bob)).kind == kind


def test_a_plan_for_certificates_alone_cannot_be_tried(app: Flask, cast: Cast) -> None:
    with app.app_context(), unit_of_work():
        alice, bob = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.bob)
        version = publish(alice, ["key", "certificate"])
        application = subscribed(version, bob, alice)
        change_plan(plans_of(version.id)[0], Terms("Standard", takes=["certificate"]), by=alice)
        with pytest.raises(Refused, match="client certificate"):
            issue_permit(application, version, by=bob)
