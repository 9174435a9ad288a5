"""Attacks on the endpoints themselves, by the number that the list of attacks has for them: E1 to E13.

E7 is in test_client_assertions.py, E10 in test_dpop_attacks.py, E14 in test_uniqueness.py, E15 and E16 are in test_remote_keys.py.
"""

from __future__ import annotations

import json
import statistics
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask

from console.accounts.models import Person
from console.apis.models import ApiVersion
from console.applications.actions import approve_subscription, create_application, subscribe
from console.applications.models import Application
from console.credentials import signing
from console.credentials.client_keys import register_client_key
from console.db import db, unit_of_work
from console.gateway.bundle import build
from console.tokens.actions import revoke_jti
from console.tokens.verify import verify

from .clients import GRANT, TYPE, KeyPair, forget
from .conftest import Cast, World, make_cast, make_world
from .forge import Forge, publish_more, unb64, with_unused_bits
from .test_tokens import Caller, basic, refused, with_secret

FORM = "application/x-www-form-urlencoded"
AS_SLOW = 2.0  # one answer may take so many times the other's computing time
ROUNDS = 150


@pytest.fixture(scope="module")
def app(module_app: Flask) -> Flask:
    return module_app


@pytest.fixture(scope="module")
def cast(app: Flask, password_hash: str) -> Cast:
    return make_cast(app, password_hash)


@pytest.fixture(scope="module")
def world(app: Flask, cast: Cast) -> World:
    return make_world(app, cast)


@pytest.fixture(scope="module")
def more(app: Flask, cast: Cast) -> tuple[int, int]:
    return publish_more(app, cast)


@pytest.fixture(scope="module")
def shop(app: Flask, world: World) -> Caller:
    return with_secret(app, world.application_id)


@pytest.fixture(scope="module")
def pair(app: Flask, world: World) -> KeyPair:
    """A key that the application has registered."""
    pair = KeyPair.of("ES256")
    with app.app_context(), unit_of_work():
        register_client_key(db.session.get_one(Application, world.application_id), pair.public, by=None)
    forget(app)
    return pair


def active(app: Flask, who: Caller, text: str) -> bool:
    forget(app)
    return bool(who.post("introspect", token=text).json["active"])


def stranger(app: Flask, cast: Cast, world: World, name: str, subscribes: bool = True) -> Caller:
    """Carol's application."""
    with app.app_context(), unit_of_work():
        carol, alice = db.session.get_one(Person, cast.carol), db.session.get_one(Person, cast.alice)
        version = db.session.get_one(ApiVersion, world.version_id)
        made = create_application(name, "", carol.teams[0], by=carol)
        if subscribes:
            approve_subscription(subscribe(made, version, "", by=carol), by=alice)
        number = made.id
    return with_secret(app, number)


@pytest.mark.parametrize("path", ["token", "introspect", "revoke"])
def test_e01_two_ways_to_authenticate_at_once(shop: Caller, pair: KeyPair, path: str) -> None:
    secret = {"client_id": shop.client_id, "client_secret": shop.secret}
    assertion = {"client_assertion_type": TYPE, "client_assertion": pair.assertion(shop.client_id)}
    header = basic(shop.client_id, shop.secret)
    for form, headers in (
        (secret, header),
        (assertion, header),
        (secret | assertion, {}),
        (secret | assertion, header),
    ):
        answer = shop.browser.post(f"/oauth/{path}", data=GRANT | {"token": "x"} | form, headers=headers)
        assert refused(answer) == "invalid_request"


@pytest.mark.parametrize("path", ["token", "introspect", "revoke"])
@pytest.mark.parametrize("name", ["client_secret", "client_assertion", "token"])
def test_e02_a_secret_in_the_address(shop: Caller, path: str, name: str) -> None:
    query, form = {name: shop.secret}, GRANT | {"token": "x"}
    headers = basic(shop.client_id, shop.secret)
    answer = shop.browser.post(f"/oauth/{path}", query_string=query, data=form, headers=headers)
    assert refused(answer) == "invalid_request"
    assert shop.secret not in answer.text


