"""Client secrets and API keys: made, shown in exactly one answer, revoked. Signing keys rotate."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text, update

from console.config import Config
from console.credentials.models import ApiKey, ClientSecret, SigningKey
from console.credentials.secrets import API_KEY, mint, well_formed
from console.credentials.signing import published_keys, rotate_due_signing_keys, rotate_signing_key
from console.db import Base, db, now, unit_of_work
from console.errors import Refused
from console.web import logging
from tests.conftest import SignIn, World, counts, trail
from tests.homes import SERVER


@pytest.fixture
def bob(sign_in: SignIn, world: World) -> FlaskClient:
    return sign_in("bob")


def shown(page: str, kind: str) -> str:
    pattern = r"eyJ[\w-]+(\.[\w-]+){4}(?=&)" if kind == "jwt" else rf"{kind}_\w{{43}}_\w{{6}}"
    return re.search(pattern, page).group()  # type: ignore[union-attr]


def everything_kept(app: Flask, config: Config) -> bytes:
    """Every byte of the databases: the files with their write-ahead logs, or every row."""
    if not SERVER:
        return b"".join(file.read_bytes() for file in Path(config.home).glob("*.db*"))
    with app.app_context():
        rows = [
            db.session.execute(text(f'SELECT t::text FROM "{table.name}" t')).all()
            for table in Base.metadata.sorted_tables
        ]
    return repr(rows).encode()


class TestShownOnce:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"GATEWRIGHT_LOG_LEVEL": "debug"}

    @pytest.mark.parametrize(
        ("path", "form", "kind"),
        [
            ("secrets", {}, "gws"),
            ("keys/new", {"name": "till"}, "gwk"),
            ("tokens/new", {"version": "1", "lifetime": "5"}, "jwt"),
        ],
    )
    def test_the_text_is_in_one_answer_only(
        self, capfd: pytest.CaptureFixture[str], app: Flask, config: Config, bob: FlaskClient, path: str, form: dict[str, str], kind: str
    ) -> None:  # fmt: skip
        logging.install(config)  # pytest captures setting up and the test apart
        answer = bob.post(f"/applications/1/{path}", data=form | {"once": "1"})
        secret = shown(answer.text, kind)
        assert answer.headers["Cache-Control"] == "no-store"
        again = bob.post(f"/applications/1/{path}", data=form | {"once": "1"}, follow_redirects=True)
        pages = [again, *(bob.get(p) for p in ("/applications/1", "/", "/catalog", "/profile"))]
        assert not any(secret in page.text for page in pages)
        assert secret.encode() not in everything_kept(app, config)
        logged = capfd.readouterr()
        assert '"event": "request"' in logged.err
        assert secret not in logged.err + logged.out

    def test_a_client_at_work_leaves_no_secret_behind(
        self, capfd: pytest.CaptureFixture[str], app: Flask, config: Config, bob: FlaskClient
    ) -> None:
        logging.install(config)
        secret = shown(bob.post("/applications/1/secrets").text, "gws")
        with app.app_context():
            client_id = db.session.scalar(text("SELECT client_id FROM application"))
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        token = app.test_client().post("/oauth/token", data=form).json["access_token"]
        bob.get(f"/login?next=/{secret}")
        kept, logged = everything_kept(app, config), capfd.readouterr().err
        assert not any(text.encode() in kept or text in logged for text in (secret, token))


def test_two_secrets_at_most(app: Flask, bob: FlaskClient) -> None:
    assert [bob.post("/applications/1/secrets").status_code for _ in "123"] == [200, 200, 422]
    assert trail(app).count("secret.created") == 2
    bob.post("/applications/1/secrets/1/revoke")
    assert bob.post("/applications/1/secrets").status_code == 200


def test_revoking_is_done_once(app: Flask, bob: FlaskClient) -> None:
    bob.post("/applications/1/secrets")
    bob.post("/applications/1/keys/new", data={"name": "till"})
    for path in ("secrets/1", "secrets/1", "keys/1", "keys/1"):
        assert bob.post(f"/applications/1/{path}/revoke").status_code == 302
    assert trail(app)[-2:] == ["secret.revoked", "key.revoked"]
    with app.app_context():
        assert db.session.scalars(select(ClientSecret.revoked_at)).one() is not None
        assert db.session.scalars(select(ApiKey.revoked_at)).one() is not None


def test_the_form_sent_twice_makes_one(app: Flask, bob: FlaskClient) -> None:
    for path in ("secrets", "keys/new"):
        assert [bob.post(f"/applications/1/{path}", data={"name": "x", "once": path}).status_code for _ in "12"] == [
            200,
            302,
        ]
    assert (counts(app)["client_secret"], counts(app)["api_key"]) == (1, 1)


@pytest.mark.parametrize(
    "form", [{"name": ""}, {"name": "x" * 81}, {"expires": "2020-01-01"}, {"expires": "soon"}, {"name": "a\x00b"}]
)
def test_impossible_keys_are_refused(app: Flask, bob: FlaskClient, form: dict[str, str]) -> None:
    before = counts(app)
    assert bob.post("/applications/1/keys/new", data={"name": "till"} | form).status_code == 422
    assert counts(app) == before


def test_a_key_expires(app: Flask, bob: FlaskClient) -> None:
    day = (datetime.now(UTC) + timedelta(days=2)).date()
    bob.post("/applications/1/keys/new", data={"name": "till", "expires": str(day)})
    with app.app_context():
        key = db.session.scalars(select(ApiKey)).one()
        assert (key.is_good, key.expires_at.date()) == (True, day)  # type: ignore[union-attr]
        key.expires_at = now()
        assert not key.is_good


@pytest.mark.parametrize("cut", [slice(1, None), slice(None, -1), slice(None, None, -1), slice(0, 0)])
def test_a_mistyped_secret_is_told_without_a_look(app: Flask, cut: slice) -> None:
    with app.app_context():
        text = mint(API_KEY).text
    assert well_formed(text, API_KEY)
    assert not well_formed(text[cut], API_KEY)
    assert not well_formed(text.replace("gwk", "gws"), API_KEY)


def aged(app: Flask, minutes: int) -> None:
    with app.app_context(), unit_of_work():
        db.session.execute(update(SigningKey).values(created_at=now() - timedelta(minutes=minutes)))


def test_rotation_waits_until_verifiers_have_the_next_key(app: Flask, sign_in: SignIn) -> None:
    alice, before = sign_in("alice"), counts(app)
    early = alice.post("/keys/rotate")
    assert (early.status_code, "Verifiers may not have it yet" in early.text) == (409, True)
    assert counts(app) == before
    aged(app, 22)
    assert alice.post("/keys/rotate").status_code == 302
    assert trail(app)[-1] == "signing_key.rotated"
    with app.app_context():
        assert sorted(k.state for k in published_keys() if k.alg == "ES256") == ["active", "next", "retiring"]


def test_a_retired_key_is_wiped(app: Flask) -> None:
    with app.app_context():
        with unit_of_work():
            rotate_signing_key(at_once=True)
            db.session.execute(update(SigningKey).values(retiring_at=now() - timedelta(hours=25)))
        with unit_of_work():
            rotate_due_signing_keys(timedelta(days=30))
        retired = db.session.scalars(select(SigningKey).where(SigningKey.state == "retired")).all()
        assert [key.private_sealed for key in retired] == [""]


def test_a_sealed_value_stays_where_it_belongs(app: Flask) -> None:
    ring = app.extensions["gatewright"].ring
    blob = ring.seal(b"secret", "here")
    assert ring.open(blob, "here") == b"secret"
    for other, place in ((blob, "there"), (blob[:-2] + "AA", "here"), ("v2" + blob[2:], "here"), ("x", "here")):
        with pytest.raises(Refused):
            ring.open(other, place)
