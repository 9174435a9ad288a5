"""Token profiles of an API version, its keys, and who may ask about its tokens, through the pages."""

from __future__ import annotations

import html
import json
import re
import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwe, jwk, jws

from console.accounts.models import Person
from console.apis.models import ApiVersion
from console.applications.actions import create_application
from console.applications.models import Application
from console.credentials.models import EncryptionKey, SigningKey
from console.db import db, now, unit_of_work
from console.gateway.bundle import build
from console.gateway.decisions import unwrap
from console.runtime import runtime
from tests.conftest import Cast, SignIn, World, counts, trail
from tests.test_tokens import Caller, with_secret

KEYS = "/apis/orders/1.0.0/keys"
CHOICES = {"backend_url": "http://127.0.0.1:9", "gateway_path": "/orders/v1", "lifetime": "15"}


@pytest.fixture
def alice(sign_in: SignIn, world: World) -> FlaskClient:
    return sign_in("alice")


def fresh() -> None:
    """What a process remembers may be a quarter of a second old."""
    runtime().checked_at = -1.0


def publish(app: Flask, browser: FlaskClient, **choices: Any) -> Any:
    with app.app_context():
        edits = db.session.get_one(ApiVersion, 1).edits
    form = CHOICES | {"accepts": ["encrypted", "signed", "key"], "edits": str(edits), "anyway": "1"} | choices
    answer = browser.post("/apis/orders/1.0.0/publish", data=form)
    with app.app_context():
        fresh()
    return answer


def header_of(token: str) -> dict[str, Any]:
    from tests.forge import unb64

    return dict(json.loads(unb64(token.split(".")[0])))


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256", "EdDSA", "HS256"])
def test_a_version_chooses_its_signature(app: Flask, alice: FlaskClient, world: World, alg: str) -> None:
    shop = with_secret(app, world.application_id)
    assert publish(app, alice, accepts=["signed"], signing_alg=alg, dpop="off").status_code == 302
    token = shop.token()
    assert header_of(token)["alg"] == alg
    assert shop.active(token)
    assert (header_of(token)["kid"] in shop.browser.get("/.well-known/jwks.json").text) is (alg != "HS256")


@pytest.mark.parametrize(
    ("alg", "curve", "enc"),
    [
        ("ECDH-ES+A256KW", "P-256", "A256GCM"), ("ECDH-ES+A256KW", "X25519", "A256CBC-HS512"), ("ECDH-ES", "P-256", "A128GCM"),
        ("ECDH-ES", "X25519", "A256GCM"), ("RSA-OAEP-256", "P-256", "A256GCM"), ("A256KW", "P-256", "A256GCM"),
    ],
)  # fmt: skip
def test_a_version_chooses_its_encryption(
    app: Flask, alice: FlaskClient, world: World, alg: str, curve: str, enc: str
) -> None:
    """Tokens of before the change are opened, too."""
    shop = with_secret(app, world.application_id)
    before = shop.token()
    publish(
        app, alice, accepts=["encrypted"], encryption_alg=alg, encryption_curve=curve, content_alg=enc, lifetime="16"
    )
    token = shop.token()
    header = header_of(token)
    assert (header["alg"], header["enc"], header.get("epk", {}).get("crv")) == (
        alg, enc, curve if alg.startswith("ECDH") else None,
    )  # fmt: skip
    with app.app_context():
        assert [unwrap(one, world.audience).signed.count(".") for one in (token, before)] == [2, 2]


@pytest.mark.parametrize(
    "choice", [{"signing_alg": "none"}, {"encryption_alg": "dir"}, {"content_alg": "x"}, {"dpop": "perhaps"}]
)
def test_what_nobody_offers_is_refused(app: Flask, alice: FlaskClient, world: World, choice: dict[str, str]) -> None:
    before = counts(app)
    assert publish(app, alice, **choice).status_code == 422
    assert counts(app) == before


def test_a_shared_secret_is_shown_once_and_used_when_the_backend_has_it(
    app: Flask, alice: FlaskClient, world: World
) -> None:
    publish(app, alice, accepts=["signed"], signing_alg="HS256")
    shop = with_secret(app, world.application_id)
    page = alice.post(KEYS + "/secret", data={"once": "a"})
    shown = re.findall(r'<pre class="codebox" id="secret"[^>]*>(.*?)</pre>', page.text, re.S)[0]
    secret = json.loads(html.unescape(shown))
    assert (page.headers["Cache-Control"], secret["alg"], secret["kty"]) == ("no-store", "HS256", "oct")
    assert secret["k"] not in alice.get(KEYS).text
    assert alice.post(KEYS + "/secret", data={"once": "a"}).status_code == 302, "sent twice, done once"
    assert header_of(shop.token())["kid"] != secret["kid"], "nobody was given it yet"
    with app.app_context():
        fresh()
        assert secret["k"] in [one["k"] for one in build()["versions"][0]["secrets"]], "but the gateways take it"
    assert alice.post(KEYS + "/secret/use").status_code == 409, "they are still taking it"
    with app.app_context(), unit_of_work():
        db.session.get_one(SigningKey, secret["kid"]).created_at = now() - timedelta(seconds=10)
    before = shop.token()
    assert alice.post(KEYS + "/secret/use").status_code == 302
    time.sleep(0.3)
    after = shop.token()
    assert jws.deserialize_compact(after, jwk.import_key(secret), algorithms=["HS256"]).payload
    assert shop.active(before)
    assert alice.post(KEYS + "/secret/use").status_code == 409, "there is no other"


