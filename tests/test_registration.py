"""Who may make an account for herself, and what she gets."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from console import mail
from console.accounts.models import Link, Person, Purpose
from console.accounts.registration import MOST_AN_HOUR, ask_to_register, change_registration
from console.db import db, unit_of_work
from console.errors import Refused
from tests.conftest import Cast, SignIn, counts, trail

PASSWORD = {"name": "Noa Berg", "password": "copper-lantern-otter-9", "again": "copper-lantern-otter-9"}


def admit(app: Flask, cast: Cast, mode: str, *domains: str) -> None:
    with app.app_context(), unit_of_work():
        change_registration(mode, list(domains), by=db.session.get_one(Person, cast.alice))


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would be mailed."""
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr(mail, "send_soon", lambda *letter: sent.append(letter))
    return sent


def test_by_invitation_is_the_beginning(app: Flask, cast: Cast, client: FlaskClient, letters: list[Any]) -> None:
    before = counts(app)
    assert "Create an account" not in client.get("/login").text
    answer = client.post("/register", data={"email": "noa@example.org"})
    assert (answer.status_code, "by invitation" in answer.text) == (422, True)
    assert (counts(app), letters) == (before, [])


def test_whoever_reads_mail_of_a_domain_becomes_a_developer(
    app: Flask, cast: Cast, client: FlaskClient, letters: list[Any]
) -> None:
    admit(app, cast, "domain", "@Example.org")
    assert "Create an account" in client.get("/login").text
    assert client.post("/register", data={"email": "Noa@example.org"}).status_code == 200
    _, to, _, text = letters[0]
    assert to == "noa@example.org"
    path = (
        text.split("localhost:8000")[-1].split("\n")[0]
        if "localhost" in text
        else text.split(":8000")[-1].split("\n")[0]
    )
    assert client.get(path).status_code == 200
    assert client.post(path, data=PASSWORD).location == "/catalog"
    with app.app_context():
        noa = db.session.scalars(select(Person).where(Person.email == "noa@example.org")).one()
        assert (noa.role, [team.name for team in noa.teams]) == ("developer", ["Noa Berg"])
    assert trail(app)[-2:] == ["person.registered", "session.opened"]
    assert client.get("/applications/new").status_code == 200
    assert "used already" in client.get(path).text


def test_other_domains_are_told_which_may(app: Flask, cast: Cast, client: FlaskClient, letters: list[Any]) -> None:
    admit(app, cast, "domain", "example.org")
    for address in ("noa@example.com", "noa@evil-example.org", "noa@sub.example.org"):
        answer = client.post("/register", data={"email": address})
        assert (answer.status_code, "Addresses of example.org may register" in answer.text) == (422, True)
    assert letters == []


def test_it_tells_nobody_who_has_an_account(app: Flask, cast: Cast, client: FlaskClient, letters: list[Any]) -> None:
    admit(app, cast, "open")
    known = client.post("/register", data={"email": "alice@example.org"})
    unknown = client.post("/register", data={"email": "noa@example.net"})
    assert known.text == unknown.text
    assert [letter[1] for letter in letters] == ["noa@example.net"]


def test_nor_does_it_when_too_many_ask(app: Flask, cast: Cast, client: FlaskClient, letters: list[Any]) -> None:
    admit(app, cast, "open")
    with app.app_context(), unit_of_work():
        for number in range(MOST_AN_HOUR):
            assert ask_to_register(f"noa{number}@example.net")
    answers = [
        client.post("/register", data={"email": e}) for e in ("alice@example.org", "noa1@example.net", "x@example.net")
    ]
    assert [answer.status_code for answer in answers] == [422] * 3
    assert all("Too many people" in answer.text for answer in answers)
    assert letters == []


def test_a_mailbox_is_not_filled(app: Flask, cast: Cast, client: FlaskClient, letters: list[Any]) -> None:
    admit(app, cast, "open")
    for _ in range(3):
        assert client.post("/register", data={"email": "noa@example.net"}).status_code == 200
    assert len(letters) == 1


def test_a_link_is_void_when_the_rules_are_changed(app: Flask, cast: Cast, client: FlaskClient) -> None:
    admit(app, cast, "open")
    with app.app_context(), unit_of_work():
        token = ask_to_register("noa@example.net")
    admit(app, cast, "invitation")
    answer = client.post(f"/register/{token}", data=PASSWORD)
    assert (answer.status_code, "by invitation" in answer.text) == (422, True)
    with app.app_context():
        assert db.session.scalars(select(Link).where(Link.purpose == Purpose.REGISTRATION)).one().used_at is None


@pytest.mark.parametrize("domain", ["example", "exa mple.org", "-x.org", "x@y.org", "http://example.org", "ex*.org"])
def test_what_is_no_domain_is_refused(app: Flask, cast: Cast, domain: str) -> None:
    with pytest.raises(Refused, match=r"no mail domain"):
        admit(app, cast, "domain", domain)


def test_only_who_manages_people_changes_it(app: Flask, cast: Cast, sign_in: SignIn) -> None:
    assert sign_in("bob").post("/people/registration", data={"mode": "open"}).status_code == 403
    assert sign_in("dora").post("/people/registration", data={"mode": "open"}).status_code == 403
    assert sign_in("alice").post("/people/registration", data={"mode": "open"}).status_code == 302
    assert trail(app)[-1] == "registration.changed"


def test_one_place_does_not_use_up_what_there_is_for_all(
    app: Flask, cast: Cast, client: FlaskClient, letters: list[Any]
) -> None:
    admit(app, cast, "open")
    statuses = [client.post("/register", data={"email": f"n{i}@example.net"}).status_code for i in range(12)]
    assert statuses == [200] * 10 + [422] * 2
    assert len(letters) == 10
    elsewhere = client.post("/register", data={"email": "noa@example.net"}, environ_base={"REMOTE_ADDR": "192.0.2.9"})
    assert elsewhere.status_code == 200
