"""What seals secrets, and the keys that sign: states, revocation, a new key-encryption key, a wrong one."""

from __future__ import annotations

import base64
import os
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select, text

from console import create_app
from console.cli import cli
from console.config import load
from console.credentials.algorithms import PUBLISHED_SIGNING
from console.credentials.models import EncryptionKey, KeyState, SigningKey
from console.credentials.rewrap import rewrap
from console.credentials.seal import Ring, ring
from console.credentials.signing import jwks, published_keys, rotate_signing_key
from console.db import db, unit_of_work
from console.errors import Refused
from console.install import check_keys, upgrade_databases
from console.runtime import runtime
from console.tokens.verify import InvalidToken, verify
from tests.conftest import SignIn, World, trail
from tests.forge import b64
from tests.homes import SERVER
from tests.test_tokens import with_secret


def a_key(seed: int) -> str:
    return base64.b64encode(bytes([seed]) * 32).decode()


def states(app: Flask, alg: str = "ES256") -> list[str]:
    with app.app_context():
        return sorted(key.state for key in published_keys() if key.alg == alg)


def test_two_keys_of_each_algorithm_are_published(app: Flask) -> None:
    with app.app_context():
        published = [str(key["alg"]) for key in jwks()["keys"]]
    assert sorted(published) == sorted([*PUBLISHED_SIGNING, *PUBLISHED_SIGNING])


@pytest.mark.parametrize("state", ["active", "next", "retiring"])
def test_a_revoked_key_is_gone_at_once(app: Flask, sign_in: SignIn, world: World, state: str) -> None:
    shop = with_secret(app, world.application_id)
    token = shop.token()
    with app.app_context():
        if state == "retiring":
            with unit_of_work():
                rotate_signing_key(at_once=True)
        kid = next(key.kid for key in published_keys() if key.alg == "ES256" and key.state == state)
    assert sign_in("alice").post(f"/keys/{kid}/revoke").status_code == 302
    assert states(app) == ["active", "next"]
    with app.app_context():
        revoked = db.session.get_one(SigningKey, kid)
        assert (revoked.state, revoked.private_sealed) == (KeyState.REVOKED, "")
    assert shop.active(token) is (state == "next")
    assert kid not in shop.browser.get("/.well-known/jwks.json").text
    assert "signing_key.revoked" in trail(app)


def test_an_auditor_sees_the_keys_and_changes_none(app: Flask, sign_in: SignIn, world: World) -> None:
    dora = sign_in("dora")
    page = dora.get("/keys")
    assert (page.status_code, "Revoke this key" in page.text) == (200, False)
    with app.app_context():
        kid = published_keys()[0].kid
    assert dora.post(f"/keys/{kid}/revoke").status_code == dora.post("/keys/rotate").status_code == 403


def test_no_private_key_is_in_the_database(app: Flask, world: World) -> None:
    """Nor anything that looks like one, in any column."""
    with app.app_context():
        rows = [
            str(tuple(r))
            for table in ("signing_key", "encryption_key")
            for r in db.session.execute(text(f"SELECT * FROM {table}"))
        ]
    assert rows
    for row in rows:
        assert '"d"' not in row
        assert '"k"' not in row


def test_a_new_key_encryption_key_takes_over(app: Flask, world: World) -> None:
    with app.app_context():
        me = runtime()
        old = dict(load_keys(me.config.home / "keys"))
        me.ring = Ring({"k2": bytes(32), **old})
        with unit_of_work():
            count = rewrap()
        assert count >= 3 + 8 + 1  # sealed values, signing keys, the encryption key
        me.ring = Ring({"k2": bytes(32)})  # the old one is gone
        me.sealed.clear(), me.parsed.clear()
        check_keys()
        for row in db.session.scalars(select(SigningKey)):
            assert me.ring.open(row.private_sealed, f"signing_key.private.{row.kid}")
        for box in db.session.scalars(select(EncryptionKey)):
            assert me.ring.open(box.private_sealed, f"encryption_key.private.{box.kid}")
        with unit_of_work():
            assert rewrap() == 0
    assert "secrets.rewrapped" in trail(app)


def load_keys(file: Path) -> dict[str, bytes]:
    from console.credentials.seal import parse

    return parse(file.read_text())


def test_a_wrong_key_is_noticed_at_the_start(app: Flask, world: World) -> None:
    with app.app_context():
        me = runtime()
        me.ring = Ring({"k1": b"x" * 32})
        me.sealed.clear()
        with pytest.raises(Refused, match="not the one this installation was sealed with"):
            check_keys()
        me.ring = Ring({"other": b"x" * 32})
        with pytest.raises(Refused, match="lacks the key 'k1'"):
            check_keys()