def test_leaving_a_shared_secret_ends_it(app: Flask, alice: FlaskClient, world: World) -> None:
    publish(app, alice, accepts=["signed"], signing_alg="HS256")
    shop = with_secret(app, world.application_id)
    token = shop.token()
    publish(app, alice, accepts=["signed"], signing_alg="ES256")
    assert not shop.active(token)
    assert shop.active(shop.token())


class TestOwnKey:
    """The API brings its public key, and only it can open its tokens."""

    pair = jwk.ECKey.generate_key("P-256", private=True)

    def registered(self, alice: FlaskClient, **form: str) -> str:
        """The challenge."""
        public = json.dumps(self.pair.as_dict(private=False))
        page = alice.post(KEYS + "/register", data={"source": "jwk", "jwk": public} | form)
        assert page.status_code == 200, page.text
        assert page.headers["Cache-Control"] == "no-store"
        return re.findall(r'id="challenge"[^>]*>([^<]+)<', page.text)[0]

    def opened(self, challenge: str) -> str:
        return (
            jwe.decrypt_compact(challenge, self.pair, algorithms=["ECDH-ES+A256KW", "A256GCM"]).plaintext or b""
        ).decode()

    def number(self, app: Flask) -> int:
        with app.app_context():
            return db.session.query(EncryptionKey).filter_by(source="jwk").order_by(EncryptionKey.id.desc()).first().id  # type: ignore[union-attr]

    def in_use(self, app: Flask, alice: FlaskClient) -> None:
        answer = self.opened(self.registered(alice))
        assert alice.post(f"{KEYS}/{self.number(app)}/prove", data={"answer": answer}).status_code == 302
        assert publish(app, alice, accepts=["encrypted"], key_source="jwk").status_code == 302

    def test_nothing_is_encrypted_to_it_before_it_is_proven(self, app: Flask, alice: FlaskClient, world: World) -> None:
        self.registered(alice)
        refused = publish(app, alice, accepts=["encrypted"], key_source="jwk")
        assert (refused.status_code, "own public key" in refused.text) == (422, True)
        wrong = alice.post(f"{KEYS}/{self.number(app)}/prove", data={"answer": "a guess"})
        assert (wrong.status_code, "not what the challenge says" in wrong.text) == (422, True)

    def test_only_the_api_can_open_its_tokens(self, app: Flask, alice: FlaskClient, world: World) -> None:
        self.in_use(app, alice)
        shop = with_secret(app, world.application_id)
        token = shop.token(scope="orders:read")
        inner = (
            jwe.decrypt_compact(token, self.pair, algorithms=["ECDH-ES+A256KW", "A256GCM"]).plaintext or b""
        ).decode()
        assert inner.count(".") == 2
        with app.app_context():
            decision = unwrap(token, world.audience)
            assert decision.keeps, "the backend gets what the caller sent"
            assert decision.signed != inner
            assert build()["versions"][0]["keeps"] is True

    def test_introspection_and_revocation_know_it_by_its_hash(
        self, app: Flask, alice: FlaskClient, world: World
    ) -> None:
        self.in_use(app, alice)
        shop = with_secret(app, world.application_id)
        token = shop.token(scope="orders:read")
        said = shop.post("introspect", token=token).json
        assert (said["active"], said["scope"], said["aud"]) == (True, "orders:read", world.audience)
        assert not shop.active(token[:-4] + "AAAA")
        shop.post("revoke", token=token)
        assert not shop.active(token)

    def test_the_trail_says_who_registered_and_proved_it(self, app: Flask, alice: FlaskClient, world: World) -> None:
        self.in_use(app, alice)
        assert trail(app)[-3:] == ["encryption_key.registered", "encryption_key.proven", "version.published"]

    def test_a_new_one_takes_over_when_it_is_proven(self, app: Flask, alice: FlaskClient, world: World) -> None:
        self.in_use(app, alice)
        other = jwk.ECKey.generate_key("P-256", private=True)
        challenge = self.registered(alice, jwk=json.dumps(other.as_dict(private=False)))
        answer = (
            jwe.decrypt_compact(challenge, other, algorithms=["ECDH-ES+A256KW", "A256GCM"]).plaintext or b""
        ).decode()
        alice.post(f"{KEYS}/{self.number(app)}/prove", data={"answer": answer})
        time.sleep(0.3)
        token = with_secret(app, world.application_id).token()
        assert header_of(token)["kid"] == other.thumbprint()

    def test_a_token_dies_with_the_key_that_signed_it(self, app: Flask, alice: FlaskClient, world: World) -> None:
        self.in_use(app, alice)
        shop = with_secret(app, world.application_id)
        token = shop.token()
        with app.app_context(), unit_of_work():
            kid = db.session.query(SigningKey).filter_by(alg="ES256", state="active").one().kid
        assert shop.active(token)
        alice.post(f"/keys/{kid}/revoke")
        assert not shop.active(token)

    def test_the_kid_of_another_apis_key_is_refused(self, app: Flask, alice: FlaskClient, world: World) -> None:
        with app.app_context():
            taken = db.session.query(EncryptionKey).one().kid
        public = json.dumps(self.pair.as_dict(private=False) | {"kid": taken})
        answer = alice.post(KEYS + "/register", data={"source": "jwk", "jwk": public})
        assert (answer.status_code, "Give the key another kid" in answer.text) == (422, True)

    @pytest.mark.parametrize("bad", ["", "{", '{"kty":"oct","k":"AAAA"}', '{"keys":[]}', "[]"])
    def test_what_is_no_public_key_is_refused(self, app: Flask, alice: FlaskClient, world: World, bad: str) -> None:
        before = counts(app)
        assert alice.post(KEYS + "/register", data={"source": "jwk", "jwk": bad}).status_code == 422
        assert counts(app) == before

    def test_a_private_key_is_not_kept(self, app: Flask, alice: FlaskClient, world: World) -> None:
        private = json.dumps(self.pair.as_dict(private=True))
        answer = alice.post(KEYS + "/register", data={"source": "jwk", "jwk": private})
        assert (answer.status_code, "private key" in answer.text) == (422, True)

    def test_an_internal_address_is_not_fetched(self, app: Flask, alice: FlaskClient, world: World) -> None:
        form = {"source": "jwks_uri", "jwks_uri": "http://169.254.169.254/keys"}
        answer = alice.post(KEYS + "/register", data=form)
        assert (answer.status_code, "internal address" in answer.text) == (422, True)


