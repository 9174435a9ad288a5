"""Sessions live on the server: they rotate, end, and are no use elsewhere. Sign-in slows down who guesses."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from console import create_app
from console.accounts.models import Person, Session, Throttle
from console.audit.models import AuditEntry
from console.config import Config
from console.db import db, now, unit_of_work
from tests.conftest import PASSWORD, Cast, SignIn, counts, trail

COOKIE = "gatewright"
BOB = {"email": "bob@example.org", "password": PASSWORD}
WRONG = {"email": "bob@example.org", "password": "wrong horse battery"}


def sid(browser: FlaskClient, name: str = COOKIE) -> str:
    cookie = browser.get_cookie(name)
    return cookie.value if cookie else ""


def test_signing_in_changes_the_session(client: FlaskClient, cast: Cast) -> None:
    client.post("/theme")
    client.set_cookie(COOKIE, "planted")
    client.post("/login", data=BOB, headers={"Sec-Fetch-Site": "same-origin"})
    first = sid(client)
    assert len(first) > 40
    client.post("/login", data=BOB, headers={"Sec-Fetch-Site": "same-origin"})
    assert sid(client) not in ("planted", first)
    assert client.get("/catalog").status_code == 200


def test_signing_out_ends_the_session_on_the_server(app: Flask, sign_in: SignIn) -> None:
    bob, thief = sign_in("bob"), app.test_client()
    thief.set_cookie(COOKIE, sid(bob))
    assert thief.get("/catalog").status_code == 200
    assert bob.post("/logout").location == "/login"
    assert sid(bob) == ""
    assert thief.get("/catalog").status_code == 302
    assert trail(app)[-1] == "session.ended"


def test_a_session_in_another_browser_is_ended(app: Flask, sign_in: SignIn) -> None:
    bob, thief = sign_in("bob"), app.test_client()
    thief.set_cookie(COOKIE, sid(bob))
    answer = thief.get("/catalog", headers={"User-Agent": "thief"}, follow_redirects=True)
    assert "That session was opened in another browser, so it has been ended." in answer.text
    assert bob.get("/catalog").status_code == 302
    assert trail(app)[-2:] == ["session.opened", "session.stolen"]


def test_a_stolen_session_is_noted_with_the_address_of_the_thief(app: Flask, sign_in: SignIn) -> None:
    bob, thief = sign_in("bob"), app.test_client()
    thief.set_cookie(COOKIE, sid(bob))
    thief.get("/catalog", headers={"User-Agent": "thief"}, environ_base={"REMOTE_ADDR": "203.0.113.9"})
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert (entry.action, entry.subject, entry.address) == ("session.stolen", "Bob", "203.0.113.9")
        assert entry.changes["browser"] == "thief"


def test_deactivation_ends_sessions(sign_in: SignIn, cast: Cast) -> None:
    bob = sign_in("bob")
    assert sign_in("alice").post(f"/people/{cast.bob}/deactivate").status_code == 302
    assert bob.get("/catalog").status_code == 302
    assert bob.post("/login", data=BOB).status_code == 422


def test_a_new_password_ends_the_other_sessions(app: Flask, sign_in: SignIn) -> None:
    here, elsewhere = sign_in("bob"), sign_in("bob")
    form = {"current": PASSWORD, "password": "velvet otter tango 9", "again": "velvet otter tango 9"}
    assert here.post("/profile/password", data=form).status_code == 302
    assert here.get("/catalog").status_code == 200
    assert elsewhere.get("/catalog").status_code == 302
    assert trail(app)[-1] == "password.changed"
    assert elsewhere.post("/login", data=BOB).status_code == 422


def test_all_others_can_be_ended(sign_in: SignIn) -> None:
    here, elsewhere = sign_in("bob"), sign_in("bob")
    assert here.post("/profile/sessions/end").status_code == 302
    assert (here.get("/catalog").status_code, elsewhere.get("/catalog").status_code) == (200, 302)


def test_an_expired_session_is_none(app: Flask, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    with app.app_context(), unit_of_work():
        assert db.session.scalars(select(Session)).one().expires_at - now() > timedelta(hours=11)
        db.session.execute(update(Session).values(expires_at=now()))
    assert bob.get("/catalog").status_code == 302


def test_the_database_does_not_hold_the_cookie(app: Flask, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    with app.app_context():
        row = db.session.scalars(select(Session)).one()
        kept = [str(getattr(row, column.name)) for column in Session.__table__.columns]
    assert len(kept[0]) == 64
    assert not any(sid(bob) in text for text in kept)


def test_the_cookie_is_for_the_server_only(client: FlaskClient, cast: Cast) -> None:
    said = client.post("/login", data=BOB).headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(said)
    assert not any(part.startswith(("Secure", "Domain", "Expires", "Max-Age")) for part in said)


def test_over_https_the_cookie_is_bound_to_the_host(app: Flask, config: Config, cast: Cast) -> None:
    with_https = restarted(config, public_url="https://console.example")
    answer = with_https.test_client().post("/login", data=BOB, base_url="https://console.example")
    said = answer.headers["Set-Cookie"].split("; ")
    assert said[0].startswith("__Host-gatewright=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(said)
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


def restarted(config: Config, **changes: object) -> Flask:
    """The same installation, started with other settings."""
    return create_app(Config(**vars(config) | changes))  # type: ignore[arg-type]


def test_guessing_one_account_has_to_wait(app: Flask, client: FlaskClient, cast: Cast) -> None:
    answers = [client.post("/login", data=WRONG).status_code for _ in range(5)]
    answer = client.post("/login", data=BOB)
    assert (answers, answer.status_code) == ([422] * 5, 429)
    assert "Too many attempts. Try again in 1 s." in answer.text
    assert trail(app) == ["session.refused"] * 5  # remembered although refused


def test_the_wait_doubles_and_ends(app: Flask, client: FlaskClient, cast: Cast) -> None:
    for failures in range(1, 9):
        assert client.post("/login", data=WRONG).status_code == 422, failures
        with app.app_context(), unit_of_work():
            last = db.session.get_one(Throttle, "account bob@example.org")
            wait, last.blocked_until = last.wait(), now()
    assert timedelta(seconds=7) < wait <= timedelta(seconds=8)
    assert client.post("/login", data=BOB).status_code == 302
    with app.app_context():
        assert db.session.get(Throttle, "account bob@example.org") is None


def test_guessing_from_one_address_has_to_wait(app: Flask, cast: Cast) -> None:
    with app.app_context(), unit_of_work():
        db.session.add(Throttle(key="address 203.0.113.9", failures=19, failed_at=now()))
    guesser, neighbour = app.test_client(), app.test_client()
    guesser.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    assert guesser.post("/login", data=WRONG | {"email": "nobody@example.org"}).status_code == 422
    assert guesser.post("/login", data=BOB).status_code == 429
    assert neighbour.post("/login", data=BOB).status_code == 302


def test_nobody_learns_who_has_an_account(app: Flask, client: FlaskClient, cast: Cast) -> None:
    known = client.post("/login", data=WRONG)
    unknown = client.post("/login", data=WRONG | {"email": "nob@example.org"})
    assert known.status_code == unknown.status_code == 422
    assert known.text == unknown.text.replace("nob@", "bob@")
    before = counts(app)["link"]
    mails = [client.post("/password/forgot", data={"email": f"{name}@example.org"}) for name in ("bob", "nobody")]
    assert mails[0].text == mails[1].text
    assert counts(app)["link"] - before == 1


@pytest.mark.parametrize("email", ["x" * 5000, "bob\x00@example.org", "", "' OR 1=1 --"])
def test_whatever_is_typed_is_only_wrong(client: FlaskClient, cast: Cast, email: str) -> None:
    answers = {client.post("/login", data={"email": email, "password": "x" * 5000}).status_code for _ in range(3)}
    assert answers <= {400, 422}


class TestProduction:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"GATEWRIGHT_ENV": "production", "GATEWRIGHT_TRUSTED_PROXIES": "10.0.0.0/8"}

    @pytest.mark.parametrize(
        ("address", "forwarded", "status"),
        [
            ("203.0.113.9", {}, 403),
            ("127.0.0.1", {}, 302),
            ("::1", {}, 302),
            ("10.1.2.3", {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}, 302),
            ("10.1.2.3", {"X-Forwarded-Proto": "http", "X-Forwarded-For": "203.0.113.9"}, 403),
            ("10.1.2.3", {"X-Forwarded-Proto": "https, http"}, 403),
            ("203.0.113.9", {"X-Forwarded-Proto": "https"}, 403),
            ("203.0.113.9", {"X-Forwarded-For": "127.0.0.1"}, 403),
            ("10.1.2.3", {"X-Forwarded-For": "127.0.0.1, 203.0.113.9"}, 403),
        ],
    )
    def test_no_password_goes_over_plain_http(
        self, client: FlaskClient, cast: Cast, address: str, forwarded: dict[str, str], status: int
    ) -> None:
        client.environ_base["REMOTE_ADDR"] = address
        assert client.post("/login", data=BOB, headers=forwarded).status_code == status
        page = client.get("/login", headers=forwarded)
        assert ("GATEWRIGHT_TLS_CERT" in page.text) == (status == 403)

    def test_the_caller_behind_a_proxy_is_the_one_noted(self, app: Flask, client: FlaskClient, cast: Cast) -> None:
        client.environ_base["REMOTE_ADDR"] = "10.1.2.3"
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.66, 203.0.113.9, 10.9.9.9"}
        client.post("/login", data=BOB, headers=headers)
        with app.app_context():
            assert db.session.scalars(select(AuditEntry.address)).one() == "203.0.113.9"
            assert db.session.get_one(Person, cast.bob).signed_in_at is not None