class TestWhereTheKeyIs:
    def production(self, tmp_path: Path, **settings: str) -> Ring:
        return ring(load({"GATEWRIGHT_HOME": str(tmp_path), "GATEWRIGHT_ENV": "production"} | settings))

    def test_production_needs_one(self, tmp_path: Path) -> None:
        with pytest.raises(Refused, match="openssl rand"):
            self.production(tmp_path)

    def test_from_the_environment(self, tmp_path: Path) -> None:
        sealed = self.production(tmp_path, GATEWRIGHT_KEYS=f"a:{a_key(1)}").seal(b"x", "here")
        assert self.production(tmp_path, GATEWRIGHT_KEYS=f"b:{a_key(2)},a:{a_key(1)}").open(sealed, "here") == b"x"

    def test_from_a_file_that_nobody_else_reads(self, tmp_path: Path) -> None:
        file = tmp_path / "ring"
        with pytest.raises(Refused, match="is not there"):
            self.production(tmp_path, GATEWRIGHT_KEYS_FILE=str(file))
        file.write_text(f"a:{a_key(1)}")
        file.chmod(0o644)
        with pytest.raises(Refused, match="Others may read"):
            self.production(tmp_path, GATEWRIGHT_KEYS_FILE=str(file))
        file.chmod(0o400)
        assert self.production(tmp_path, GATEWRIGHT_KEYS_FILE=str(file)).wrapper.primary == "a"

    def test_from_a_key_management_service(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "their_kms.py").write_text(
            textwrap.dedent("""
            from console.credentials.seal import LocalKeys

            class Kms(LocalKeys):
                calls = []

                def wrap(self, data_key, context):
                    self.calls.append(context)
                    return super().wrap(data_key, context)

            def make():
                return Kms({"remote": bytes(32)})
            """)
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        made = self.production(tmp_path, GATEWRIGHT_KEYS_KMS="their_kms:make")
        assert made.open(made.seal(b"x", "here"), "here") == b"x"
        assert sys.modules["their_kms"].Kms.calls == [b"here"]

    @pytest.mark.parametrize("name", ["nothing:make", "os:nothing", "os", "os:getcwd"])
    def test_a_service_that_cannot_be_loaded_is_named(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(Refused, match=r"GATEWRIGHT_KEYS_KMS|needs primary"):
            self.production(tmp_path, GATEWRIGHT_KEYS_KMS=name)


def test_the_command_line_rewraps_and_rotates(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    config = app.extensions["gatewright"].config
    monkeypatch.setenv("GATEWRIGHT_HOME", str(config.home))
    monkeypatch.setenv("GATEWRIGHT_DATABASE_URL", config.database_url)
    monkeypatch.setenv("GATEWRIGHT_LOGS_URL", config.logs_url)
    monkeypatch.setenv("GATEWRIGHT_KEYS", f"k2:{a_key(9)},{(config.home / 'keys').read_text()}")
    said = CliRunner().invoke(cli, ["keys", "rewrap"])
    assert said.exit_code == 0, said.output
    assert "are sealed under the first key now" in said.output
    said = CliRunner().invoke(cli, ["keys", "rotate", "--alg", "RS256", "--at-once"])
    assert "signs now" in said.output
    assert states(app, "RS256") == ["active", "next", "retiring"]


@pytest.mark.skipif(bool(SERVER), reason="makes a SQLite database of the first release")
def test_an_installation_of_the_first_release_keeps_its_keys(tmp_path: Path) -> None:
    """0001 to 0002: keys, secrets and tokens go on."""
    from flask_migrate import upgrade

    from console import resource

    app = create_app(load({"GATEWRIGHT_HOME": str(tmp_path), "GATEWRIGHT_LOG_LEVEL": "error"}))
    with app.app_context():
        upgrade(directory=str(resource("migrations")), revision="0001")
        blob = runtime().ring.seal(b"{}", "encryption_key.private.kid-1")
        with db.engine.begin() as connection:
            for statement in (
                "INSERT INTO team VALUES (1, 'T', '2026-01-01')",
                "INSERT INTO api (id, slug, name, summary, team_id, created_at) VALUES (1, 'a', 'A', '', 1, '2026-01-01')",
                "INSERT INTO api_version (id, api_id, version, state, source, document, operations, scopes, backend_url, accepts, "
                "audience, token_lifetime_s, created_at, revision, generation, edits, deprecation_note) VALUES "
                "(1, 1, '1', 'published', '', '{}', 1, '[]', '', '[\"encrypted\"]', 'aud', 900, '2026-01-01', 1, 1, 1, '')",
                "INSERT INTO application (id, team_id, name, description, client_id, created_at) VALUES (1, 1, 'x', '', 'app-1', '2026-01-01')",
                "INSERT INTO client_secret (id, application_id, digest, hint, created_at) VALUES (1, 1, 'd', 'h', '2026-01-01')",
                f"INSERT INTO encryption_key VALUES ('kid-1', 1, 'ECDH-ES+A256KW', 'A256GCM', '{{}}', '{blob}', '2026-01-01')",
            ):
                connection.exec_driver_sql(statement)
    upgrade_databases(app)
    with app.app_context():
        key = db.session.scalars(select(EncryptionKey)).one()
        assert (key.kid, key.state, key.source, key.enc) == ("kid-1", "active", "managed", "A256GCM")
        assert runtime().ring.open(key.private_sealed, "encryption_key.private.kid-1") == b"{}"
        row = db.session.execute(text("SELECT signing_alg, dpop FROM api_version")).one()
        assert tuple(row) == ("ES256", "optional")
        assert db.session.execute(text("SELECT scopes, networks, name FROM client_secret")).one() == ("[]", "[]", "")


def test_a_key_of_no_installation_verifies_nothing(app: Flask, world: World) -> None:
    with app.app_context(), pytest.raises(InvalidToken):
        verify(f"{b64({'alg': 'ES256', 'kid': 'x', 'typ': 'at+jwt'})}.{b64({})}.{b64(os.urandom(64))}")
