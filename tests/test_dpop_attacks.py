"""E10: proofs of a key (RFC 9449) at the token endpoint and at the gateway, and those that only look like it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from console.credentials.algorithms import PUBLISHED_SIGNING
from console.db import unit_of_work
from console.gateway.actions import enrol_node
from console.tokens import dpop
from console.tokens.dpop import thumbprint_of

from .clients import TOKEN, KeyPair, by_assertion
from .conftest import World, make_cast, make_world
from .forge import b64
from .test_tokens import GRANT, Caller, basic, refused, with_secret

GATEWAY = "http://127.0.0.1:8080"
PATH = "/orders/v1/orders"
NOW = time.time


@pytest.fixture(scope="module")
def app(module_app: Flask) -> Flask:
    return module_app


@pytest.fixture(scope="module")
def world(app: Flask, password_hash: str) -> World:
    return make_world(app, make_cast(app, password_hash))


@pytest.fixture(scope="module")
def shop(app: Flask, world: World) -> Caller:
    return with_secret(app, world.application_id)


@pytest.fixture(scope="module")
def gateway(app: Flask) -> str:
    with app.app_context(), unit_of_work():
        return enrol_node("gw-dpop")[1]


def ask(shop: Caller, proof: str) -> Any:
    headers = basic(shop.client_id, shop.secret) | {"DPoP": proof}
    return shop.browser.post("/oauth/token", data=GRANT, headers=headers)


def nonce(app: Flask, periods_ago: int = 0) -> str:
    with app.app_context():
        return dpop.nonce(NOW() - periods_ago * dpop.NONCE_S)


@pytest.mark.parametrize("alg", PUBLISHED_SIGNING)
def test_a_token_is_bound_to_the_key(shop: Caller, alg: str) -> None:
    pair = KeyPair.of(alg)
    first = ask(shop, pair.proof(TOKEN, "POST"))
    assert refused(first) == "use_dpop_nonce"
    answer = ask(shop, pair.proof(TOKEN, "POST", nonce=first.headers["DPoP-Nonce"]))
    assert (answer.status_code, answer.json["token_type"]) == (200, "DPoP")
    assert answer.headers["DPoP-Nonce"] == first.headers["DPoP-Nonce"]
    said = shop.post("introspect", token=answer.json["access_token"]).json
    assert (said["token_type"], said["cnf"]) == ("DPoP", {"jkt": thumbprint_of(pair.public)})


def test_the_nonce_of_the_period_before_is_good_and_no_older_one(app: Flask, shop: Caller) -> None:
    pair = KeyPair.of("ES256")
    assert ask(shop, pair.proof(TOKEN, "POST", nonce=nonce(app, 1))).status_code == 200
    for old in (nonce(app, 2), nonce(app, -1), "", "x", 1, [nonce(app)]):
        assert refused(ask(shop, pair.proof(TOKEN, "POST", nonce=old))) == "use_dpop_nonce"


Craft = Callable[[KeyPair, "Request"], str]


class Request:
    """What a proof is made for: its address, method, token and nonce."""

    def __init__(self, url: str, method: str, token: str = "", nonce: str | None = None) -> None:
        self.url, self.method, self.token, self.nonce = url, method, token, nonce

    def proof(self, pair: KeyPair, head: dict[str, Any] | None = None, /, **claims: Any) -> str:
        return pair.proof(self.url, self.method, self.token, head, **({"nonce": self.nonce} | claims))


PRIVATE = "AQAB" * 10
PROOFS: dict[str, Craft] = {
    "for another method": lambda p, r: r.proof(p, htm="PATCH"),
    "for the method in lower case": lambda p, r: r.proof(p, htm=r.method.lower()),
    "for no method": lambda p, r: r.proof(p, htm=None),
    "for another path": lambda p, r: r.proof(p, htu=r.url + "x"),
    "for another host": lambda p, r: r.proof(p, htu=r.url.replace("127.0.0.1", "127.0.0.2")),
    "for another port": lambda p, r: r.proof(p, htu=r.url.replace(":80", ":90")),
    "for another scheme": lambda p, r: r.proof(p, htu=r.url.replace("http:", "https:")),
    "for no address": lambda p, r: r.proof(p, htu=None),
    "for a list": lambda p, r: r.proof(p, htu=[r.url]),
    "for a broken address": lambda p, r: r.proof(p, htu="http://["),
    "old": lambda p, r: r.proof(p, iat=int(NOW()) - 90),
    "of the future": lambda p, r: r.proof(p, iat=int(NOW()) + 90),
    "of no time": lambda p, r: r.proof(p, iat=None),
    "of a time in letters": lambda p, r: r.proof(p, iat=str(int(NOW()))),
    "without jti": lambda p, r: r.proof(p, jti=None),
    "with a long jti": lambda p, r: r.proof(p, jti="a" * 257),
    "with a private key": lambda p, r: r.proof(p, {"jwk": p.public | {"d": PRIVATE}}),
    "with a shared secret": lambda p, r: r.proof(p, {"jwk": {"kty": "oct", "k": PRIVATE}}),
    "with another's key": lambda p, r: r.proof(p, {"jwk": KeyPair.of("ES256").public}),
    "with no key": lambda p, r: r.proof(p, {"jwk": None}),
    "with a key by its id": lambda p, r: r.proof(p, {"jwk": None, "kid": "x"}),
    "with two keys": lambda p, r: r.proof(p, {"jwk": [p.public]}),
    "with a key off the curve": lambda p, r: r.proof(p, {"jwk": p.public | {"y": p.public["x"]}}),
    "with an address of keys": lambda p, r: r.proof(p, {"jku": "http://169.254.169.254/"}),
    "critical": lambda p, r: r.proof(p, {"crit": ["b64"]}),
    "typ JWT": lambda p, r: r.proof(p, {"typ": "JWT"}),
    "typ at+jwt": lambda p, r: r.proof(p, {"typ": "at+jwt"}),
    "HS256": lambda p, r: r.proof(KeyPair("HS256", b"a" * 32), {"jwk": p.public}),
    "HS256 with the secret in it": lambda p, r: r.proof(
        KeyPair("HS256", b"a" * 32), {"jwk": {"kty": "oct", "k": b64(b"a" * 32)}}
    ),
    "alg none": lambda p, r: r.proof(KeyPair("none", None), {"jwk": p.public}),
    "alg of another key": lambda p, r: r.proof(p, {"alg": "EdDSA"}),
    "changed": lambda p, r: r.proof(p)[:-4] + "AAAA",
    "two of them": lambda p, r: r.proof(p) + "," + r.proof(p),
    "too long": lambda p, r: r.proof(p, more="a" * 5000),
    "no token at all": lambda p, r: "x",
}  # fmt: skip


@pytest.mark.parametrize("name", PROOFS)
def test_at_the_token_endpoint(app: Flask, shop: Caller, name: str) -> None:
    pair, request = KeyPair.of("ES256"), Request(TOKEN, "POST", nonce=nonce(app))
    assert refused(ask(shop, PROOFS[name](pair, request))) == "invalid_dpop_proof"
    assert ask(shop, request.proof(pair)).status_code == 200  # nothing else was wrong


def test_a_proof_is_good_once(app: Flask, shop: Caller) -> None:
    proof = KeyPair.of("ES256").proof(TOKEN, "POST", nonce=nonce(app))
    assert ask(shop, proof).status_code == 200
    again = ask(shop, proof)
    assert refused(again) == "invalid_dpop_proof"
    assert "used before" in again.json["error_description"]


@pytest.fixture(scope="module")
def bound(app: Flask, shop: Caller) -> tuple[KeyPair, str]:
    """A key, and an access token that is bound to it."""
    pair = KeyPair.of("ES256")
    answer = ask(shop, pair.proof(TOKEN, "POST", nonce=nonce(app)))
    return pair, answer.json["access_token"]


class Gateway:
    """A node that asks about a bound token."""

    def __init__(self, app: Flask, credential: str, audience: str) -> None:
        self.browser, self.credential, self.audience = app.test_client(), credential, audience

    def ask(self, token: str, proof: str, method: str = "GET", path: str = PATH) -> Any:
        headers = {
            "Authorization": f"Bearer {self.credential}", "X-Gatewright-Audience": self.audience, "X-Gatewright-Proof": proof,
            "X-Gatewright-Method": method, "X-Gatewright-Path": path,
        }  # fmt: skip
        return self.browser.post("/gateway/bound", data=token, headers=headers, content_type="text/plain")


@pytest.fixture(scope="module")
def node(app: Flask, world: World, gateway: str) -> Gateway:
    return Gateway(app, gateway, world.audience)


def refused_by(answer: Any) -> str:
    assert answer.status_code == 401, answer.text
    assert answer.headers["WWW-Authenticate"].startswith("DPoP error=")
    assert "Authorization" not in answer.headers
    return str(answer.headers["X-Gatewright-Reason"])


@pytest.mark.parametrize("name", PROOFS)
def test_at_the_gateway(node: Gateway, bound: tuple[KeyPair, str], name: str) -> None:
    pair, token = bound
    request = Request(GATEWAY + PATH, "GET", token)
    assert refused_by(node.ask(token, PROOFS[name](pair, request))) == "invalid_dpop_proof"
    good = node.ask(token, request.proof(pair), path=PATH + "?page=2")
    assert (good.status_code, good.headers["X-Ttl"]) == (200, "0")


def test_at_the_gateway_a_proof_is_of_this_token_by_this_key_and_good_once(
    app: Flask, shop: Caller, node: Gateway, bound: tuple[KeyPair, str]
) -> None:
    pair, token = bound
    thief, url = KeyPair.of("ES256"), GATEWAY + PATH
    for proof in (pair.proof(url, "GET"), pair.proof(url, "GET", token + "x"), thief.proof(url, "GET", token), ""):
        assert refused_by(node.ask(token, proof)) == "invalid_dpop_proof"
    unbound = shop.token()
    assert refused_by(node.ask(unbound, pair.proof(url, "GET", unbound))) == "invalid_token"
    proof = pair.proof(url, "GET", token)
    assert node.ask(token, proof).status_code == 200
    assert refused_by(node.ask(token, proof)) == "invalid_dpop_proof"


def test_a_client_assertion_is_no_proof(app: Flask, shop: Caller) -> None:
    pair = KeyPair.of("ES256")
    assert refused(ask(shop, pair.assertion(shop.client_id, {"jwk": pair.public}))) == "invalid_dpop_proof"
    assert refused(by_assertion(shop.browser, pair.proof(TOKEN, "POST")), 401) == "invalid_client"
