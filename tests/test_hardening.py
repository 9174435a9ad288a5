"""What somebody may send to break the console, or to get further than she should."""

from __future__ import annotations

import base64
import socket
import threading
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from console import mail
from console.accounts import actions, throttle, views
from console.accounts.models import Person
from console.accounts.passwords import hash_password
from console.apis.backends import unreachable
from console.audit.views import cell
from console.config import load
from console.credentials.models import KeyState, SigningKey
from console.credentials.signing import published_keys, rotate_due_signing_keys, rotate_signing_key
from console.db import db, now, unit_of_work
from console.errors import Refused
from console.gateway.agent import Agent, NodeFiles, Rejected
from console.runtime import runtime
from console.web.access import local_path

from .conftest import PASSWORD, Cast, SignIn

SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    "target",
    [
        "/\t/evil.com",
        "/\t\\evil.com",
        "//evil.com",
        "/\\evil.com",
        "https://evil.com",
        "/\n/evil.com",
        "/ /a",
        "",
        None,
    ],
)
def test_nobody_is_led_off_this_site(target: str | None) -> None:
    assert local_path(target) == "/"


def sign_in_as(browser: FlaskClient, email: str, password: str, address: str = "127.0.0.1") -> int:
    form = {"email": email, "password": password}
    return browser.post("/login", data=form, headers=SAME, environ_base={"REMOTE_ADDR": address}).status_code


def test_signing_in_twice_or_out_breaks_nothing(sign_in: SignIn) -> None:
    browser = sign_in("bob")
    assert sign_in_as(browser, "alice@example.org", PASSWORD) == 302
    assert browser.get("/logs").status_code == 200
    assert browser.post("/logout").status_code == 302
    assert browser.get("/logs").status_code == 302


def test_a_very_long_address_is_a_failure_like_any_other(client: FlaskClient, cast: Cast) -> None:
    assert [sign_in_as(client, "a" * 400 + "@example.org", "wrong") for _ in range(7)] == [422] * 5 + [429] * 2


def test_somebody_who_fails_on_purpose_does_not_lock_her_out(client: FlaskClient, cast: Cast) -> None:
    assert sign_in_as(client, "bob@example.org", PASSWORD, "10.0.0.1") == 302
    assert [sign_in_as(client, "bob@example.org", "wrong", "10.6.6.6") for _ in range(6)][-1] == 429
    assert sign_in_as(client, "bob@example.org", PASSWORD, "10.6.6.7") == 429
    assert sign_in_as(client, "bob@example.org", PASSWORD, "10.0.0.1") == 302


