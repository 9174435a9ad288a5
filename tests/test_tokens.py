"""The token endpoint and its neighbours, as a client speaks to them; tokens as other libraries read them."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

import joserfc.jwe
import joserfc.jwk
import joserfc.jws
import jwcrypto.jwe
import jwcrypto.jwk
import jwcrypto.jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from console.accounts.models import Person
from console.applications.models import Application
from console.audit.models import AuditEntry
from console.credentials.actions import create_secret, revoke_secret
from console.credentials.models import ClientSecret, EncryptionKey
from console.credentials.secrets import digest
from console.db import db, unit_of_work
from tests.conftest import ORDERS, Cast, SignIn, World, at_once, publish, subscribed, trail

GRANT = {"grant_type": "client_credentials"}
Answer = Any


@dataclass(frozen=True)
class Caller:
    """An application with a secret, as it calls the endpoints."""

    browser: FlaskClient
    client_id: str
    secret: str

    def post(self, path: str = "token", /, **form: str) -> Answer:
        return self.browser.post(f"/oauth/{path}", data=GRANT | form, headers=basic(self.client_id, self.secret))

    def token(self, **form: str) -> str:
        return str(self.post(**form).json["access_token"])

    def active(self, token: str) -> bool:
        time.sleep(0.3)  # what a process remembers is at most this old
        return bool(self.post("introspect", token=token).json["active"])


def basic(client_id: str, secret: str) -> dict[str, str]:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def with_secret(app: Flask, application_id: int) -> Caller:
    with app.app_context(), unit_of_work():
        application = db.session.get_one(Application, application_id)
        return Caller(app.test_client(), application.client_id, create_secret(application, by=None)[1])


@pytest.fixture
def shop(app: Flask, world: World) -> Caller:
    """Bob's application, subscribed to Orders."""
    return with_secret(app, world.application_id)


def another(app: Flask, cast: Cast, *, subscribes: bool, version: str = "3.0.0", accepts: str = "signed") -> Caller:
    """Carol's application, with a subscription to an API of its own or with none."""
    with app.app_context(), unit_of_work():
        alice, carol = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.carol)
        made = publish(
            alice, [accepts], ORDERS.replace("version: 1.0.0", f"version: {version}"), f"/orders/v{version[0]}"
        )
        number = subscribed(made, carol if subscribes else alice, alice, "Other").id
        if not subscribes:
            from console.applications.actions import create_application

            number = create_application("Idle", "", carol.teams[0], by=carol).id
    return with_secret(app, number)


