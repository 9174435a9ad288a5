"""What the first page says that needs somebody: every kind, the worst first, and only to whom it may be told."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from console.accounts.models import Person, Role
from console.alerts import actions as alerts
from console.alerts.models import AlertRule, AlertState, Kind
from console.apis.actions import import_document
from console.apis.models import ApiVersion
from console.apis.review_models import Review
from console.apis.reviews import request_changes, request_review
from console.apis.sunset import deprecate_version
from console.apis.switches import block_version
from console.applications.actions import subscribe
from console.applications.models import Application
from console.credentials.actions import Terms, create_key, create_secret
from console.credentials.models import ApiKey
from console.db import db, now, unit_of_work
from tests.conftest import ORDERS, Cast, SignIn, World, publish_another
from tests.ingested import kong, send

IN_ORDER = [
    "Slow is firing",
    "Orders 2.0.0 is blocked",
    "API key till of Shop was found in the open",
    "Client secret nightly of Shop ends in 4 days",
    "Orders 3.0.0 ends in 9 days",
    "Billing 1.0.0 waits for your review",
    "Shop asks for Orders 4.0.0",
    "Payments 1.0.0 needs changes",
]
LAST = "Returns 1.0.0 is a draft"


@pytest.fixture
def troubles(app: Flask, cast: Cast, world: World) -> None:
    """One of each kind."""
    with app.app_context(), unit_of_work():
        alice, bob = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.bob)
        ann = Person(email="ann@example.org", name="Ann", role=Role.ADMIN, password_hash="x", teams=alice.teams)
        db.session.add(ann)
        shop = db.session.get_one(Application, world.application_id)
        blocked, ending, wanted = (publish_another(alice, number, ["signed"]) for number in (2, 3, 4))
        block_version(blocked, "It leaks.", by=alice)
        deprecate_version(ending, sunset_at=now() + timedelta(days=9, hours=1), successor=None, note="", by=alice)
        subscribe(shop, wanted, "", by=bob)
        create_key(shop, Terms("till"), by=bob)[0].leaked_at = now()
        create_secret(shop, Terms("nightly"), by=bob)[0].expires_at = now() + timedelta(days=4, hours=1)
        rule = alerts.create_rule(
            bob.teams[0], alerts.Terms("Slow", Kind.ERROR_RATE, 5, 5, "", ["o@example.org"]), by=bob
        )
        rule.state = AlertState.FIRING
        _review(_draft("Billing", ann), ann)
        request_changes(_review(_draft("Payments", alice), alice), "Name the errors.", by=ann)
        _draft("Returns", alice)


def _draft(name: str, by: Person) -> ApiVersion:
    version = import_document(ORDERS.replace("title: Orders", f"title: {name}"), by.teams[0], by=by)
    db.session.flush()
    return version


def _review(version: ApiVersion, by: Person) -> Review:
    review = request_review(version, "Please.", edits=version.edits, by=by)
    db.session.flush()
    return review


def told(browser: FlaskClient, path: str = "/") -> list[str]:
    return re.findall(r'<div class="attn-t"><b>(.*?)</b>', browser.get(path).text)


def test_an_admin_is_told_of_all_the_worst_first(sign_in: SignIn, troubles: None) -> None:
    assert told(sign_in("alice")) == IN_ORDER


def test_an_auditor_is_told_of_what_she_may_read(sign_in: SignIn, troubles: None) -> None:
    assert told(sign_in("dora")) == IN_ORDER[:5]


def test_a_developer_is_told_of_her_applications_only(sign_in: SignIn, troubles: None) -> None:
    assert told(sign_in("bob")) == IN_ORDER[2:4]
    assert told(sign_in("carol")) == []


def test_what_is_over_makes_room(app: Flask, sign_in: SignIn, troubles: None) -> None:
    with app.app_context(), unit_of_work():
        for key in db.session.scalars(select(ApiKey)):
            key.leaked_at = None
        for rule in db.session.scalars(select(AlertRule)):
            rule.snoozed_until = now() + timedelta(hours=1)
    assert told(sign_in("alice")) == [*IN_ORDER[1:2], *IN_ORDER[3:], LAST]


def test_the_calls_of_what_ends_are_counted(app: Flask, node: str, sign_in: SignIn, troubles: None) -> None:
    send(app, node, "/ingest/kong", kong("/orders/v3/orders"))
    assert "1 call in the last 24 hours." in sign_in("alice").get("/").text
    assert "1 call in the last 24 hours." in sign_in("alice").get("/?range=30d").text