def test_revoking_a_managed_key_makes_another(app: Flask, alice: FlaskClient, world: World) -> None:
    shop = with_secret(app, world.application_id)
    before = shop.token()
    assert alice.post(f"{KEYS}/1/revoke").status_code == 302
    assert not shop.active(before)
    assert shop.active(shop.token())


def test_rotating_a_managed_key_breaks_nothing(app: Flask, alice: FlaskClient, world: World) -> None:
    shop = with_secret(app, world.application_id)
    before = shop.token()
    alice.post(KEYS + "/rotate")
    time.sleep(0.3)
    after = shop.token()
    assert header_of(after)["kid"] != header_of(before)["kid"]
    assert shop.active(before)
    assert shop.active(after)


class TestWhoMayAsk:
    def backend(self, app: Flask, cast: Cast) -> Caller:
        """An application of the team that owns Orders, without a subscription."""
        with app.app_context(), unit_of_work():
            alice = db.session.get_one(Person, cast.alice)
            number = create_application("Orders backend", "", alice.teams[0], by=alice).id
        return with_secret(app, number)

    def test_the_backend_learns_of_every_token_once_it_is_named(
        self, app: Flask, alice: FlaskClient, world: World, cast: Cast
    ) -> None:
        shop, backend = with_secret(app, world.application_id), self.backend(app, cast)
        token = shop.token()
        assert not backend.active(token)
        assert alice.post(KEYS + "/servers", data={"application": "2"}).status_code == 302
        assert backend.active(token)
        assert not shop.active(backend_own := "x.y.z"), backend_own
        alice.post(KEYS + "/servers/2/remove")
        assert not backend.active(token)
        assert trail(app)[-2:] == ["resource_server.named", "resource_server.removed"]

    def test_another_subscriber_learns_nothing(self, app: Flask, world: World, cast: Cast) -> None:
        from console.applications.actions import approve_subscription, subscribe

        shop = with_secret(app, world.application_id)
        with app.app_context(), unit_of_work():
            alice, carol = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.carol)
            rival = create_application("Rival", "", carol.teams[0], by=carol)
            version = db.session.get_one(ApiVersion, world.version_id)
            approve_subscription(subscribe(rival, version, "", by=carol), by=alice)
            number = rival.id
        assert not with_secret(app, number).active(shop.token())

    def test_an_application_of_another_team_cannot_be_named(self, app: Flask, alice: FlaskClient, world: World) -> None:
        assert alice.post(KEYS + "/servers", data={"application": "1"}).status_code == 422
        with app.app_context():
            assert db.session.get_one(Application, 1).team.name == "Shop"


def test_developers_and_auditors_do_not_change_keys(sign_in: SignIn, world: World) -> None:
    for path in ("/register", "/rotate", "/secret", "/servers", "/1/revoke", "/1/prove", "/1/show"):
        assert sign_in("bob").post(KEYS + path).status_code == 403
        assert sign_in("dora").post(KEYS + path).status_code == 403
