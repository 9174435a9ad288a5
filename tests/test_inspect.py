"""The inspector: what is in a token, and which check would refuse it. Nothing of it is kept."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from console.accounts.models import Person
from console.apis.models import ApiVersion
from console.applications.actions import close_subscription
from console.applications.models import Subscription
from console.db import db, unit_of_work
from console.runtime import runtime
from console.tokens.issue import Profile, issue_token
from console.tokens.verify import verify
from tests.conftest import Cast, SignIn, World, counts
from tests.forge import Forge, publish_more

ORDER = [
    "Format", "Decryption", "Key", "Signature", "Type", "Claims", "Issuer", "Times", "Audience", "Scope", "Revoked",
    "Subscription", "Token profile",
]  # fmt: skip


def looked_at(browser: FlaskClient, token: str, operation: str = "") -> dict[str, tuple[str, str]]:
    """By check: its state and what it says."""
    page = browser.post("/tokens/inspect", data={"token": token, "operation": operation})
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    rows = re.findall(r'<li class="step t-(\w+).*?<b>(.*?)<span.*?</b><span>(.*?)</span></li>', page.text, re.S)
    return {name: (state, text) for state, name, text in rows}


def a_token(app: Flask, world: World, encrypted: bool = False, **more: Any) -> str:
    with app.app_context():
        said = {
            "client_id": world.client_id,
            "audience": world.audience,
            "scope": "orders:read",
            "lifetime_s": 300,
        } | more
        return issue_token(**said, profile=Profile(world.version_id, encrypted=encrypted)).text


@pytest.fixture
def bob(sign_in: SignIn, world: World) -> FlaskClient:
    return sign_in("bob")


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_good_token_passes_every_check_in_order(app: Flask, bob: FlaskClient, world: World, encrypted: bool) -> None:
    checks = looked_at(bob, a_token(app, world, encrypted))
    assert list(checks) == [name for name in ORDER if encrypted or name != "Decryption"]
    assert {state for state, _ in checks.values()} == {"ok"}


def refused(app: Flask, world: World, cast: Cast) -> dict[str, str]:
    """A token that only one check refuses, by the name of the check."""
    more = publish_more(app, cast)
    with app.app_context():
        forge = Forge(world, *more)
        now = int(time.time())
        return {
            "Format": "abc",
            "Decryption": forge.reseal(kid="a" * 43),
            "Key": forge.sign(forge.head | {"kid": "a" * 43}),
            "Signature": forge.sign(key=forge.own),
            "Type": forge.sign(forge.head | {"typ": "JWT"}),
            "Claims": forge.sign(claims=forge.without("client_id")),
            "Issuer": forge.sign(claims=forge.claims | {"iss": "https://other.example"}),
            "Times": forge.sign(claims=forge.claims | {"exp": now - 60}),
            "Audience": forge.sign(claims=forge.claims | {"aud": "https://other.example"}),
            "Subscription": forge.sign(claims=forge.claims | {"client_id": "app-nobody", "sub": "app-nobody"}),
        }


@pytest.mark.parametrize("name", [n for n in ORDER if n not in ("Scope", "Revoked", "Token profile")])
def test_the_check_that_refuses_is_named(app: Flask, sign_in: SignIn, world: World, cast: Cast, name: str) -> None:
    checks = looked_at(sign_in("alice"), refused(app, world, cast)[name])
    assert [n for n, (state, _) in checks.items() if state == "bad"] == [name]


def test_a_missing_scope_says_which_call_needs_it(app: Flask, bob: FlaskClient, world: World) -> None:
    state, text = looked_at(bob, a_token(app, world), "POST /orders")["Scope"]
    assert (state, "POST /orders needs orders:write" in text) == ("bad", True)


def test_a_revoked_one_says_so(app: Flask, bob: FlaskClient, world: World, cast: Cast) -> None:
    from console.tokens.actions import revoke_jti

    token = a_token(app, world)
    with app.app_context(), unit_of_work():
        from console.db import now

        revoke_jti(verify(token).jti, now())
        db.session.execute(db.text("UPDATE revoked_token SET expires_at = '2999-01-01 00:00:00+00:00'"))
    with app.app_context():
        runtime().checked_at = -1.0
    assert looked_at(bob, token)["Revoked"] == ("bad", "The token was revoked.")


def test_a_plain_one_for_an_api_that_wants_encrypted_ones(app: Flask, bob: FlaskClient, world: World) -> None:
    with app.app_context(), unit_of_work():
        db.session.get_one(ApiVersion, world.version_id).accepts = ["encrypted"]
    state, text = looked_at(bob, a_token(app, world))["Token profile"]
    assert (state, "encrypted tokens only" in text) == ("bad", True)


def test_an_ended_subscription_says_so(app: Flask, sign_in: SignIn, world: World, cast: Cast) -> None:
    token = a_token(app, world)
    with app.app_context(), unit_of_work():
        close_subscription(db.session.get_one(Subscription, 1), by=db.session.get_one(Person, cast.alice))
    with app.app_context():
        runtime().checked_at = -1.0
    assert looked_at(sign_in("bob"), token)["Subscription"][0] == "bad"


def test_encrypted_claims_are_not_for_strangers(app: Flask, sign_in: SignIn, world: World) -> None:
    """Else the inspector would open what was encrypted so that nobody on the way can read it."""
    token = a_token(app, world, encrypted=True)
    page = sign_in("carol").post("/tokens/inspect", data={"token": token}).text.split("<main")[1]
    assert "is shown to the team of its application" in page
    for secret in ("orders:read", world.client_id, "Shop"):
        assert secret not in page
    for name in ("bob", "dora", "alice"):
        assert world.client_id in sign_in(name).post("/tokens/inspect", data={"token": token}).text


def test_bearer_in_front_does_not_matter(app: Flask, bob: FlaskClient, world: World) -> None:
    assert looked_at(bob, f"  Bearer {a_token(app, world)}\n")["Format"][0] == "ok"


@pytest.mark.parametrize("text", ["", "x" * 40_000])
def test_nothing_and_too_much_are_refused(bob: FlaskClient, text: str) -> None:
    assert bob.post("/tokens/inspect", data={"token": text}).status_code == 422


@pytest.mark.parametrize("text", ["....", "a.b.c", "é.é.é", "<script>alert(1)</script>", "\ud800abc"])
def test_whatever_is_pasted_is_looked_at(bob: FlaskClient, text: str) -> None:
    page = bob.post("/tokens/inspect", data={"token": text.encode("utf-8", "replace").decode()})
    assert page.status_code == 200
    assert "<script>alert" not in page.text


def test_looking_writes_nothing(app: Flask, bob: FlaskClient, world: World) -> None:
    token = a_token(app, world)
    bob.get("/")
    before = counts(app)
    looked_at(bob, token)
    assert counts(app) == before
