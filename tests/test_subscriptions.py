"""A developer asks for access, an admin decides, either may end it; then tokens and gateways know."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from console.accounts.models import Person
from console.applications.actions import create_application
from console.applications.models import Subscription
from console.db import db, unit_of_work
from console.gateway.bundle import build
from tests.conftest import ORDERS, Cast, SignIn, World, at_once, counts, publish, trail

ASK = "/catalog/orders/1.0.0/subscribe"


@pytest.fixture
def wish(app: Flask, cast: Cast) -> dict[str, str]:
    """A published API, and what Bob's application sends to subscribe to it."""
    with app.app_context(), unit_of_work():
        publish(db.session.get_one(Person, cast.alice), ["encrypted"])
        bob = db.session.get_one(Person, cast.bob)
        return {"application": str(create_application("Shop", "", bob.teams[0], by=bob).id), "message": "For the till."}


@pytest.fixture
def asked(wish: dict[str, str], sign_in: SignIn) -> FlaskClient:
    """Bob, who has asked."""
    bob = sign_in("bob")
    assert bob.post(ASK, data=wish).location == f"/applications/{wish['application']}"
    return bob


def states(app: Flask) -> list[str]:
    with app.app_context():
        return [str(state) for state in db.session.scalars(select(Subscription.state).order_by(Subscription.id))]


def test_asking_waits_for_an_admin(app: Flask, asked: FlaskClient, sign_in: SignIn) -> None:
    assert states(app) == ["pending"]
    assert "An admin decides." in asked.get("/applications/1").text
    page = sign_in("alice").get("/approvals").text
    assert "Shop asks for Orders 1.0.0" in page
    assert "For the till." in page
    assert trail(app)[-3:-1] == ["session.opened", "subscription.requested"]


def test_an_admin_approves(app: Flask, asked: FlaskClient, sign_in: SignIn) -> None:
    assert sign_in("alice").post("/subscriptions/1/approve").location == "/approvals"
    assert states(app) == ["active"]
    assert trail(app)[-1] == "subscription.approved"
    assert "Get a token" in asked.get("/applications/1").text


def test_an_admin_rejects_and_says_why(app: Flask, asked: FlaskClient, sign_in: SignIn) -> None:
    alice, before = sign_in("alice"), counts(app)
    silent = alice.post("/subscriptions/1/reject", data={"reason": " "})
    assert (silent.status_code, "Say why" in silent.text) == (422, True)
    assert (states(app), counts(app)) == (["pending"], before)
    alice.post("/subscriptions/1/reject", data={"reason": "Use version 2."})
    assert "Use version 2." in asked.get("/applications/1").text
    assert (states(app), trail(app)[-1]) == (["rejected"], "subscription.rejected")


def test_after_a_rejection_one_may_ask_again(
    app: Flask, asked: FlaskClient, sign_in: SignIn, wish: dict[str, str]
) -> None:
    sign_in("alice").post("/subscriptions/1/reject", data={"reason": "Not yet."})
    assert asked.post(ASK, data=wish).status_code == 302
    assert states(app) == ["rejected", "pending"]


def test_it_is_decided_once(app: Flask, asked: FlaskClient, sign_in: SignIn) -> None:
    alice = sign_in("alice")
    alice.post("/subscriptions/1/approve")
    before = counts(app)
    for act in ("approve", "reject"):
        answer = alice.post(f"/subscriptions/1/{act}", data={"reason": "No."})
        assert (answer.status_code, "Alice decided this already: it is active." in answer.text) == (409, True)
    assert (states(app), counts(app)) == (["active"], before)


def test_two_admins_at_once_decide_once(app: Flask, asked: FlaskClient, sign_in: SignIn) -> None:
    one, other = sign_in("alice"), sign_in("alice")
    answers = at_once(
        lambda: one.post("/subscriptions/1/approve").status_code,
        lambda: other.post("/subscriptions/1/reject", data={"reason": "No."}).status_code,
    )
    assert sorted(answers) == [302, 409]
    assert len([a for a in trail(app) if a in ("subscription.approved", "subscription.rejected")]) == 1


