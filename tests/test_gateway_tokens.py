"""Tokens at a real gateway: E13, bound tokens (RFC 9449), and what was revoked in whatever form it comes again."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from console import create_app
from console.accounts.models import Person
from console.apis.models import ApiVersion
from console.config import load
from console.credentials.encryption import active_key, revoke_encryption_key
from console.db import db, unit_of_work

from .clients import KeyPair
from .forge import P256_ORDER, b64, unb64
from .programs import Installation, Reply, call, installation, wait_until
from .test_node import bearer, fill

pytestmark = pytest.mark.envoy


@dataclass(frozen=True)
class Shop:
    """The demo's application at a running installation."""

    me: Installation
    client_id: str
    secret: str

    def post(self, path: str, proof: str = "", **form: str) -> Reply:
        form = {"client_id": self.client_id, "client_secret": self.secret} | form
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | ({"DPoP": proof} if proof else {})
        return call(f"{self.me.console}/oauth/{path}", "POST", headers, urllib.parse.urlencode(form).encode())

    def token(self, version: str, pair: KeyPair | None = None) -> str:
        """For Orders; bound to the key of ``pair``."""
        url, audience = f"{self.me.console}/oauth/token", f"{self.me.gateway}/orders/{version}"
        form = {"grant_type": "client_credentials", "resource": audience}
        proof = ""
        if pair:
            first = self.post("token", pair.proof(url, "POST"), **form)
            proof = pair.proof(url, "POST", nonce=first.headers["dpop-nonce"])
        answer = self.post("token", proof, **form)
        return str(json.loads(answer.body)["access_token"])

    def orders(self, version: str, headers: dict[str, str]) -> Reply:
        return call(f"{self.me.gateway}/orders/{version}/orders", headers=headers)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with installation(tmp_path_factory.mktemp("tokens") / "home") as me:
        client = next(c for c in fill(me)["clients"] if c["application"] == "Fjord Mobile")
        shop = Shop(me, client["client_id"], client["client_secret"])
        wait_until(lambda: shop.orders("v1", bearer(shop.token("v1"))).status == 200, 10, every=0.3)
        yield shop


def test_e13_a_signed_token_where_encryption_is_required(shop: Shop) -> None:
    """A good token in every other way: it is for this API, and its application may call it."""
    refused = shop.orders("v2", bearer(shop.token("v1")))
    assert (refused.status, "encrypted tokens only" in refused.body) == (401, True)
    assert shop.orders("v2", bearer(shop.token("v2"))).status == 200


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_bound_token_needs_its_proof(shop: Shop, version: str) -> None:
    pair, url = KeyPair.of("ES256"), f"{shop.me.gateway}/orders/{version}/orders"
    token = shop.token(version, pair)
    assert shop.orders(version, bearer(token)).status in (401, 403)
    assert shop.orders(version, bearer(token) | {"DPoP": pair.proof(url, "GET", token)}).status in (401, 403)
    bound, proof = {"Authorization": f"DPoP {token}"}, pair.proof(url, "GET", token)
    assert shop.orders(version, bound).status == 401
    assert shop.orders(version, bound | {"DPoP": proof}).status == 200
    again = shop.orders(version, bound | {"DPoP": proof})
    assert (again.status, again.headers["www-authenticate"][:5]) == (401, "DPoP ")
    thief = KeyPair.of("ES256").proof(url, "GET", token)
    assert shop.orders(version, bound | {"DPoP": thief}).status == 401
    unbound = shop.token(version)
    headers = {"Authorization": f"DPoP {unbound}", "DPoP": pair.proof(url, "GET", unbound)}
    assert shop.orders(version, headers).status == 401
    assert shop.orders(version, bearer(unbound)).status == 200


def test_a_revoked_token_in_another_form(shop: Shop) -> None:
    signed, encrypted = shop.token("v1"), shop.token("v2")
    text, _, signature = signed.rpartition(".")
    raw = unb64(signature)
    other = f"{text}.{b64(raw[:32] + (P256_ORDER - int.from_bytes(raw[32:])).to_bytes(32))}"
    for form in (signed, other):
        assert shop.orders("v1", bearer(form)).status == 200
    assert shop.orders("v2", bearer(encrypted)).status == 200
    assert {shop.post("revoke", token=t).status for t in (signed, encrypted)} == {200}
    wait_until(lambda: shop.orders("v1", bearer(signed)).status == 401, 4)
    wait_until(lambda: shop.orders("v2", bearer(encrypted)).status == 401, 4)
    assert shop.orders("v1", bearer(other)).status == 401
    assert shop.orders("v1", bearer(other + "=")).status == 401


def test_a_revoked_encryption_key_ends_its_tokens(shop: Shop) -> None:
    """Also those that the gateway has seen a moment ago."""
    token = shop.token("v2")
    assert shop.orders("v2", bearer(token)).status == 200
    console = create_app(load({"GATEWRIGHT_HOME": str(shop.me.home), "GATEWRIGHT_LOG_LEVEL": "error"}))
    with console.app_context(), unit_of_work():
        query = select(ApiVersion).where(ApiVersion.gateway_path == "/orders/v2")
        version = db.session.scalars(query).one()
        key, admin = active_key(version.id), db.session.get_one(Person, 1)
        assert key
        revoke_encryption_key(key, version, by=admin)
    wait_until(lambda: shop.orders("v2", bearer(token)).status == 401, 4)
    # a worker that has not heard of it yet (a quarter of a second) may still give out a token for the old key
    wait_until(lambda: shop.orders("v2", bearer(shop.token("v2"))).status == 200, 2)