def refused(answer: Answer, status: int = 400) -> str:
    """The error code, after looking at what every refusal has in common (RFC 6749 section 5.2)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json) == {"error", "error_description"}
    return str(answer.json["error"])


class TestAuthentication:
    def test_basic(self, shop: Caller) -> None:
        answer = shop.post()
        assert answer.status_code == 200
        assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 900)
        assert answer.json["scope"] == "orders:read orders:write"
        assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")

    def test_in_the_form(self, shop: Caller) -> None:
        form = GRANT | {"client_id": shop.client_id, "client_secret": shop.secret}
        assert shop.browser.post("/oauth/token", data=form).status_code == 200

    def test_basic_is_form_encoded_first(self, app: Flask, shop: Caller) -> None:
        odd, secret = "app-odd_1", "s:e+c r%e&t=é"  # RFC 6749 section 2.3.1
        with app.app_context(), unit_of_work():
            db.session.execute(update(Application).where(Application.client_id == shop.client_id).values(client_id=odd))
            db.session.execute(update(ClientSecret).values(digest=digest(secret)))
        assert Caller(app.test_client(), odd, secret).post().status_code == 200
        raw = base64.b64encode(f"{odd}:{secret}".encode()).decode()
        answer = shop.browser.post("/oauth/token", data=GRANT, headers={"Authorization": f"Basic {raw}"})
        assert refused(answer, 401) == "invalid_client"

    def test_two_ways_at_once_are_refused(self, shop: Caller) -> None:
        assert refused(shop.post(client_id=shop.client_id, client_secret=shop.secret)) == "invalid_request"

    def test_an_unknown_client_and_a_wrong_secret_look_alike(self, shop: Caller) -> None:
        pairs = (("app-0000000000000000", shop.secret), (shop.client_id, shop.secret[:-1] + "x"), (shop.client_id, "é"))
        answers = [shop.browser.post("/oauth/token", data=GRANT, headers=basic(*pair)) for pair in pairs]
        assert [refused(answer, 401) for answer in answers] == ["invalid_client"] * 3
        assert len({answer.data for answer in answers}) == 1
        assert answers[0].headers["WWW-Authenticate"] == 'Basic realm="gatewright", charset="UTF-8"'

    @pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic Og", "Basic eA==", "Basic /w==", "Bearer x", "x"])
    def test_a_broken_header_is_refused(self, shop: Caller, header: str) -> None:
        answer = shop.browser.post("/oauth/token", data=GRANT, headers={"Authorization": header})
        assert refused(answer, 401) == "invalid_client"

    def test_a_revoked_secret_is_refused(self, app: Flask, cast: Cast, shop: Caller) -> None:
        assert shop.post().status_code == 200
        with app.app_context(), unit_of_work():
            revoke_secret(db.session.scalars(select(ClientSecret)).one(), by=db.session.get_one(Person, cast.bob))
        time.sleep(0.3)
        assert refused(shop.post(), 401) == "invalid_client"

    def test_a_secret_in_the_address_is_refused(self, shop: Caller) -> None:
        query = {"client_id": shop.client_id, "client_secret": shop.secret}
        assert refused(shop.browser.post("/oauth/token", query_string=query, data=GRANT)) == "invalid_request"


class TestRequest:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
    def test_post_only(self, shop: Caller, method: str) -> None:
        answer = shop.browser.open("/oauth/token", method=method)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")

    @pytest.mark.parametrize(
        ("form", "error"),
        [
            ({"grant_type": ""}, "invalid_request"),
            ({"grant_type": "password"}, "unsupported_grant_type"),
            ({"scope": "orders:read admin"}, "invalid_scope"),
            ({"scope": "*"}, "invalid_scope"),
            ({"resource": "https://elsewhere.example"}, "invalid_target"),
            ({"audience": "https://elsewhere.example"}, "invalid_target"),
        ],
    )
    def test_refused(self, shop: Caller, form: dict[str, str], error: str) -> None:
        assert refused(shop.post(**form)) == error

    def test_a_repeated_parameter_is_refused(self, shop: Caller) -> None:
        body = urlencode([*GRANT.items(), ("scope", "orders:read"), ("scope", "orders:write")])
        headers = basic(shop.client_id, shop.secret) | {"Content-Type": "application/x-www-form-urlencoded"}
        assert refused(shop.browser.post("/oauth/token", data=body, headers=headers)) == "invalid_request"

    @pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "text/plain", ""])
    def test_another_content_type_is_refused(self, shop: Caller, kind: str) -> None:
        headers = basic(shop.client_id, shop.secret) | {"Content-Type": kind}
        assert refused(shop.browser.post("/oauth/token", data=urlencode(GRANT), headers=headers)) == "invalid_request"

    @pytest.mark.parametrize("body", [b"\xff=\xfe", b"&".join(b"a%d=1" % i for i in range(60))])
    def test_an_unreadable_form_is_refused(self, shop: Caller, body: bytes) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert refused(shop.browser.post("/oauth/token", data=body, headers=headers)) == "invalid_request"

    def test_a_large_form_is_refused(self, shop: Caller) -> None:
        assert shop.post(scope="x" * 70_000).status_code == 413

    def test_without_a_subscription_there_is_no_token(self, app: Flask, cast: Cast) -> None:
        assert refused(another(app, cast, subscribes=False).post()) == "unauthorized_client"

    def test_keys_only_means_no_token(self, app: Flask, cast: Cast) -> None:
        assert refused(another(app, cast, subscribes=True, accepts="key").post()) == "unauthorized_client"

    def test_of_several_subscriptions_one_is_named(self, app: Flask, cast: Cast, shop: Caller) -> None:
        with app.app_context(), unit_of_work():
            alice, bob = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.bob)
            second = publish(alice, ["signed"], ORDERS.replace("version: 1.0.0", "version: 2.0.0"), "/orders/v2")
            from console.applications.actions import approve_subscription, subscribe

            application = db.session.scalars(select(Application)).one()
            approve_subscription(subscribe(application, second, "", by=bob), by=alice)
        assert refused(shop.post()) == "invalid_target"
        token = shop.token(resource="http://127.0.0.1:8080/orders/v2")
        assert claims_of(token)["aud"] == "http://127.0.0.1:8080/orders/v2"


def claims_of(token: str) -> dict[str, Any]:
    """Of a signed token, unverified."""
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "==")))


def opened(app: Flask, token: str) -> tuple[str, str]:
    """The signed token inside an encrypted one, as jwcrypto and as joserfc open it with the key in the database."""
    with app.app_context():
        row = db.session.scalars(select(EncryptionKey)).one()
        private = app.extensions["gatewright"].ring.open(row.private_sealed, f"encryption_key.private.{row.kid}")
    one = jwcrypto.jwe.JWE()
    one.deserialize(token, key=jwcrypto.jwk.JWK.from_json(private.decode()))
    registry = joserfc.jwe.JWERegistry(algorithms=["ECDH-ES+A256KW", "A256GCM"])
    two = joserfc.jwe.decrypt_compact(token, joserfc.jwk.import_key(json.loads(private)), registry=registry)
    return one.payload.decode(), (two.plaintext or b"").decode()


class TestToken:
    def test_it_is_encrypted_around_a_signed_one(self, app: Flask, shop: Caller) -> None:
        token = shop.token()
        header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
        assert (header["alg"], header["enc"], header["cty"]) == ("ECDH-ES+A256KW", "A256GCM", "JWT")
        one, two = opened(app, token)
        assert one == two
        assert one.count(".") == 2

    def test_what_is_inside_is_signed_by_a_published_key(self, app: Flask, shop: Caller) -> None:
        inner, _ = opened(app, shop.token())
        jwks = shop.browser.get("/.well-known/jwks.json")
        assert jwks.headers["Content-Type"] == "application/jwk-set+json"
        assert {(key["kty"], key["alg"], key["use"]) for key in jwks.json["keys"]} == {
            ("EC", "ES256", "sig"), ("RSA", "RS256", "sig"), ("RSA", "PS256", "sig"), ("OKP", "EdDSA", "sig"),
        }  # fmt: skip
        assert not any({"d", "p", "q", "k"} & key.keys() for key in jwks.json["keys"])
        jwcrypto.jwt.JWT(jwt=inner, key=jwcrypto.jwk.JWKSet.from_json(jwks.text), algs=["ES256"])
        keys = joserfc.jwk.KeySet.import_key_set(jwks.json)
        assert joserfc.jws.deserialize_compact(inner, keys, algorithms=["ES256"]).headers()["typ"] == "at+jwt"

    def test_it_says_what_rfc_9068_wants(self, app: Flask, world: World, shop: Caller) -> None:
        claims = claims_of(opened(app, shop.token(scope="orders:read"))[0])
        assert claims.keys() == {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "plan"}
        assert claims["iss"] == shop.browser.get("/.well-known/oauth-authorization-server").json["issuer"]
        assert claims["sub"] == claims["client_id"] == world.client_id
        assert (claims["aud"], claims["scope"]) == (world.audience, "orders:read")
        assert claims["exp"] - claims["iat"] == 900
        assert abs(claims["iat"] - time.time()) < 10

    def test_no_two_are_alike(self, app: Flask, shop: Caller) -> None:
        tokens = {opened(app, shop.token())[0] for _ in range(5)}
        assert len({claims_of(token)["jti"] for token in tokens}) == 5

    def test_where_nothing_is_encrypted_it_is_signed_only(self, app: Flask, cast: Cast) -> None:
        assert another(app, cast, subscribes=True).token().count(".") == 2


class TestIntrospection:
    def test_tells_the_client_it_was_made_for(self, world: World, shop: Caller) -> None:
        said = shop.post("introspect", token=shop.token(scope="orders:read")).json
        assert (said["active"], said["client_id"], said["scope"]) == (True, world.client_id, "orders:read")
        assert said.keys() == {"active", "token_type", "scope", "client_id", "exp", "iat", "sub", "aud", "iss", "jti"}

    def test_tells_another_client_nothing(self, app: Flask, cast: Cast, shop: Caller) -> None:
        assert another(app, cast, subscribes=True).post("introspect", token=shop.token()).json == {"active": False}

    @pytest.mark.parametrize("token", ["x", "a.b.c", "a.b.c.d.e", "é", "x" * 9000])
    def test_of_what_is_no_token_says_only_that(self, shop: Caller, token: str) -> None:
        answer = shop.post("introspect", token=token)
        assert (answer.status_code, answer.json) == (200, {"active": False})

    def test_wants_a_token_and_a_client(self, shop: Caller) -> None:
        assert refused(shop.post("introspect")) == "invalid_request"
        assert refused(shop.browser.post("/oauth/introspect", data={"token": "x"}), 401) == "invalid_client"


class TestRevocation:
    def test_ends_a_token(self, app: Flask, shop: Caller) -> None:
        token = shop.token()
        assert shop.active(token)
        assert [shop.post("revoke", token=token).status_code for _ in "12"] == [200, 200]
        assert not shop.active(token)
        assert trail(app).count("token.revoked") == 1

    def test_of_a_foreign_token_does_nothing(self, app: Flask, cast: Cast, shop: Caller) -> None:
        token, other = shop.token(), another(app, cast, subscribes=True)
        answer = other.post("revoke", token=token)
        assert (answer.status_code, answer.json) == (200, {})
        assert shop.active(token)
        assert "token.revoked" not in trail(app)

    def test_of_nonsense_is_fine(self, shop: Caller) -> None:
        assert shop.post("revoke", token="x").status_code == 200
        assert refused(shop.post("revoke")) == "invalid_request"

    def test_many_at_once(self, app: Flask, shop: Caller) -> None:
        tokens = [shop.token() for _ in range(8)]
        callers = [Caller(app.test_client(), shop.client_id, shop.secret) for _ in tokens]
        answers = at_once(
            *[lambda c=c, t=t: c.post("revoke", token=t).status_code for c, t in zip(callers, tokens, strict=True)]
        )
        assert answers == [200] * 8
        assert not any(shop.active(token) for token in tokens)

    def test_the_trail_says_which(self, app: Flask, shop: Caller) -> None:
        shop.post("revoke", token=shop.token())
        with app.app_context():
            entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
            assert (entry.action, entry.changes) == ("token.revoked", {"client_id": shop.client_id})  # type: ignore[union-attr]


class TestByHand:
    FORM = {"version": "1", "lifetime": "5", "scopes": ["orders:read"]}

    def test_a_person_makes_one(self, app: Flask, world: World, sign_in: SignIn) -> None:
        page = sign_in("bob").post("/applications/1/tokens/new", data=self.FORM)
        assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")
        assert "&#34;scope&#34;: &#34;orders:read&#34;" in page.text
        assert trail(app)[-1] == "token.issued"

    @pytest.mark.parametrize(
        "form", [{"lifetime": "0"}, {"lifetime": "16"}, {"lifetime": "x"}, {"version": "9"}, {"scopes": "x"}]
    )
    def test_refused(self, app: Flask, world: World, sign_in: SignIn, form: dict[str, str]) -> None:
        assert sign_in("bob").post("/applications/1/tokens/new", data=self.FORM | form).status_code == 422
        assert "token.issued" not in trail(app)

    def test_a_person_revokes_one(self, app: Flask, world: World, sign_in: SignIn, shop: Caller) -> None:
        bob = sign_in("bob")
        bob.post("/applications/1/tokens/new", data=self.FORM)
        with app.app_context():
            from console.tokens.models import IssuedToken

            jti = db.session.scalars(select(IssuedToken.jti)).one()
        for _ in "12":
            assert bob.post(f"/applications/1/tokens/{jti}/revoke").status_code == 302
        assert trail(app).count("token.revoked") == 1
        with app.app_context():
            from console.gateway.bundle import build

            assert jti in build()["revoked"]


def test_the_subscription_ends_and_so_do_tokens(shop: Caller, sign_in: SignIn) -> None:
    assert shop.post().status_code == 200
    sign_in("bob").post("/subscriptions/1/close")
    time.sleep(0.3)
    assert refused(shop.post()) == "unauthorized_client"
