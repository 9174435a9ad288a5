"""Whoever may write to the database, but has not the sealed keys, cannot alter the trail unseen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import delete, select, text, update

from console import create_app, resource
from console.audit import proof
from console.audit.actions import record
from console.audit.checkpoints import KEY, last_checkpoint, look_ahead, public_key, sign, sign_new_entries, verify
from console.audit.models import Action, AuditCheckpoint, AuditEntry
from console.audit.proof import Fault
from console.cli import cli
from console.config import Config, load
from console.credentials.secrets import SealedValue, sealed
from console.db import db, now, unit_of_work
from console.errors import Refused
from console.install import upgrade_databases
from console.jobs import run_due
from console.runtime import runtime
from tests.conftest import SignIn, counts
from tests.homes import SERVER, installed

SIGNED, ENTRIES = 8, 10


def write(count: int, subject: str = "team") -> None:
    for n in range(count):
        record(Action.TEAM_CREATED, None, name=f"{subject} {n}", changes={"name": ["", f"Ünï {n}"], "limit": 2.5})


@pytest.fixture
def kept(app: Flask) -> Flask:
    """Ten entries: four under a first checkpoint, eight under a second, and a tail that none covers yet."""
    with app.app_context():
        for count in (4, 4, 2):
            with unit_of_work():
                write(count)
                if count == 4:
                    sign()
    return app


def test_all_of_it_holds(kept: Flask) -> None:
    with kept.app_context():
        verdict = verify()
        assert (verdict.entries, verdict.checkpoints, verdict.signed, verdict.broken) == (ENTRIES, 2, SIGNED, None)


def entry(place: int) -> AuditEntry:
    return db.session.get_one(AuditEntry, place)


def alter(place: int, **values: Any) -> Callable[[], None]:
    return lambda: db.session.execute(update(AuditEntry).where(AuditEntry.id == place).values(values))  # type: ignore[return-value]


def remove(*places: int) -> Callable[[], None]:
    return lambda: db.session.execute(delete(AuditEntry).where(AuditEntry.id.in_(places)))  # type: ignore[return-value]


def alter_checkpoint(number: int, **values: Any) -> Callable[[], None]:
    return lambda: db.session.execute(  # type: ignore[return-value]
        update(AuditCheckpoint).where(AuditCheckpoint.number == number).values(values)
    )


def remove_checkpoint(number: int) -> Callable[[], None]:
    return lambda: db.session.execute(delete(AuditCheckpoint).where(AuditCheckpoint.number == number))  # type: ignore[return-value]


def values_of(row: Any) -> dict[str, Any]:
    return {c.name: getattr(row, c.name) for c in row.__table__.columns}


def swap() -> None:
    """Two whole entries change places, and their numbers."""
    five, six = values_of(entry(5)), values_of(entry(6))
    alter(5, **six | {"id": 5})()
    alter(6, **five | {"id": 6})()


def renumber() -> None:
    """The third is taken out, and those behind it move up."""
    remove(3)()
    for place in range(4, ENTRIES + 1):
        alter(place, id=place - 1)()


def chain_anew(first: int) -> None:
    """As well as it goes without the sealed key: every public link from ``first`` on is made to fit."""
    before = entry(first - 1).hash
    for place in range(first, ENTRIES + 1):
        db.session.expire_all()
        before = proof.link(before, entry(place).said)
        alter(place, hash=before)()


def forge(place: int) -> Callable[[], None]:
    """An entry is slipped in; those behind it move down and are chained anew."""

    def change() -> None:
        for later in range(ENTRIES, place - 1, -1):
            alter(later, id=later + 1)()
        db.session.add(AuditEntry(**values_of(entry(place - 1)) | {"id": place, "actor": "eve@example.org"}))
        db.session.flush()
        chain_anew(place)

    return change


def alter_and_chain_anew() -> None:
    alter(6, actor="eve@example.org")()
    chain_anew(6)


def alter_the_tail_and_chain_anew() -> None:
    """No checkpoint covers it yet; the sealed key does."""
    alter(10, actor="eve@example.org")()
    chain_anew(10)


def sign_with_another_key(kid: bool) -> Callable[[], None]:
    def change() -> None:
        key, row = proof.Ed25519PrivateKey.generate(), db.session.get_one(AuditCheckpoint, 1)
        if kid:
            row.kid = proof.key_id(proof.public_half(key))
        row.signature = proof.sign(row.said, key)

    return change


def forge_a_checkpoint() -> None:
    last = db.session.get_one(AuditCheckpoint, 2)
    db.session.add(AuditCheckpoint(**values_of(last) | {"number": 3, "entry_id": ENTRIES, "hash": entry(ENTRIES).hash}))


HOUR = timedelta(hours=1)
TAMPERED: dict[str, tuple[Callable[[], None], int, Fault]] = {
    "the subject": (alter(3, subject="x"), 3, Fault.ALTERED),
    "the changes": (alter(3, changes={"name": ["", "x"]}), 3, Fault.ALTERED),
    "the actor": (alter(3, actor="eve@example.org"), 3, Fault.ALTERED),
    "the actor's number": (alter(3, actor_id=7), 3, Fault.ALTERED),
    "the action": (alter(3, action="team.removed"), 3, Fault.ALTERED),
    "the time": (lambda: alter(3, at=entry(3).at + HOUR)(), 3, Fault.ALTERED),
    "the address": (alter(3, address="192.0.2.1"), 3, Fault.ALTERED),
    "the request": (alter(3, request_id="x"), 3, Fault.ALTERED),
    "the session": (alter(3, session="0" * 12), 3, Fault.ALTERED),
    "the session, made to look old": (alter(3, session=None), 3, Fault.ALTERED),
    "the public link": (alter(3, hash="0" * 64), 3, Fault.ALTERED),
    "the sealed link": (alter(3, chain="0" * 64), 3, Fault.INSERTED),
    "an entry, chained anew": (alter_and_chain_anew, 6, Fault.INSERTED),
    "the newest entry": (alter(10, subject="x"), 10, Fault.ALTERED),
    "the newest entry, chained anew": (alter_the_tail_and_chain_anew, 10, Fault.INSERTED),
    "the first is removed": (remove(1), 1, Fault.REMOVED),
    "one is removed": (remove(5), 5, Fault.REMOVED),
    "one is removed, the rest renumbered": (renumber, 3, Fault.REORDERED),
    "two change places": (swap, 5, Fault.REORDERED),
    "one is slipped in": (forge(4), 4, Fault.INSERTED),
    "one is slipped in at the end": (forge(10), 10, Fault.INSERTED),
    "one before the first": (alter(1, id=0), 0, Fault.INSERTED),
    "the tail is cut": (remove(7, 8, 9, 10), 7, Fault.CUT),
    "all entries are gone": (remove(*range(1, 11)), 1, Fault.CUT),
    "the first checkpoint is removed": (remove_checkpoint(1), 5, Fault.CHECKPOINT_REMOVED),
    "the last checkpoint is removed": (remove_checkpoint(2), 9, Fault.CHECKPOINT_REMOVED),
    "a checkpoint's link": (alter_checkpoint(1, hash="0" * 64), 4, Fault.CHECKPOINT_ALTERED),
    "a checkpoint's place": (alter_checkpoint(1, entry_id=6), 4, Fault.CHECKPOINT_ALTERED),
    "a checkpoint's time": (lambda: alter_checkpoint(2, at=now())(), 8, Fault.CHECKPOINT_ALTERED),
    "a checkpoint's signature": (alter_checkpoint(2, signature="A" * 86), 8, Fault.CHECKPOINT_ALTERED),
    "a checkpoint is forged": (forge_a_checkpoint, 10, Fault.CHECKPOINT_ALTERED),
    "a checkpoint of another key": (sign_with_another_key(kid=True), 4, Fault.OTHER_KEY),
    "a checkpoint of another key, under our name": (sign_with_another_key(kid=False), 4, Fault.CHECKPOINT_ALTERED),
    "the key is thrown away": (lambda: _forget_key(), 4, Fault.OTHER_KEY),
}


def _forget_key() -> None:
    db.session.execute(delete(SealedValue).where(SealedValue.name == KEY))
    runtime().sealed.clear()


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_is_found_and_named(kept: Flask, name: str) -> None:
    tamper, place, fault = TAMPERED[name]
    with kept.app_context(), unit_of_work():
        tamper()
    with kept.app_context():
        broken = verify().broken
        assert broken is not None
        assert (broken.entry, broken.fault) == (place, fault), broken.why


def test_another_sealed_value_cannot_stand_for_the_key(kept: Flask) -> None:
    with kept.app_context(), unit_of_work():
        blob = db.session.get_one(SealedValue, "dpop").blob
        db.session.execute(update(SealedValue).where(SealedValue.name == KEY).values(blob=blob))
    with kept.app_context():
        runtime().sealed.clear()
        with pytest.raises(Refused, match="not the one"):
            verify()


def test_entries_of_another_installation_are_found(kept: Flask, empty_home: Path, tmp_path: Path) -> None:
    """Its trail takes the place of ours, checkpoints and all."""
    with installed(tmp_path / "other", empty_home, {"GATEWRIGHT_KEYS": f"x:{'A' * 43}="}) as config:
        other = create_app(config)
        with other.app_context(), unit_of_work():
            db.session.execute(delete(SealedValue))
            write(12)
            sign()
        with other.app_context():
            rows = [values_of(row) for row in db.session.scalars(select(AuditEntry))]
            signed = values_of(last_checkpoint())
            db.session.remove()
            db.engine.dispose()
        other.extensions["gatewright"].logs.dispose()
    with kept.app_context(), unit_of_work():
        for table in (AuditEntry, AuditCheckpoint):
            db.session.execute(delete(table))
        db.session.add_all(AuditEntry(**row) for row in rows)
        db.session.add(AuditCheckpoint(**signed))
    with kept.app_context():
        broken = verify().broken
        assert broken is not None
        assert (broken.entry, broken.fault) == (1, Fault.INSERTED)


class TestSigning:
    def test_a_checkpoint_is_made_when_there_is_something_new(self, kept: Flask) -> None:
        assert "sign_audit_trail" in run_due(kept)
        with kept.app_context():
            last = last_checkpoint()
            assert last is not None
            assert (last.number, last.entry_id) == (3, ENTRIES)
        before = counts(kept)
        assert "sign_audit_trail" in run_due(kept, now() + timedelta(minutes=6))
        assert counts(kept)["audit_checkpoint"] == before["audit_checkpoint"]

    def test_what_comes_between_looking_and_signing_is_signed_too(self, kept: Flask) -> None:
        with kept.app_context():
            ahead = look_ahead()
            with unit_of_work():
                write(1)
            with unit_of_work():
                sign_new_entries(ahead)
            assert (verify().signed, verify().broken) == (ENTRIES + 1, None)

    def test_a_checkpoint_that_comes_between_is_seen(self, kept: Flask) -> None:
        with kept.app_context():
            ahead = look_ahead()
            with unit_of_work():
                write(1)
                sign()
            with unit_of_work():
                write(1)
                sign_new_entries(ahead)
            assert (verify().signed, verify().checkpoints, verify().broken) == (ENTRIES + 2, 4, None)

    def test_an_empty_trail_is_not_signed(self, app: Flask) -> None:
        with app.app_context(), unit_of_work():
            assert sign() is None

    @pytest.mark.parametrize(
        "name", ["the newest entry", "the newest entry, chained anew", "one is slipped in at the end"]
    )
    def test_what_was_forged_is_never_signed(self, kept: Flask, name: str) -> None:
        with kept.app_context(), unit_of_work():
            TAMPERED[name][0]()
        with kept.app_context(), pytest.raises(Refused, match="broken, so it is not signed"), unit_of_work():
            sign()
        assert "sign_audit_trail" not in run_due(kept)
        assert counts(kept)["audit_checkpoint"] == 2

    def test_the_key_is_sealed_and_stays(self, kept: Flask) -> None:
        with kept.app_context():
            blob, public = db.session.get_one(SealedValue, KEY).blob, public_key()
            assert runtime().ring.open(blob, f"sealed_value.blob.{KEY}") == sealed(KEY)
            runtime().sealed.clear()
            assert public_key() == public


def test_a_session_is_told_from_another(app: Flask, sign_in: SignIn) -> None:
    one, two = sign_in("alice"), sign_in("alice")
    for browser in (one, two, one):
        browser.post("/teams", data={"name": f"T{id(browser)}"})
        browser.post("/logout")
    with app.app_context():
        said = [(e.action, e.session) for e in db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]
    sessions = [session for _, session in said]
    assert len(set(sessions)) == 2
    assert {len(str(s)) for s in sessions} == {12}
    assert [action for action, session in said if session == sessions[0]] == [
        "session.opened",
        "team.created",
        "session.ended",
    ]


def test_a_machine_and_the_command_line_have_none(kept: Flask) -> None:
    with kept.app_context():
        assert set(db.session.scalars(select(AuditEntry.session))) == {""}


@pytest.mark.skipif(bool(SERVER), reason="the command line finds SQLite by its home")
def test_the_command_line_names_what_is_wrong(kept: Flask, config: Config) -> None:
    environ = {"GATEWRIGHT_HOME": str(config.home)}
    assert (
        "10 entries, every link holds; checkpoints: 2, signed up to entry 8."
        in CliRunner().invoke(cli, ["audit", "verify"], env=environ).output
    )
    with kept.app_context(), unit_of_work():
        swap()
    said = CliRunner().invoke(cli, ["audit", "verify"], env=environ)
    assert said.exit_code == 1
    assert "broken at entry 5 (reordered)" in str(said.exception)


OLD = "INSERT INTO audit_entry (id, at, actor_id, actor, action, subject_kind, subject_id, subject, changes, address, request_id, chain) VALUES "


@pytest.fixture
def first_release(tmp_path: Path) -> Flask:
    """A trail of the first release, three entries long, brought up to date."""
    from flask_migrate import upgrade

    app = create_app(load({"GATEWRIGHT_HOME": str(tmp_path), "GATEWRIGHT_LOG_LEVEL": "error"}))
    with app.app_context():
        upgrade(directory=str(resource("migrations")), revision="0002")
        sealed("audit")
        db.session.commit()
        with db.engine.begin() as connection:
            for chained in _old_entries():
                connection.execute(text(OLD + chained))
    upgrade_databases(app)
    return app


def _old_entries() -> list[str]:
    """As the first release wrote them, in its own words."""
    import hashlib
    import hmac

    import orjson

    rows, before = [], ""
    for n in (1, 2, 3):
        changes = {"name": ["", f"Ü {n}"], "limit": 0.1}
        said = [
            n,
            f"2026-01-0{n}T10:00:00.000{n}00+00:00",
            None,
            "system",
            "team.created",
            "team",
            "1",
            "T",
            changes,
            "",
            "r",
        ]
        message = before.encode() + orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        before = hmac.new(sealed("audit"), message, hashlib.sha256).hexdigest()
        escaped = orjson.dumps(changes).decode().replace(":", "\\:")
        rows.append(
            f"({n}, '2026-01-0{n} 10\\:00\\:00.000{n}00', NULL, 'system', 'team.created', 'team', '1', 'T', '{escaped}', '', 'r', '{before}')"
        )
    return rows


@pytest.mark.skipif(bool(SERVER), reason="makes a SQLite database of the first release")
class TestAnOldTrail:
    def test_it_goes_on_and_is_signed(self, first_release: Flask) -> None:
        with first_release.app_context(), unit_of_work():
            write(2)
            sign()
        with first_release.app_context():
            verdict = verify()
            assert (verdict.entries, verdict.signed, verdict.broken) == (5, 5, None)

    @pytest.mark.parametrize("values", [{"subject": "x"}, {"chain": "0" * 64}, {"session": ""}, {"hash": ""}])
    def test_it_is_as_well_kept_as_before(self, first_release: Flask, values: dict[str, str]) -> None:
        with first_release.app_context(), unit_of_work():
            write(2)
            alter(2, **values)()
        with first_release.app_context():
            assert verify().broken_at == 2
