"""Personal access tokens: made on the profile, shown once, ended by whoever has them or by what happens to her."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from console.accounts.access_token_models import SCOPES, AccessToken, Scope, scope_for
from console.accounts.access_tokens import create_access_token
from console.accounts.actions import deactivate, reactivate
from console.accounts.models import EVERYBODY, Permission, Person
from console.db import db, now, unit_of_work
from console.errors import Refused
from console.logs.scrub import scrub_value
from tests.conftest import Cast, SignIn, trail
from tests.rest import Rest, make_token


def test_it_is_made_on_the_profile_and_shown_once(app: Flask, sign_in: SignIn) -> None:
    browser = sign_in("bob")
    form = {"name": "Build server", "days": "30", "scopes": ["catalog:read", "applications:write"], "once": "1"}
    answer = browser.post("/profile/tokens", data=form)
    said = re.findall(r"gwp_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}", answer.text)
    assert answer.headers["Cache-Control"] == "no-store"
    assert Rest(app, said[0]).get("/me").json["token"]["scopes"] == ["catalog:read", "applications:write"]
    listed = browser.get("/profile/tokens").text
    assert "Build server" in listed
    assert said[0] not in listed
    assert browser.post("/profile/tokens", data=form).status_code == 302, "the same form again makes no second one"
    assert trail(app)[-1] == "access_token.created"
    with app.app_context():
        assert db.session.scalar(text("SELECT count(*) FROM access_token WHERE digest = :t"), {"t": said[0]}) == 0


def test_only_what_the_role_allows_is_offered(sign_in: SignIn) -> None:
    browser = sign_in("bob")
    offered = re.findall(r'name="scopes" value="([^"]+)"', browser.get("/profile/tokens").text)
    assert offered == ["catalog:read", "applications:read", "applications:write", "subscriptions:decide"]
    answer = browser.post("/profile/tokens", data={"name": "x", "days": "30", "scopes": ["apis:read"]})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("name", "scopes", "days", "why"),
    [
        ("", [Scope.APIS_READ], 30, "Name the token"),
        ("x", [], 30, "Choose scopes"),
        ("x", ["apis:all"], 30, "Choose scopes"),
        ("x", [Scope.APIS_READ], 0, "lives between"),
        ("x", [Scope.APIS_READ], 367, "lives between"),
    ],
)
def test_what_is_refused(app: Flask, cast: Cast, name: str, scopes: list[str], days: int, why: str) -> None:
    with app.app_context(), pytest.raises(Refused, match=why), unit_of_work():
        create_access_token(name, scopes, days=days, by=db.session.get_one(Person, cast.alice))


def test_revoked_it_is_refused_at_once(app: Flask, cast: Cast, sign_in: SignIn) -> None:
    rest = Rest(app, make_token(app, cast.bob))
    assert rest.get("/me").status_code == 200
    assert sign_in("carol").post("/profile/tokens/1/revoke").status_code == 404
    assert sign_in("bob").post("/profile/tokens/1/revoke").status_code == 302
    assert rest.get("/me").status_code == 401
    assert trail(app)[-1] == "access_token.revoked"


def test_a_deactivated_persons_tokens_end_for_good(app: Flask, cast: Cast) -> None:
    rest = Rest(app, make_token(app, cast.bob))
    for act in (deactivate, reactivate):
        with app.app_context(), unit_of_work():
            act(db.session.get_one(Person, cast.bob), by=db.session.get_one(Person, cast.alice))
        assert rest.get("/me").status_code == 401


def test_it_ends_by_itself(app: Flask, cast: Cast) -> None:
    rest = Rest(app, make_token(app, cast.bob))
    with app.app_context(), unit_of_work():
        db.session.execute(update(AccessToken).values(expires_at=now() - timedelta(seconds=1)))
    assert rest.get("/me").status_code == 401


def test_its_use_is_noted_to_the_hour(app: Flask, cast: Cast) -> None:
    rest = Rest(app, make_token(app, cast.bob))

    def used() -> object:
        with app.app_context():
            return db.session.scalar(select(AccessToken.used_at))

    rest("POST", "/applications", {"name": "One", "team": "Shop"})
    first = used()
    rest.get("/me")
    assert first is not None
    assert used() == first
    with app.app_context(), unit_of_work():
        db.session.execute(update(AccessToken).values(used_at=now() - timedelta(hours=2)))
    assert rest("POST", "/applications", {"name": "Two", "team": "Shop"}).status_code == 201
    assert used() > first  # type: ignore[operator]


def test_every_permission_of_a_rest_view_has_a_scope() -> None:
    held = frozenset().union(*SCOPES.values())
    beside = {Permission.MANAGE_NODES, Permission.READ_KEYS, Permission.MANAGE_KEYS, Permission.MANAGE_PEOPLE}
    assert frozenset(Permission) - held == EVERYBODY | beside | {Permission.READ_SETTINGS}
    assert scope_for(Permission.READ_APIS) == Scope.APIS_READ
    assert scope_for(Permission.MANAGE_KEYS) is None


def test_logs_never_show_one(app: Flask, cast: Cast) -> None:
    token = make_token(app, cast.bob)
    assert token not in scrub_value(f"/x/{token}")
