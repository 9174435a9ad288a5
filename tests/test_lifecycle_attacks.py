"""A developer of another team and anybody from outside, who would know what only a team may."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from console.accounts.models import Person
from console.apis.actions import change_visibility, import_document, publish_version
from console.apis.choices import Choices
from console.apis.models import ApiVersion
from console.applications.plans import Terms, create_plan
from console.catalog.indexing import index_all
from console.db import db, unit_of_work
from tests.conftest import ORDERS, Cast, SignIn, World
from tests.rest import Rest, make_token

SECRET = ORDERS.replace("title: Orders", "title: Merger").replace("version: 1.0.0", "version: 7.0.0")
DRAFT = ORDERS.replace("title: Orders", "title: Sketch").replace("version: 1.0.0", "version: 8.0.0")
PAGES = (
    "", "/7.0.0", "/7.0.0/operations", "/7.0.0/operations/listorders", "/7.0.0/schemas", "/7.0.0/schemas/Order",
    "/7.0.0/changes",
)  # fmt: skip


@pytest.fixture
def secret(app: Flask, cast: Cast, world: World) -> int:
    """An API for the eyes of Platform, and one of which there is a draft only."""
    with app.app_context(), unit_of_work():
        alice = db.session.get_one(Person, cast.alice)
        version = import_document(SECRET, alice.teams[0], by=alice)
        change_visibility(version.api, "team", by=alice)
        choices = Choices("http://127.0.0.1:9", "/merger/v7", ["signed", "key"], 900)
        publish_version(version, choices, edits=version.edits, by=alice)
        import_document(DRAFT, alice.teams[0], by=alice)
        number = version.id
    with app.app_context():
        index_all()
    return number


def told(answer: Any, slug: str) -> tuple[int, str, str]:
    """What an answer tells, apart from what was asked for and the number of the request."""
    text = answer.get_data(as_text=True).replace(slug, "*")
    number = answer.headers.get("X-Request-Id", "")
    return answer.status_code, answer.headers.get("Location", "").replace(slug, "*"), text.replace(number, "#")


@pytest.mark.parametrize("who", ["", "carol"])
@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_for_them_is_as_if_it_were_not_there(
    client: FlaskClient, sign_in: SignIn, secret: int, who: str, page: str
) -> None:
    browser = sign_in(who) if who else client
    hidden, sketch, nothing = (
        told(browser.get(f"/catalog/{s}{page}"), s) for s in ("merger", "sketch", "there-is-none")
    )
    assert hidden == nothing == sketch
    assert hidden[0] == (404 if who else 302)


@pytest.mark.parametrize("path", ["subscribe", "follow", "operations/listorders/try"])
def test_nor_is_it_there_for_what_they_send(sign_in: SignIn, secret: int, path: str) -> None:
    carol = sign_in("carol")
    hidden, nothing = (
        told(carol.post(f"/catalog/{s}/7.0.0/{path}", data={"follow": "1"}), s) for s in ("merger", "there-is-none")
    )
    assert hidden == nothing
    assert hidden[0] == 404


def test_nor_for_their_programs(app: Flask, cast: Cast, world: World, secret: int) -> None:
    rest = Rest(app, make_token(app, cast.bob))
    for path in ("", "/document"):
        hidden, nothing = (told(rest.get(f"/catalog/{s}/7.0.0{path}"), s) for s in ("merger", "there-is-none"))
        assert (hidden[0], hidden) == (404, nothing)
    wishes = [{"api": slug, "version": "7.0.0"} for slug in ("merger", "there-is-none")]
    path = f"/applications/{world.application_id}/subscriptions"
    hidden, nothing = (told(rest("POST", path, wish), wish["api"]) for wish in wishes)
    assert (hidden[0], hidden) == (404, nothing)
    assert "merger" not in rest.get("/catalog").text.lower()
    assert "merger" not in rest.get("/catalog?search=merger").text.lower().replace("search=merger", "")


def test_searching_and_narrowing_down_tell_nothing(client: FlaskClient, sign_in: SignIn, secret: int) -> None:
    for browser in (client, sign_in("carol")):
        for query in ("?q=merg", "?tag=orders", "?only=published", "?q=", "?team=1"):
            assert "merger" not in browser.get(f"/catalog{query}").text.lower()


def test_a_plan_in_staging_is_as_if_it_were_not_there(app: Flask, cast: Cast, world: World) -> None:
    with app.app_context(), unit_of_work():
        version, alice = db.session.get_one(ApiVersion, world.version_id), db.session.get_one(Person, cast.alice)
        create_plan(version, "acquired", Terms("For whom we buy"), by=alice)
    rest = Rest(app, make_token(app, cast.bob))
    path = f"/applications/{world.application_id}/subscriptions"
    wish = {"api": "orders", "version": "1.0.0"}
    staged, none = (told(rest("POST", path, wish | {"plan": plan}), plan) for plan in ("acquired", "nothing-at-all"))
    assert (staged[0], staged) == (404, none)
