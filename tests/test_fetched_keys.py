"""An API that publishes its encryption key at an address of its own: registered, replaced there, gone for a while."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwe, jwk

from console import jobs
from console.credentials.models import EncryptionKey
from console.db import db, now, unit_of_work
from tests.conftest import SignIn, World
from tests.forge import unb64
from tests.programs import free_port
from tests.test_profiles import KEYS, publish
from tests.test_tokens import with_secret

PORT = free_port()
URL = f"http://127.0.0.1:{PORT}/jwks.json"
ALGORITHMS = ["ECDH-ES+A256KW", "A256GCM"]


class Published(BaseHTTPRequestHandler):
    keys: ClassVar[list[dict[str, Any]]] = []

    def do_GET(self) -> None:
        body = json.dumps({"keys": self.keys}).encode() if self.keys else b"not JSON"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def settings() -> dict[str, str]:
    return {"GATEWRIGHT_FETCH_ALLOW": f"127.0.0.1:{PORT}"}


@pytest.fixture(autouse=True)
def site() -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", PORT), Published) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield
        server.shutdown()


def a_pair(kid: str) -> jwk.ECKey:
    pair = jwk.ECKey.generate_key("P-256", private=True)
    Published.keys = [pair.as_dict(private=False) | {"kid": kid, "use": "enc", "alg": "ECDH-ES+A256KW"}]
    return pair


@pytest.fixture
def alice(sign_in: SignIn, world: World) -> FlaskClient:
    return sign_in("alice")


def in_use(app: Flask, alice: FlaskClient, pair: jwk.ECKey) -> None:
    page = alice.post(KEYS + "/register", data={"source": "jwks_uri", "jwks_uri": URL})
    assert page.status_code == 200, page.text
    challenge = re.findall(r'id="challenge"[^>]*>([^<]+)<', page.text)[0]
    with app.app_context():
        number = db.session.query(EncryptionKey).filter_by(source="jwks_uri").one().id
    answer = (jwe.decrypt_compact(challenge, pair, algorithms=ALGORITHMS).plaintext or b"").decode()
    alice.post(f"{KEYS}/{number}/prove", data={"answer": answer})
    assert publish(app, alice, accepts=["encrypted"], key_source="jwks_uri").status_code == 302


def look_again(app: Flask) -> None:
    with app.app_context(), unit_of_work():
        db.session.query(EncryptionKey).update({"fetched_at": now() - timedelta(hours=1)})
    assert "renew_fetched_keys" in jobs.run_due(app, now() + timedelta(minutes=10 * next(MINUTES)))
    with app.app_context():
        app.extensions["gatewright"].checked_at = -1.0


MINUTES = iter(range(1, 1000))


def kid_of(token: str) -> str:
    return str(json.loads(unb64(token.split(".")[0]))["kid"])


def test_a_key_that_is_replaced_there_is_used_without_a_challenge(app: Flask, alice: FlaskClient, world: World) -> None:
    in_use(app, alice, a_pair("first"))
    shop = with_secret(app, world.application_id)
    before = shop.token()
    second = a_pair("second")
    look_again(app)
    after = shop.token()
    assert [kid_of(token) for token in (before, after)] == ["first", "second"]
    assert jwe.decrypt_compact(after, second, algorithms=ALGORITHMS).plaintext
    assert shop.active(before), "the API keeps its old key as long as tokens for it live"


@pytest.mark.parametrize("answer", ["nothing", "another kind"])
def test_what_cannot_be_used_leaves_things_as_they_are(
    app: Flask, alice: FlaskClient, world: World, answer: str
) -> None:
    in_use(app, alice, a_pair("first"))
    other = jwk.RSAKey.generate_key(2048).as_dict(private=False) | {"kid": "rsa", "use": "enc"}
    Published.keys = [] if answer == "nothing" else [other]
    look_again(app)
    assert kid_of(with_secret(app, world.application_id).token()) == "first"


def test_nothing_is_asked_again_at_once(app: Flask, alice: FlaskClient, world: World) -> None:
    in_use(app, alice, a_pair("first"))
    a_pair("second")
    jobs.run_due(app)
    with app.app_context():
        assert db.session.query(EncryptionKey).filter_by(kid="second").count() == 0


def test_a_draft_with_a_key_can_be_discarded(app: Flask, alice: FlaskClient, world: World) -> None:
    from tests.conftest import ORDERS

    text = ORDERS.replace("version: 1.0.0", "version: 2.0.0")
    alice.post("/apis/new", data={"source": "paste", "document": text, "team": "1"})
    a_pair("first")
    draft = "/apis/orders/2.0.0"
    assert alice.post(f"{draft}/keys/register", data={"source": "jwks_uri", "jwks_uri": URL}).status_code == 200
    assert alice.post(f"{draft}/discard").status_code == 302
    with app.app_context():
        assert db.session.query(EncryptionKey).filter_by(source="jwks_uri").count() == 0