@pytest.mark.parametrize(
    ("name", "error"),
    [("grant_type", "invalid_request"), ("client_id", "invalid_request"), ("resource", "invalid_target")],
)
def test_e03_a_repeated_parameter(shop: Caller, name: str, error: str) -> None:
    body = urlencode([*GRANT.items(), (name, "client_credentials"), (name, "client_credentials")])
    headers = basic(shop.client_id, shop.secret) | {"Content-Type": FORM}
    assert refused(shop.browser.post("/oauth/token", data=body, headers=headers)) == error


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["token", "introspect", "revoke"])
def test_e04_another_method(shop: Caller, path: str, method: str) -> None:
    answer = shop.browser.open(f"/oauth/{path}", method=method, headers=basic(shop.client_id, shop.secret))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_e05_an_unknown_client_and_a_wrong_secret_take_the_same_time(shop: Caller) -> None:
    """Medians of interleaved requests, in computing time, so that a busy machine does not matter."""
    wrong = shop.secret[:-1] + "x"
    # an id that was never asked for, each time: what is remembered of it must not tell either
    pairs = {"unknown": lambda number: (f"app-{number:016x}", wrong), "wrong": lambda _: (shop.client_id, wrong)}
    took: dict[str, list[float]] = {name: [] for name in pairs}
    answers = set()
    for number in range(ROUNDS):
        for name, credentials in sorted(pairs.items(), reverse=bool(number % 2)):
            headers = basic(*credentials(number))
            started = time.thread_time()
            answer = shop.browser.post("/oauth/token", data=GRANT, headers=headers)
            took[name].append(time.thread_time() - started)
            answers.add((answer.status_code, answer.data, answer.headers["WWW-Authenticate"]))
    assert len(answers) == 1
    unknown, known = (statistics.median(took[name]) for name in ("unknown", "wrong"))
    assert 1 / AS_SLOW < unknown / known < AS_SLOW


def test_e06_scope_target_and_client(app: Flask, cast: Cast, world: World, shop: Caller) -> None:
    assert refused(shop.post(scope="orders:read admin")) == "invalid_scope"
    assert refused(shop.post(scope='orders:read"')) == "invalid_scope"
    for target in (world.audience + "/", world.audience.upper(), world.audience + "#a", "x"):
        assert refused(shop.post(resource=target)) == "invalid_target"
    assert refused(stranger(app, cast, world, "None", subscribes=False).post()) == "unauthorized_client"


def test_e08_introspection_by_who_is_no_audience(app: Flask, cast: Cast, world: World, shop: Caller) -> None:
    token = shop.token()
    assert active(app, shop, token)
    other = stranger(app, cast, world, "Curious")
    for text in (token, "x"):
        assert other.post("introspect", token=text).json == {"active": False}


def test_e09_revocation_of_another_clients_token(app: Flask, cast: Cast, world: World, shop: Caller) -> None:
    token, other = shop.token(), stranger(app, cast, world, "Hostile")
    for text in (token, token + "x", "x"):
        answer = other.post("revoke", token=text)
        assert (answer.status_code, answer.json) == (200, {})
    assert active(app, shop, token)


def test_e11_a_revoked_token_in_another_form(app: Flask, world: World, more: tuple[int, int], shop: Caller) -> None:
    with app.app_context():
        forge = Forge(world, *more)
        forms = [forge.signed, forge.other_signature(), forge.seal(forge.signed), forge.seal(forge.other_signature())]
    forms += [forge.signed + "==", forge.encrypted, forge.raw(with_unused_bits(forge.signature()))]
    assert [active(app, shop, text) for text in forms] == [True, True, True, True, False, True, False]
    assert shop.post("revoke", token=forge.other_signature()).status_code == 200
    assert [active(app, shop, text) for text in forms] == [False, False, False, False, False, True, False]
    with app.app_context(), unit_of_work():
        revoke_jti(verified_jti(forge, app), datetime.fromtimestamp(forge.claims["exp"], UTC))
    head, *rest = forge.encrypted.split(".")
    assert not any(active(app, shop, text) for text in (forge.encrypted, ".".join([head + "=", *rest])))


def verified_jti(forge: Forge, app: Flask) -> str:
    with app.app_context():
        return verify(forge.encrypted).jti


def test_e12_a_key_that_was_revoked(app: Flask, shop: Caller) -> None:
    """The states are in test_key_states.py; this is how a client meets them."""
    token = shop.token()
    kid = json.loads(unb64(inner_of(app, token).split(".")[0]))["kid"]
    assert kid in published(shop)
    with app.app_context(), unit_of_work():
        key = next(k for k in signing.published_keys() if k.kid == kid)
        signing.revoke_signing_key(key, by=None)
    assert not active(app, shop, token)
    assert kid not in published(shop)
    assert active(app, shop, shop.token())  # the next one, which was published all the time, took over


def inner_of(app: Flask, token: str) -> str:
    with app.app_context():
        return verify(token).inner


def published(shop: Caller) -> set[str]:
    keys: list[dict[str, Any]] = shop.browser.get("/.well-known/jwks.json").json["keys"]
    return {key["kid"] for key in keys}


def test_e13_a_signed_token_where_encryption_is_required(app: Flask, more: tuple[int, int]) -> None:
    """What the gateway is told; a real one refuses in test_node.py and in test_gateway_tokens.py."""
    with app.app_context():
        version = next(v for v in build()["versions"] if v["id"] == more[1])
    assert version["accepts"] == ["jwe"]
