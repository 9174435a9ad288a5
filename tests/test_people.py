"""People come by set-up link or invitation, get back in by mail, and there is always an admin."""

from __future__ import annotations

import re
import socketserver
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from programs import wait_until
from sqlalchemy import select, update

from console.accounts.actions import make_setup_link
from console.accounts.models import Link, Person
from console.db import db, now, unit_of_work
from tests.conftest import Cast, SignIn, at_once, counts, trail

NEW = {"name": "Erin", "password": "velvet otter tango 9", "again": "velvet otter tango 9"}
ADMIN = NEW | {"email": "erin@example.org"}
ERIN = {"email": "erin@example.org", "role": "developer", "team": "1"}


def path_in(text: str) -> str:
    """The one-time link in a page or a mail, without the host."""
    return re.search(r"/(setup|invitations|password/reset)/gwl_\w+", text).group()  # type: ignore[union-attr]


def invited(browser: FlaskClient, **form: str) -> str:
    return path_in(browser.post("/people/invite", data=ERIN | form).text)


@pytest.fixture
def setup_path(app: Flask) -> str:
    with app.app_context(), unit_of_work():
        return f"/setup/{make_setup_link()}"


def test_the_setup_link_makes_the_first_admin_once(app: Flask, client: FlaskClient, setup_path: str) -> None:
    assert "Create the first admin" in client.get(setup_path).text
    assert client.post(setup_path, data=ADMIN).location == "/"
    assert client.get("/people").status_code == 200
    assert trail(app) == ["admin.created", "session.opened"]
    again = app.test_client().post(setup_path, data=ADMIN | {"email": "eve@example.org"})
    assert "was used already" in again.text
    assert counts(app)["person"] == 1


def test_two_browsers_set_up_one_admin(app: Flask, setup_path: str) -> None:
    def send(email: str) -> int:
        return app.test_client().post(setup_path, data=ADMIN | {"email": email}).status_code

    assert sorted(at_once(lambda: send("erin@example.org"), lambda: send("eve@example.org")))[0] == 302
    assert counts(app)["person"] == 1


def test_a_later_setup_link_ends_the_earlier_one(app: Flask, client: FlaskClient, setup_path: str) -> None:
    with app.app_context(), unit_of_work():
        make_setup_link()
    assert "not valid" in client.get(setup_path).text


@pytest.mark.usefixtures("cast")
def test_nobody_sets_up_what_has_an_admin(app: Flask, client: FlaskClient, setup_path: str) -> None:
    assert "has its first admin already" in client.post(setup_path, data=ADMIN).text
    assert counts(app)["person"] == 4


def test_an_invitation_is_accepted_once(app: Flask, sign_in: SignIn) -> None:
    path, erin = invited(sign_in("alice")), app.test_client()
    assert "invited as developer of Platform" in erin.get(path).text
    assert erin.post(path, data=NEW).location == "/"
    assert erin.get("/catalog").status_code == 200
    assert trail(app)[-3:] == ["person.invited", "person.joined", "session.opened"]
    again = app.test_client().post(path, data=NEW)
    assert (again.status_code, "used already" in again.text) == (409, True)
    assert counts(app)["person"] == 5


def test_an_invitation_used_in_two_browsers_makes_one_person(app: Flask, sign_in: SignIn) -> None:
    path = invited(sign_in("alice"))
    answers = at_once(*[lambda: app.test_client().post(path, data=NEW).status_code] * 3)
    assert sorted(answers)[0] == 302
    assert answers.count(302) == 1
    assert counts(app)["person"] == 5


def test_an_invitation_expires(app: Flask, sign_in: SignIn) -> None:
    path = invited(sign_in("alice"))
    with app.app_context(), unit_of_work():
        db.session.execute(update(Link).values(expires_at=now()))
    answer = app.test_client().post(path, data=NEW)
    assert (answer.status_code, "This link expired on" in answer.text) == (409, True)
    assert counts(app)["person"] == 4


def test_an_invitation_is_withdrawn(app: Flask, sign_in: SignIn) -> None:
    alice = sign_in("alice")
    path = invited(alice)
    with app.app_context():
        number = db.session.scalars(select(Link.id)).one()
    assert alice.post(f"/invitations/{number}/withdraw").status_code == 302
    assert "not valid" in app.test_client().get(path).text
    assert alice.post(f"/invitations/{number}/withdraw").status_code == 404


