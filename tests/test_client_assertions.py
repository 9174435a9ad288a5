"""E7: a client that signs who it is (`private_key_jwt`, RFC 7523 with RFC 10070), and those that only look like it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask

from console.accounts.models import Person
from console.applications.models import Application
from console.credentials.algorithms import PUBLISHED_SIGNING
from console.credentials.client_keys import register_client_key, revoke_client_key
from console.credentials.models import ClientKey
from console.db import db, unit_of_work

from .clients import ISSUER, TOKEN, KeyPair, by_assertion, forget
from .conftest import World, make_cast, make_world
from .test_tokens import Caller, refused, with_secret


@pytest.fixture(scope="module")
def app(module_app: Flask) -> Flask:
    return module_app


@pytest.fixture(scope="module")
def world(app: Flask, password_hash: str) -> World:
    return make_world(app, make_cast(app, password_hash))


@pytest.fixture(scope="module")
def shop(app: Flask, world: World) -> Caller:
    return with_secret(app, world.application_id)


def registered(app: Flask, world: World, pair: KeyPair) -> ClientKey:
    with app.app_context(), unit_of_work():
        application = db.session.get_one(Application, world.application_id)
        key = register_client_key(application, pair.public | {"alg": pair.alg}, by=None)
    forget(app)
    return key


@pytest.fixture(scope="module")
def pair(app: Flask, world: World) -> KeyPair:
    """A key that the application has registered."""
    pair = KeyPair.of("ES256")
    registered(app, world, pair)
    return pair


@pytest.mark.parametrize("alg", PUBLISHED_SIGNING)
def test_e07_a_good_assertion_is_taken_once(app: Flask, world: World, shop: Caller, alg: str) -> None:
    pair = KeyPair.of(alg)
    key = registered(app, world, pair)
    assertion = pair.assertion(shop.client_id, {"kid": key.kid})
    assert by_assertion(shop.browser, assertion).status_code == 200
    for path in ("token", "introspect", "revoke"):
        again = by_assertion(shop.browser, assertion, path, token="x")
        assert refused(again, 401) == "invalid_client"
        assert "used before" in again.json["error_description"]
    with app.app_context(), unit_of_work():
        revoke_client_key(db.session.merge(key), by=db.session.get_one(Person, 1))
    forget(app)
    fresh = pair.assertion(shop.client_id, {"kid": key.kid})
    assert refused(by_assertion(shop.browser, fresh), 401) == "invalid_client"


ASSERTIONS: dict[str, Callable[[KeyPair, str], str]] = {
    "for the token endpoint": lambda p, c: p.assertion(c, aud=TOKEN),
    "for a list with another": lambda p, c: p.assertion(c, aud=[ISSUER, "https://other.example"]),
    "for the issuer twice": lambda p, c: p.assertion(c, aud=[ISSUER, ISSUER]),
    "for a longer issuer": lambda p, c: p.assertion(c, aud=ISSUER + "/"),
    "for nobody": lambda p, c: p.assertion(c, aud=None),
    "HS256 with its own public key": lambda p, c: _mac(p, c),
    "alg none": lambda p, c: KeyPair("none", None).assertion(c),
    "valid for ten years": lambda p, c: p.assertion(c, exp=int(time.time()) + 10 * 365 * 86400),
    "valid for ever": lambda p, c: p.assertion(c, exp=None),
    "valid until a text": lambda p, c: p.assertion(c, exp=str(int(time.time()) + 60)),
    "expired": lambda p, c: p.assertion(c, exp=int(time.time()) - 60),
    "of tomorrow": lambda p, c: p.assertion(c, iat=int(time.time()) + 86400),
    "not before tomorrow": lambda p, c: p.assertion(c, nbf=int(time.time()) + 86400),
    "of another issuer": lambda p, c: p.assertion(c, iss="app-0000000000000000"),
    "about another": lambda p, c: p.assertion(c, sub="app-0000000000000000"),
    "about a list": lambda p, c: p.assertion(c, sub=[c]),
    "without jti": lambda p, c: p.assertion(c, jti=None),
    "with an empty jti": lambda p, c: p.assertion(c, jti=""),
    "with a long jti": lambda p, c: p.assertion(c, jti="a" * 257),
    "of another's key": lambda p, c: KeyPair.of(p.alg).assertion(c),
    "of another's key in the header": lambda p, c: _embedded(KeyPair.of(p.alg), c),
    "under an unknown kid": lambda p, c: p.assertion(c, {"kid": "x"}),
    "an access token": lambda p, c: p.assertion(c, {"typ": "at+jwt"}),
    "a proof": lambda p, c: p.assertion(c, {"typ": "dpop+jwt"}),
    "critical": lambda p, c: p.assertion(c, {"crit": ["b64"], "b64": True}),
    "not a token": lambda p, c: "x",
    "changed": lambda p, c: p.assertion(c)[:-4] + "AAAA",
}


def _mac(pair: KeyPair, client_id: str) -> str:
    """Keyed with what everybody may know: the public key."""
    der = pair.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return KeyPair("HS256", der).assertion(client_id)


def _embedded(pair: KeyPair, client_id: str) -> str:
    return pair.assertion(client_id, {"jwk": pair.public})


@pytest.mark.parametrize("name", ASSERTIONS)
def test_e07_another_assertion_is_refused(shop: Caller, pair: KeyPair, name: str) -> None:
    answer = by_assertion(shop.browser, ASSERTIONS[name](pair, shop.client_id))
    assert refused(answer, 401) == "invalid_client"
    assert by_assertion(shop.browser, pair.assertion(shop.client_id)).status_code == 200  # nothing else was wrong


def test_e07_an_assertion_under_another_client_id_or_type(shop: Caller, pair: KeyPair) -> None:
    assertion = pair.assertion(shop.client_id)
    other = by_assertion(shop.browser, assertion, client_id="app-0000000000000000")
    assert refused(other, 401) == "invalid_client"
    saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
    assert refused(by_assertion(shop.browser, assertion, client_assertion_type=saml)) == "invalid_request"
    assert by_assertion(shop.browser, assertion).status_code == 200  # it was good all the time
