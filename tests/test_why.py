"""Why was I refused? By request id, token or key; developers learn about their own applications only."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from console.accounts.models import Person
from console.applications.models import Application
from console.credentials.actions import Terms, create_key, revoke_key
from console.credentials.models import ApiKey
from console.db import db, now, unit_of_work
from console.tokens.issue import Profile, issue_token
from tests.conftest import Cast, SignIn, World
from tests.test_logs import a_batch, a_record, push

EXPIRED = "jwt_authn_access_denied{Jwt_is_expired}"
IDS = ("7f9c1e52-0000-4000-8000-000000000001", "7f9c1e52-0000-4000-8000-000000000002")


@pytest.fixture
def refused(app: Flask, node: str, world: World) -> None:
    """A call of Bob's application, and one that nobody could be told of."""
    push(
        app,
        node,
        a_batch(
            a_record(
                code=403,
                client_id=world.client_id,
                request_id=IDS[0],
                backend_us="-",
                **{"gatewright.details": "rbac_access_denied_matched_policy[insufficient_scope]"},
            ),
            a_record(
                code=401,
                request_id=IDS[1],
                backend_us="-",
                **{"gatewright.details": EXPIRED, "client.address": "203.0.113.77"},
            ),
        ),
    )


def steps(page: str) -> dict[str, str]:
    """Name to state of every check on the page."""
    found = re.findall(r'class="step t-(ok|bad|mute)[^"]*">.*?<b>([^<]+)<', page, re.DOTALL)
    return {name: {"ok": "passed", "bad": "failed", "mute": "not asked"}[tone] for tone, name in found}


def token_of(app: Flask, world: World) -> tuple[str, str]:
    """A signed one, and its id."""
    with app.app_context(), unit_of_work():
        made = issue_token(
            client_id=world.client_id, audience=world.audience, scope="", lifetime_s=300, profile=Profile()
        )
        return made.text, made.jti


def ask(browser: Any, what: str) -> Any:
    return browser.post("/logs/why", data={"what": what}, follow_redirects=True)


def test_a_request_id_tells_which_check_failed(sign_in: SignIn, refused: None) -> None:
    page = ask(sign_in("bob"), f" {IDS[0]}\n")
    assert page.request.path == "/logs/why"
    found = steps(page.text)
    assert found["Scope"] == "failed"
    assert found["Backend"] == "not asked"
    assert {found[n] for n in ("Route", "Credential shown", "Within its time", "Subscription")} == {"passed"}
    assert "The token lacked a scope" in page.text


def test_a_call_that_nobody_could_be_told_of_is_told_to_who_knows_its_id(sign_in: SignIn, refused: None) -> None:
    page = ask(sign_in("carol"), IDS[1]).text
    assert steps(page)["Within its time"] == "failed"
    assert "203.0.113.77" not in page
    assert "The whole record" not in page


def test_other_teams_calls_are_not_told(sign_in: SignIn, refused: None) -> None:
    page = ask(sign_in("carol"), IDS[0]).text
    assert "No record has this id among those that you may read" in page
    assert "insufficient" not in page
    assert steps(ask(sign_in("dora"), IDS[0]).text)["Scope"] == "failed"


def test_a_token_shows_its_checks_and_its_calls(app: Flask, node: str, sign_in: SignIn, world: World) -> None:
    token, jti = token_of(app, world)
    push(app, node, a_batch(a_record(code=404, client_id=world.client_id, jti=jti, path="/orders/v1/orders/31337")))
    for name, seen in (("bob", True), ("dora", True), ("carol", False)):
        answer = ask(sign_in(name), token)
        assert answer.headers["Cache-Control"] == "no-store"
        assert token not in answer.text
        assert ("/orders/v1/orders/31337" in answer.text) is seen, name
    assert steps(ask(sign_in("bob"), token).text)["Signature"] == "passed"
    broken = token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:]
    assert "failed" in steps(ask(sign_in("bob"), broken).text).values()


def test_a_key_shows_its_checks_and_its_calls(app: Flask, node: str, sign_in: SignIn, cast: Cast, world: World) -> None:
    with app.app_context(), unit_of_work():
        bob = db.session.get_one(Person, cast.bob)
        application = db.session.scalars(select(Application)).one()
        text = create_key(application, Terms("till"), by=bob)[1]
        key = db.session.scalars(select(ApiKey)).one()
        jti = key.jti
    push(
        app,
        node,
        a_batch(
            a_record(code=404, client_id=world.client_id, jti=jti, credential="key", path="/orders/v1/orders/31337")
        ),
    )
    page = ask(sign_in("bob"), text)
    assert text not in page.text
    assert "/orders/v1/orders/31337" in page.text
    assert steps(page.text)["Revoked"] == "passed"
    assert steps(ask(sign_in("carol"), text).text)["Known"] == "failed"
    assert steps(ask(sign_in("bob"), text[:-1] + ("x" if text[-1] != "x" else "y")).text)["Format"] == "failed"
    with app.app_context(), unit_of_work():
        key = db.session.scalars(select(ApiKey)).one()
        revoke_key(key, by=db.session.get_one(Person, cast.bob))
    assert steps(ask(sign_in("bob"), text).text)["Revoked"] == "failed"
    with app.app_context(), unit_of_work():
        key = db.session.scalars(select(ApiKey)).one()
        key.revoked_at, key.expires_at = None, now() - timedelta(days=1)
    assert steps(ask(sign_in("bob"), text).text)["Times"] == "failed"


@pytest.mark.parametrize(
    "what", ["", "   ", "x" * 200, "eyJ.eyJ.x", "gwk_", "gwk_x_y", "Bearer a.b.c", "\x00", "a.b.c.d.e", "' OR 1=1 --"]
)
def test_anything_can_be_pasted(sign_in: SignIn, refused: None, what: str) -> None:
    assert ask(sign_in("bob"), what).status_code in (200, 422)


def test_a_secret_is_never_in_an_address(app: Flask, sign_in: SignIn, world: World) -> None:
    token, _ = token_of(app, world)
    assert sign_in("bob").post("/logs/why", data={"what": token}).status_code == 200, "no redirect"