def test_a_second_invitation_ends_the_first(app: Flask, sign_in: SignIn) -> None:
    alice = sign_in("alice")
    first, second = invited(alice), invited(alice, role="auditor")
    assert app.test_client().get(first).status_code == 409
    assert "as auditor" in app.test_client().get(second).text


@pytest.mark.parametrize(
    "form", [{"email": "bob@example.org"}, {"email": "no address"}, {"role": "owner"}, {"team": "99"}, {"email": ""}]
)
def test_impossible_invitations_are_refused(app: Flask, sign_in: SignIn, form: dict[str, str]) -> None:
    alice, before = sign_in("alice"), counts(app)
    assert alice.post("/people/invite", data=ERIN | form).status_code == 422
    assert counts(app) == before


def test_the_invitation_form_sent_twice_invites_once(app: Flask, sign_in: SignIn) -> None:
    alice = sign_in("alice")
    assert [alice.post("/people/invite", data=ERIN | {"once": "1"}).status_code for _ in "12"] == [200, 302]
    assert (counts(app)["link"], trail(app).count("person.invited")) == (1, 1)


@pytest.mark.parametrize(
    "password", ["short", "password1234", "aaaaaaaaaaaaaaa", "gatewright-12", "erin-erin-erin!", "x" * 201, ""]
)
def test_weak_passwords_are_refused(app: Flask, sign_in: SignIn, password: str) -> None:
    path, before = invited(sign_in("alice")), counts(app)
    answer = app.test_client().post(path, data=NEW | {"password": password, "again": password})
    assert answer.status_code == 422
    assert 'id="password-e1"' in answer.text
    assert counts(app) == before


def test_two_different_passwords_are_refused(app: Flask, sign_in: SignIn) -> None:
    answer = app.test_client().post(invited(sign_in("alice")), data=NEW | {"again": "velvet otter tango 8"})
    assert (answer.status_code, "The two passwords differ." in answer.text) == (422, True)


def eventually(read: Callable[[], str], wanted: str) -> str:
    """What ``read`` has gathered once it holds ``wanted``: mail goes out in the background."""
    text, deadline = "", time.monotonic() + 10
    while wanted not in text and time.monotonic() < deadline:
        text += read()
        time.sleep(0.02)
    assert wanted in text
    return text


def test_a_forgotten_password_is_reset_by_mail(capfd: pytest.CaptureFixture[str], app: Flask, sign_in: SignIn) -> None:
    bob, stranger = sign_in("bob"), app.test_client()
    stranger.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    assert "a link is on its way" in stranger.post("/password/forgot", data={"email": "BOB@example.org"}).text
    path = path_in(eventually(lambda: capfd.readouterr().err, "do nothing."))
    assert stranger.post(path, data=NEW).location == "/login"
    assert "every session of yours has ended" in stranger.get("/login").text
    assert bob.get("/catalog").status_code == 302
    assert trail(app)[-2:] == ["password.reset_sent", "password.changed"]
    assert "used already" in stranger.post(path, data=NEW).text
    assert stranger.post("/login", data={"email": "bob@example.org", "password": NEW["password"]}).location == "/"


def test_a_weak_new_password_leaves_the_link_good(
    capfd: pytest.CaptureFixture[str], app: Flask, client: FlaskClient, cast: Cast
) -> None:
    client.post("/password/forgot", data={"email": "bob@example.org"})
    path = path_in(eventually(lambda: capfd.readouterr().err, "do nothing."))
    assert client.post(path, data={"password": "short", "again": "short"}).status_code == 422
    assert client.post(path, data=NEW).status_code == 302