def test_many_at_once_do_not_get_past_the_limit(
    app: Flask, client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one password is checked, others fail in other threads."""

    def fail() -> None:
        with app.app_context(), unit_of_work():
            throttle.note_failure("bob@example.org", "10.0.0.1")

    def checked(password: str, stored: str | None) -> bool:
        for _ in range(6):
            other = threading.Thread(target=fail)
            other.start()
            other.join()
        return True

    monkeypatch.setattr(views, "verify_password", checked)
    assert sign_in_as(client, "bob@example.org", "guessed", "10.0.0.1") == 429


def test_nobody_fills_her_mailbox(app: Flask, cast: Cast) -> None:
    with app.app_context(), unit_of_work():
        assert actions.request_password_reset("bob@example.org")
        assert actions.request_password_reset("bob@example.org") is None


def test_a_short_name_may_be_part_of_a_password() -> None:
    assert hash_password("jumping violet horses", email="j@example.org")
    with pytest.raises(Refused):
        hash_password("jumping violet horses", email="violet@example.org")


def test_a_foreign_remember_cookie_is_not_read(sign_in: SignIn, client: FlaskClient) -> None:
    client.set_cookie("remember_token", "1|00")
    assert client.get("/logs").status_code == 302


@pytest.mark.parametrize(
    "value", ["é", "!", "", "YQ==", base64.b64encode(b"\xff:\xff").decode(), base64.b64encode(b"a\x00b:c").decode()]
)
def test_a_bad_basic_header_is_an_unknown_client(client: FlaskClient, cast: Cast, value: str) -> None:
    answer = client.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {value}"}
    )
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_clients_that_cannot_be_are_not_remembered(app: Flask, client: FlaskClient, cast: Cast) -> None:
    for name in ("x" * 60_000, "a\x00b", "a b"):
        form = {"grant_type": "client_credentials", "client_id": name, "client_secret": "x"}
        assert client.post("/oauth/token", data=form).status_code == 401
    with app.app_context():
        assert not [key for key in runtime().memory if key[0] == "client"]


@pytest.mark.parametrize("value", ["", "a", "=1+1", "+1", "-1", "@a", "\ta", "\na"])
def test_a_cell_is_never_a_formula(value: str) -> None:
    assert cell(value) == (value if value in ("", "a") else f"'{value}")


@pytest.mark.parametrize("path", ["/audit/export?format=a%0d%0ab", "/logs/export?format=%22"])
def test_an_export_is_named_by_us(sign_in: SignIn, path: str) -> None:
    answer = sign_in("alice").get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].endswith('.csv"')


HUGE = "9" * 30


@pytest.mark.parametrize(
    "path",
    [
        f"/audit/{HUGE}",
        f"/people/{HUGE}",
        f"/audit?before={HUGE}",
        f"/logs?before={HUGE}",
        f"/logs/{HUGE}",
    ],
)
def test_a_number_that_nothing_has_breaks_nothing(sign_in: SignIn, path: str) -> None:
    assert sign_in("alice").get(path).status_code in (400, 404)


@pytest.mark.parametrize("path", ["/audit?actor=%00", "/logs?path=%00", "/apis/%00/1"])
def test_a_nul_breaks_nothing(sign_in: SignIn, path: str) -> None:
    assert sign_in("alice").get(path).status_code < 500


def test_a_key_stays_published_as_long_as_the_longest_token_lives(app: Flask, cast: Cast) -> None:
    with app.app_context(), unit_of_work():
        first = db.session.query(SigningKey).filter_by(state=KeyState.ACTIVE, alg="ES256").one()
        rotate_signing_key(at_once=True)
        first.retiring_at = now() - timedelta(hours=23)
        rotate_due_signing_keys(timedelta(days=30))
        assert first.kid in {key.kid for key in published_keys()}


def test_a_database_error_says_no_values(app: Flask, cast: Cast) -> None:
    with app.app_context(), pytest.raises(Exception, match="person") as error, unit_of_work():
        db.session.add(Person(email="bob@example.org", name="a", role="admin", password_hash="argon-secret"))
    assert "argon-secret" not in str(error.value)


@pytest.mark.parametrize("port", ["²", "-1", "1" * 5000, "x"])
def test_a_setting_that_is_no_number_is_refused_by_name(port: str) -> None:
    with pytest.raises(Refused, match="GATEWRIGHT_PORT"):
        load({"GATEWRIGHT_PORT": port})


def test_a_host_that_cannot_be_is_unreachable() -> None:
    assert unreachable("http://a..b") is not None


def test_a_bundle_that_cannot_be_read_is_rejected(app: Flask, tmp_path: object) -> None:
    files = NodeFiles(app.extensions["gatewright"].config.home / "node")
    files.save_identity(name="n", console="http://127.0.0.1:9", credential="x")
    with pytest.raises(Rejected, match="cannot read"):
        Agent(files, "127.0.0.1", 22199)._apply(
            {"generation": 1, "issuer": "", "jwks": {}, "revoked": [], "versions": [{}]}
        )


def test_mail_asks_what_the_server_can_before_a_password_is_sent() -> None:
    said: list[str] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as stream:
            stream.write(b"220 here\r\n")
            stream.flush()
            for line in stream:
                said.append(line.decode().split()[0].upper())
                stream.write(
                    b"250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n" if said[-1] == "EHLO" else b"454 not now\r\n"
                )
                stream.flush()
                if said[-1] != "EHLO":
                    return

    with socket.create_server(("127.0.0.1", 22160)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        config = load({"GATEWRIGHT_SMTP_URL": "smtp://user:secret@127.0.0.1:22160"})
        assert mail.send(config, "bob@example.org", "a", "b") is False
        thread.join(5)
    assert said == ["EHLO", "STARTTLS"]
