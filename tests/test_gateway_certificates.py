"""Mutual TLS at a real Envoy: who has registered a certificate gets in with it, and nobody else."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from enforced import Served, listening, serving
from flask import Flask
from profiled import Echo, answering
from programs import Reply, installation, wait_until
from sqlalchemy import select

from console.accounts.models import Person
from console.applications.models import Application
from console.credentials.certificates import parse_certificate, register_certificate, revoke_certificate
from console.credentials.models import ClientCertificate
from console.db import db, unit_of_work
from console.gateway.bundle import build
from tests.conftest import Cast, SignIn, World, publish_another, subscribed, trail

pytestmark = pytest.mark.envoy


@dataclass(frozen=True)
class Pair:
    """Files of a certificate and its key."""

    certificate: Path
    key: Path

    @property
    def pem(self) -> str:
        return self.certificate.read_text()


def make(
    folder: Path, name: str, days: int = 5, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None
) -> Pair:
    """Self-signed."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(today - timedelta(days=9))
    made = builder.not_valid_after(today + timedelta(days=days)).sign(key, hashes.SHA256())
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    return pair


def call(gateway: Served, version: int, pair: Pair | None = None, **headers: str) -> Reply:
    context = ssl._create_unverified_context()
    if pair:
        context.load_cert_chain(pair.certificate, pair.key)
    connection = http.client.HTTPSConnection("127.0.0.1", gateway.place.port, timeout=10, context=context)
    connection.request(
        "GET", f"/orders/v{version}/nothing", headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    answer = connection.getresponse()
    return Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read().decode())


def word(reply: Reply) -> str:
    return str(json.loads(reply.body).get("type", "")).rpartition(":")[2]


@dataclass
class Shown:
    gateway: Served
    app: Flask
    good: Pair  # registered by Shop, which subscribes to versions 2 and 3

    def again(self) -> None:
        """The node gets the bundle of now."""
        with self.app.app_context():
            said = json.loads(orjson.dumps(build()))  # not what is remembered, which may be 0.25 s old
        self.gateway.revoked = said["revoked"]
        self.gateway.show(*said["versions"])


@pytest.fixture
def shown(app: Flask, cast: Cast, world: World, node: str, tmp_path: Path) -> Iterator[Shown]:
    good = make(tmp_path, "shop")
    with app.app_context(), unit_of_work():
        alice, bob = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.bob)
        application = subscribed(publish_another(alice, 2, ["certificate"]), bob, alice, "Shop 2")
        register_certificate(application, parse_certificate(good.pem), by=bob)
        publish_another(alice, 3, ["certificate", "signed"])
    server = make(tmp_path, "server")
    with answering(Echo) as backend, listening(app) as console:
        tls = (str(server.certificate), str(server.key))
        with serving(app, tmp_path, backend, console=console, credential=node, tls=tls) as gateway:
            shown = Shown(gateway, app, good)
            shown.again()
            yield shown


def test_a_registered_certificate_opens_what_was_subscribed_to(shown: Shown, tmp_path: Path) -> None:
    for _ in range(3):  # asked of the console, then remembered by each worker of Envoy
        found = call(shown.gateway, 2, shown.good)
        assert found.status == 200
        headers = dict(json.loads(found.body))
        assert headers["x-token-jti"] == "cert-1"
        assert "x-forwarded-client-cert" not in headers
    unsubscribed = call(shown.gateway, 3, shown.good)
    assert (unsubscribed.status, "no approved subscription" in unsubscribed.body) == (403, True)
    assert word(call(shown.gateway, 1, shown.good)) == "token_missing"


def test_nobody_else_gets_in(shown: Shown, tmp_path: Path) -> None:
    stranger = make(tmp_path, "shop2")
    assert call(shown.gateway, 2, stranger).status == 401
    assert word(call(shown.gateway, 2)) == "certificate_missing"
    assert word(call(shown.gateway, 3)) == "token_missing"
    pem = shown.good.pem.replace("\n", "")
    for name in ("x_forwarded_client_cert", "x_client_cert", "x_api_key", "x_gatewright_certificate"):
        assert call(shown.gateway, 2, **{name: pem}).status == 401, name
        assert call(shown.gateway, 2, stranger, **{name: pem}).status == 401, name
    with pytest.raises(ssl.SSLError):  # another's certificate, without its key
        call(shown.gateway, 2, Pair(shown.good.certificate, stranger.key))