class TestSmtp:
    """Mail goes to a server that speaks just enough SMTP."""

    @pytest.fixture
    def mailbox(self) -> Iterator[list[str]]:
        arrived: list[str] = []

        class Mailbox(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 hello\r\n")
                while line := self.rfile.readline():
                    verb = line[:4].upper()
                    self.wfile.write(
                        b"354 go on\r\n" if verb == b"DATA" else b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n"
                    )
                    if verb == b"DATA":
                        arrived.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                        self.wfile.write(b"250 taken\r\n")

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.port = server.server_address[1]
            yield arrived
            server.shutdown()

    @pytest.fixture
    def settings(self, mailbox: list[str]) -> dict[str, str]:
        url = f"smtp://127.0.0.1:{self.port}"
        return {"GATEWRIGHT_SMTP_URL": url, "GATEWRIGHT_MAIL_FROM": "console@example.org"}

    def test_an_invitation_is_mailed(self, app: Flask, sign_in: SignIn, mailbox: list[str]) -> None:
        page = sign_in("alice").post("/people/invite", data=ERIN).text
        assert "on its way to erin@example.org" in page
        wait_until(lambda: len(mailbox) > 0, 5)
        assert "From: console@example.org" in mailbox[0]
        assert "To: erin@example.org" in mailbox[0]
        assert path_in(page) in mailbox[0].replace("=\r\n", "")

    def test_a_reset_is_mailed_to_who_exists(self, client: FlaskClient, cast: Cast, mailbox: list[str]) -> None:
        client.post("/password/forgot", data={"email": "nobody@example.org"})
        client.post("/password/forgot", data={"email": "bob@example.org"})
        eventually(lambda: "".join(mailbox), "do nothing.")
        assert [re.search("To: (.*)\r", mail).group(1) for mail in mailbox] == ["bob@example.org"]  # type: ignore[union-attr]


class TestNoMailServer:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"GATEWRIGHT_SMTP_URL": "smtp://127.0.0.1:9"}

    def test_the_invitation_is_there_to_hand_over(self, app: Flask, sign_in: SignIn) -> None:
        page = sign_in("alice").post("/people/invite", data=ERIN).text
        assert "Should it not arrive" in page
        assert app.test_client().get(path_in(page)).status_code == 200


@pytest.mark.parametrize("role", ["developer", "auditor"])
def test_the_last_admin_stays_admin(app: Flask, sign_in: SignIn, cast: Cast, role: str) -> None:
    answer = sign_in("alice").post(f"/people/{cast.alice}", data={"role": role})
    assert (answer.status_code, "Alice is the only admin" in answer.text) == (409, True)
    with app.app_context():
        assert db.session.get_one(Person, cast.alice).role == "admin"


def test_nobody_deactivates_herself(app: Flask, sign_in: SignIn, cast: Cast) -> None:
    alice = sign_in("alice")
    assert "cannot deactivate yourself" in alice.post(f"/people/{cast.alice}/deactivate").text
    assert alice.get("/people").status_code == 200


def test_two_admins_do_not_demote_each_other(app: Flask, sign_in: SignIn, cast: Cast) -> None:
    alice = sign_in("alice")
    alice.post(f"/people/{cast.bob}", data={"role": "admin"})
    bob = sign_in("bob")
    at_once(
        lambda: alice.post(f"/people/{cast.bob}", data={"role": "developer"}),
        lambda: bob.post(f"/people/{cast.alice}", data={"role": "developer"}),
    )
    with app.app_context():
        assert len(db.session.scalars(select(Person).where(Person.role == "admin")).all()) == 1


def test_deactivated_people_come_back(app: Flask, sign_in: SignIn, cast: Cast) -> None:
    alice = sign_in("alice")
    for act in ("deactivate", "deactivate", "reactivate", "reactivate"):
        assert alice.post(f"/people/{cast.bob}/{act}").status_code == 302
    assert trail(app)[-2:] == ["person.deactivated", "person.reactivated"]
    assert sign_in("bob").get("/catalog").status_code == 200


def test_a_team_has_one_name(app: Flask, sign_in: SignIn) -> None:
    alice = sign_in("alice")
    assert alice.post("/teams", data={"name": "Harbour", "once": "1"}).status_code == 302
    assert alice.post("/teams", data={"name": "Harbour", "once": "1"}).status_code == 302
    again = alice.post("/teams", data={"name": "hARBOUR"})
    assert (again.status_code, "There is a team named hARBOUR already." in again.text) == (422, True)
    assert (counts(app)["team"], trail(app).count("team.created")) == (5, 1)


def test_role_and_teams_are_changed(app: Flask, sign_in: SignIn, cast: Cast) -> None:
    form = {"role": "auditor", "teams": ["1", "3"]}
    assert sign_in("alice").post(f"/people/{cast.bob}", data=form).status_code == 302
    with app.app_context():
        bob = db.session.get_one(Person, cast.bob)
        assert (bob.role, [team.name for team in bob.teams]) == ("auditor", ["Freight", "Platform"])
    assert sign_in("bob").get("/applications/new").status_code == 403


def test_people_are_found_letter_by_letter(sign_in: SignIn) -> None:
    alice = sign_in("alice")
    assert "bob@example.org" in alice.get("/people?q=BOB").text
    assert "bob@example.org" not in alice.get("/people?q=%25").text
