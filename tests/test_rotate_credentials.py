"""Client secrets and API keys: limits, replacement with an overlap, warnings, and what is found in the open."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from console import jobs, mail
from console.accounts.models import Person
from console.applications.models import Application
from console.credentials import upkeep
from console.credentials.actions import Overlap, Terms, create_key, rotate_key
from console.credentials.limits import is_within, parse_networks
from console.credentials.models import ApiKey, ClientSecret
from console.db import db, now, unit_of_work
from console.errors import Refused
from console.gateway.decisions import CredentialRefused, exchange_key
from console.logs.segments import tables
from console.runtime import runtime
from tests.conftest import Cast, SignIn, World, at_once, trail
from tests.test_logs import a_batch, a_record, push
from tests.test_tokens import Caller, basic, claims_of, with_secret

KEY = re.compile(r"gwk_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}")
SECRET = re.compile(r"gws_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}")


@pytest.fixture
def bob(sign_in: SignIn, world: World) -> FlaskClient:
    return sign_in("bob")


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(mail, "send_soon", lambda config, to, subject, text: sent.append((to, subject)))
    return sent


def fresh() -> None:
    """What a process remembers may be a quarter of a second old."""
    runtime().checked_at = -1.0


def a_key(app: Flask, world: World, cast: Cast, **terms: Any) -> tuple[int, str]:
    with app.app_context(), unit_of_work():
        application = db.session.get_one(Application, world.application_id)
        key, text = create_key(application, Terms("till", **terms), by=db.session.get_one(Person, cast.bob))
        return key.id, text


def works(app: Flask, world: World, text: str, address: str = "127.0.0.1") -> bool:
    with app.app_context():
        fresh()
        try:
            return bool(exchange_key(text, world.audience, address).signed)
        except CredentialRefused:
            return False


@pytest.mark.parametrize(
    ("overlap", "minutes_later"), [("now", None), ("1h", 61), ("24h", 24 * 60 + 1), ("7d", 7 * 24 * 60 + 1)]
)
def test_both_are_good_until_the_overlap_ends(
    app: Flask, bob: FlaskClient, world: World, cast: Cast, overlap: str, minutes_later: int | None
) -> None:
    number, old = a_key(app, world, cast)
    page = bob.post(f"/applications/1/keys/{number}/rotate", data={"overlap": overlap})
    new = KEY.search(page.text)
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")
    assert new
    assert works(app, world, new[0])
    assert works(app, world, old) is (minutes_later is not None)
    assert trail(app)[-1] == "key.rotated"
    if minutes_later:
        with app.app_context():
            ends = db.session.get_one(ApiKey, number).expires_at
            assert ends is not None
            assert abs((ends - now()).total_seconds() / 60 - minutes_later) < 3


def test_one_that_was_replaced_is_not_replaced_again(app: Flask, bob: FlaskClient, world: World, cast: Cast) -> None:
    number, _ = a_key(app, world, cast)
    assert bob.post(f"/applications/1/keys/{number}/rotate", data={"overlap": "7d"}).status_code == 200
    again = bob.post(f"/applications/1/keys/{number}/rotate", data={"overlap": "7d"})
    assert (again.status_code, "was replaced already" in again.text) == (422, True)


def test_a_secret_is_replaced_without_a_gap(app: Flask, bob: FlaskClient, world: World) -> None:
    shop = with_secret(app, world.application_id)
    page = bob.post("/applications/1/secrets/1/rotate", data={"overlap": "24h"})
    new = SECRET.search(page.text)
    assert new
    time.sleep(0.3)
    for secret in (shop.secret, new[0]):
        assert Caller(shop.browser, shop.client_id, secret).post().status_code == 200


def test_an_idle_one_ends_when_the_logs_show_it(app: Flask, node: str, world: World, cast: Cast) -> None:
    number, old = a_key(app, world, cast)
    with app.app_context(), unit_of_work():
        key = db.session.get_one(ApiKey, number)
        rotate_key(key, Overlap.IDLE, by=db.session.get_one(Person, cast.bob))
        key.replaced_at = now() - timedelta(hours=25)
    push(app, node, a_batch(a_record(client_id=world.client_id, jti=f"key-{number}", path="/orders/v1/orders")))
    with app.app_context(), unit_of_work():
        upkeep.end_idle_credentials()
    assert works(app, world, old), "the log shows a call of a moment ago"
    with app.app_context(), unit_of_work():
        db.session.get_one(ApiKey, number).used_at = None
    with app.app_context():
        clear_logs()
        with unit_of_work():
            upkeep.end_idle_credentials()
    assert not works(app, world, old)


def clear_logs() -> None:
    with runtime().logs.writing() as connection:
        for t in tables(connection):
            connection.execute(t.delete())


def test_scopes_and_networks_limit_a_key(app: Flask, world: World, cast: Cast) -> None:
    _, text = a_key(app, world, cast, scopes=("orders:read",), networks=("10.0.0.0/8", "192.0.2.7/32"))
    assert not works(app, world, text, "203.0.113.9")
    assert works(app, world, text, "192.0.2.7")
    with app.app_context():
        decision = exchange_key(text, world.audience, "10.1.2.3")
        assert decision.is_for_address
        assert claims_of(decision.signed)["scope"] == "orders:read"


def test_scopes_and_networks_limit_a_secret(app: Flask, bob: FlaskClient, world: World) -> None:
    form = {"name": "nightly", "scopes": "orders:read", "networks": "127.0.0.1"}
    text = SECRET.search(bob.post("/applications/1/secrets", data=form).text)
    assert text
    near = Caller(app.test_client(), world.client_id, text[0])
    assert near.post().json["scope"] == "orders:read"
    assert near.post(scope="orders:write").json["error"] == "invalid_scope"
    far = near.browser.post(
        "/oauth/token",
        data={"grant_type": "client_credentials"},
        headers=basic(near.client_id, near.secret),
        environ_base={"REMOTE_ADDR": "203.0.113.9"},
    )
    assert (far.status_code, far.json["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("text", ["10.0.0.0/33", "everywhere", "10.0.0.1/8", "1.2.3", "::/129"])
def test_what_is_no_network_is_named(bob: FlaskClient, text: str) -> None:
    answer = bob.post("/applications/1/secrets", data={"networks": text})
    assert (answer.status_code, f"{text} is no network" in answer.text) == (422, True)


def test_an_address_is_compared_as_it_is() -> None:
    assert parse_networks("10.0.0.0/8, 2001:db8::/32 10.0.0.0/8") == ["10.0.0.0/8", "2001:db8::/32"]
    assert is_within("::ffff:10.2.3.4", ("10.0.0.0/8",))
    assert not is_within("", ("10.0.0.0/8",))
    assert not is_within("2001:db8::1", ("10.0.0.0/8",))
    assert is_within("anything", ())
    with pytest.raises(Refused):
        parse_networks(" ".join(f"10.0.0.{i}" for i in range(30)))


def test_the_team_is_warned_thirty_seven_and_one_days_ahead(
    app: Flask, world: World, cast: Cast, mails: list[tuple[str, str]]
) -> None:
    number, _ = a_key(app, world, cast, expires_at=now() + timedelta(days=40))

    def warned(days: float) -> int:
        with app.app_context(), unit_of_work():
            db.session.get_one(ApiKey, number).expires_at = now() + timedelta(days=days)
        before = len(mails)
        for _ in "12":  # a second look says nothing new
            with app.app_context(), unit_of_work():
                upkeep.warn_of_expiry()
        return len(mails) - before

    assert [warned(days) for days in (40, 29, 20, 6.5, 3, 0.9, 0.5)] == [0, 1, 0, 1, 0, 1, 0]
    assert {to for to, _ in mails} == {"bob@example.org"}
    assert "till ends in 7 days" in mails[1][1]


class TestLeaks:
    def test_the_owner_learns_what_it_opens(self, app: Flask, bob: FlaskClient, world: World, cast: Cast) -> None:
        _, text = a_key(app, world, cast)
        page = bob.post("/leaks", data={"credential": f"  {text}\n"})
        assert page.headers["Cache-Control"] == "no-store"
        for said in (
            "API key of Shop",
            "It works now",
            "Orders 1.0.0",
            "orders:read",
            "/keys/1/revoke",
            "/keys/1/rotate",
        ):
            assert said in page.text, said
        assert text not in page.text

    def test_a_stranger_learns_nothing(self, app: Flask, sign_in: SignIn, world: World, cast: Cast) -> None:
        _, text = a_key(app, world, cast)
        page = sign_in("carol").post("/leaks", data={"credential": text})
        assert "Nothing of yours" in page.text
        assert "Shop" not in page.text.split("<main")[1]

    def test_an_auditor_sees_and_changes_nothing(self, app: Flask, sign_in: SignIn, world: World, cast: Cast) -> None:
        _, text = a_key(app, world, cast)
        page = sign_in("dora").post("/leaks", data={"credential": text})
        assert "API key of Shop" in page.text
        assert "/keys/1/revoke" not in page.text

    def test_a_typo_is_told_without_a_look(self, app: Flask, bob: FlaskClient, world: World, cast: Cast) -> None:
        _, text = a_key(app, world, cast)
        assert "checksum does not hold" in bob.post("/leaks", data={"credential": text[:-1] + "!"}).text

    def test_a_scanner_reports_and_the_team_is_told_once(
        self, app: Flask, client: FlaskClient, world: World, cast: Cast, mails: list[tuple[str, str]]
    ) -> None:
        number, text = a_key(app, world, cast)
        assert [client.post("/leaks/report", data={"credential": text}).json for _ in "12"] == [{"reported": True}] * 2
        assert mails == [("bob@example.org", "API key of Shop found in the open")]
        assert trail(app)[-1] == "credential.leaked"
        with app.app_context():
            assert db.session.get_one(ApiKey, number).leaked_at

    @pytest.mark.parametrize("text", ["", "gwk_x", "x" * 300])
    def test_a_report_of_nothing_of_ours_says_so(self, client: FlaskClient, text: str) -> None:
        answer = client.post("/leaks/report", data={"credential": text})
        assert answer.json.get("reported", False) is False
        assert answer.status_code == (200 if text else 400)

    def test_a_reported_one_waits_on_the_first_page(
        self, app: Flask, sign_in: SignIn, bob: FlaskClient, client: FlaskClient, world: World, cast: Cast
    ) -> None:
        _, text = a_key(app, world, cast)
        client.post("/leaks/report", data={"credential": text})
        for browser in (bob, sign_in("alice")):
            assert "was found in the open" in browser.get("/").text


def test_a_job_is_done_once_whoever_comes_first(app: Flask, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    job = jobs.Job("count", timedelta(minutes=5), lambda: done.append(1))
    monkeypatch.setattr(jobs, "jobs", lambda: (job,))
    at_once(*[lambda: jobs.run_due(app)] * 6)
    assert done == [1]
    assert jobs.run_due(app, now() + timedelta(minutes=6)) == ["count"]
    assert done == [1, 1]


def test_a_job_that_breaks_is_undone_and_stops_no_other(
    app: Flask, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        db.session.get_one(Person, cast.bob).name = "Nobody"
        db.session.flush()
        raise RuntimeError("broken")

    pair = (jobs.Job("bad", timedelta(), broken), jobs.Job("good", timedelta(), lambda: None))
    monkeypatch.setattr(jobs, "jobs", lambda: pair)
    assert jobs.run_due(app) == ["good"]
    with app.app_context():
        assert db.session.get_one(Person, cast.bob).name == "Bob"
        assert db.session.get(jobs.JobRun, "bad") is None


def test_every_job_runs_on_a_filled_installation(app: Flask, world: World) -> None:
    assert jobs.run_due(app) == [job.name for job in jobs.jobs()]


def test_use_of_a_secret_is_noted_to_the_hour(app: Flask, world: World) -> None:
    shop = with_secret(app, world.application_id)
    shop.post()
    with app.app_context():
        used = db.session.get_one(ClientSecret, 1).used_at
    shop.post()
    with app.app_context():
        assert db.session.get_one(ClientSecret, 1).used_at == used is not None