def test_a_revoked_one_is_refused_although_it_is_remembered(shown: Shown, cast: Cast) -> None:
    assert call(shown.gateway, 2, shown.good).status == 200
    with shown.app.app_context(), unit_of_work():
        row = db.session.scalars(select(ClientCertificate)).one()
        revoke_certificate(row, by=db.session.get_one(Person, cast.bob))
    shown.again()
    assert [call(shown.gateway, 2, shown.good).status for _ in range(6)] == [401] * 6
    assert trail(shown.app)[-1] == "client_certificate.revoked"


def test_an_expired_one_is_refused(shown: Shown) -> None:
    with shown.app.app_context(), unit_of_work():
        db.session.scalars(select(ClientCertificate)).one().expires_at = datetime.now(UTC) - timedelta(seconds=1)
    refused = call(shown.gateway, 2, shown.good)
    assert (refused.status, "expired" in refused.body) == (401, True)


def test_the_log_says_how_the_caller_proved_itself(shown: Shown) -> None:
    from console.logs.segments import tables

    assert call(shown.gateway, 2, shown.good).status == 200

    def kinds() -> list[str]:
        with shown.app.extensions["gatewright"].logs.engine.connect() as connection:
            return [row.credential for t in tables(connection) for row in connection.execute(select(t))]

    wait_until(lambda: kinds() == ["cert"], 10)


class TestRegistering:
    def test_it_is_pasted_shown_and_revoked(self, app: Flask, sign_in: SignIn, world: World, tmp_path: Path) -> None:
        browser, page = sign_in("bob"), f"/applications/{world.application_id}"
        assert browser.get(f"{page}/certificates/new").status_code == 200
        done = browser.post(f"{page}/certificates/new", data={"pem": make(tmp_path, "till").pem})
        assert done.status_code == 302
        assert "CN=till" in browser.get(page).text
        assert sign_in("carol").post(f"{page}/certificates/1/revoke").status_code == 404
        assert browser.post(f"{page}/certificates/1/revoke").status_code == 302
        assert "CN=till" not in browser.get(page).text
        told = [action for action in trail(app) if "certificate" in action]
        assert told == ["client_certificate.registered", "client_certificate.revoked"]

    def test_what_is_refused_says_why(self, app: Flask, sign_in: SignIn, world: World, tmp_path: Path) -> None:
        browser, page = sign_in("bob"), f"/applications/{world.application_id}/certificates/new"
        good, old = make(tmp_path, "till"), make(tmp_path, "old", days=-1)
        weak = make(tmp_path, "weak", key=rsa.generate_private_key(65537, 1024))
        assert browser.post(page, data={"pem": good.pem}).status_code == 302
        for pem, words in (
            ("", "Paste the certificate."), ("hello", "no certificate in PEM"), (good.pem + good.key.read_text(), "private key"),
            (old.pem, "expired"), (weak.pem, "1024 bits"), (good.pem, "registered already"),
        ):  # fmt: skip
            answer = browser.post(page, data={"pem": pem})
            assert (answer.status_code, words in answer.text) == (422, True), words
        assert sign_in("carol").post(page, data={"pem": old.pem}).status_code == 404

    def test_a_revoked_one_may_be_registered_again(self, app: Flask, cast: Cast, world: World, tmp_path: Path) -> None:
        pem = make(tmp_path, "till").pem
        with app.app_context(), unit_of_work():
            bob = db.session.get_one(Person, cast.bob)
            row = register_certificate(db.session.scalars(select(Application)).one(), parse_certificate(pem), by=bob)
            revoke_certificate(row, by=bob)
            register_certificate(db.session.scalars(select(Application)).one(), parse_certificate(pem), by=bob)


def test_up_serves_the_gateway_with_a_certificate_by_settings(tmp_path: Path) -> None:
    server, shop = make(tmp_path, "server"), make(tmp_path, "shop")
    tls = {"GATEWRIGHT_GATEWAY_TLS_CERT": str(server.certificate), "GATEWRIGHT_GATEWAY_TLS_KEY": str(server.key)}
    with installation(tmp_path / "home", **tls) as me:
        assert me.gateway.replace("http:", "https:") in me.said()
        context = ssl.create_default_context(cafile=str(server.certificate))
        context.check_hostname = False
        context.load_cert_chain(shop.certificate, shop.key)
        with urllib.request.urlopen(
            me.gateway.replace("http:", "https:") + "/__gatewright/health", context=context
        ) as found:
            assert found.status == 200