def test_an_application_subscribes_once(app: Flask, asked: FlaskClient, wish: dict[str, str]) -> None:
    before = counts(app)
    answer = asked.post(ASK, data=wish)
    assert (answer.status_code, "has a subscription to Orders 1.0.0 already" in answer.text) == (422, True)
    assert counts(app) == before


def test_asking_twice_at_once_asks_once(app: Flask, sign_in: SignIn, wish: dict[str, str]) -> None:
    bobs = [sign_in("bob") for _ in "123"]
    answers = at_once(*[lambda b=b: b.post(ASK, data=wish).status_code for b in bobs])
    assert sorted(answers) == [302, 422, 422]
    assert (states(app), trail(app).count("subscription.requested")) == (["pending"], 1)


def test_the_same_form_sent_twice_asks_once(app: Flask, sign_in: SignIn, wish: dict[str, str]) -> None:
    bob = sign_in("bob")
    assert [bob.post(ASK, data=wish | {"once": "1"}).status_code for _ in "12"] == [302, 302]
    assert states(app) == ["pending"]


def test_nobody_subscribes_the_application_of_another_team(app: Flask, sign_in: SignIn, wish: dict[str, str]) -> None:
    assert sign_in("carol").post(ASK, data=wish).status_code == 422
    assert states(app) == []


@pytest.mark.parametrize("form", [{"application": "99"}, {"application": "x"}, {"message": "m" * 501}])
def test_impossible_wishes_are_refused(app: Flask, sign_in: SignIn, wish: dict[str, str], form: dict[str, str]) -> None:
    bob, before = sign_in("bob"), counts(app)
    assert bob.post(ASK, data=wish | form).status_code == 422
    assert counts(app) == before


def test_the_owner_ends_it(app: Flask, world: World, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    assert bob.post("/subscriptions/1/close").location == f"/applications/{world.application_id}"
    assert (states(app), trail(app)[-1]) == (["closed"], "subscription.closed")
    with app.app_context():
        assert build()["versions"][0]["ended_clients"] == [world.client_id]
    again = bob.post("/subscriptions/1/close")
    assert (again.status_code, "This subscription is closed." in again.text) == (409, True)


def test_asking_and_ending_waits_for_nobody(app: Flask, asked: FlaskClient, sign_in: SignIn) -> None:
    asked.post("/subscriptions/1/close")
    assert sign_in("alice").post("/subscriptions/1/approve").status_code == 409
    assert states(app) == ["closed"]


@pytest.mark.parametrize("form", [{"name": "Shop"}, {"name": ""}, {"name": "x" * 81}, {"team": "3"}])
def test_impossible_applications_are_refused(
    app: Flask, sign_in: SignIn, wish: dict[str, str], form: dict[str, str]
) -> None:
    bob, before = sign_in("bob"), counts(app)
    assert bob.post("/applications/new", data={"name": "Till", "team": "2"} | form).status_code == 422
    assert counts(app) == before


def test_an_application_is_created_once(app: Flask, sign_in: SignIn, cast: Cast) -> None:
    bob, form = sign_in("bob"), {"name": "Till", "team": "2", "once": "1"}
    assert [bob.post("/applications/new", data=form).status_code for _ in "12"] == [302, 302]
    assert (counts(app)["application"], trail(app)[-1]) == (1, "application.created")


def test_what_is_open_needs_no_subscription(app: Flask, cast: Cast, sign_in: SignIn, wish: dict[str, str]) -> None:
    with app.app_context(), unit_of_work():
        alice = db.session.get_one(Person, cast.alice)
        publish(alice, ["open"], ORDERS.replace("version: 1.0.0", "version: 2.0.0"), "/open")
    answer = sign_in("bob").post("/catalog/orders/2.0.0/subscribe", data=wish)
    assert (answer.status_code, "Anybody may call it" in answer.text) == (422, True)
