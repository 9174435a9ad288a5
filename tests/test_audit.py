"""The trail: one entry for each change, and no way to alter it unseen."""

from __future__ import annotations

import csv
import io
import re

import orjson
import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import delete, select, update

from console.accounts.models import Person
from console.audit.actions import record
from console.audit.checkpoints import verify
from console.audit.models import Action, AuditEntry
from console.cli import cli
from console.config import Config
from console.db import db, unit_of_work
from console.errors import Refused
from tests.conftest import ORDERS, Cast, SignIn, World, at_once, trail
from tests.homes import SERVER


def test_the_story_is_told_step_by_step(app: Flask, sign_in: SignIn) -> None:
    alice, bob = sign_in("alice"), sign_in("bob")
    choices = {
        "backend_url": "http://127.0.0.1:9",
        "gateway_path": "/o",
        "accepts": "signed",
        "lifetime": "5",
        "edits": "1",
    }
    for who, path, form in (
        (alice, "/apis/new", {"source": "paste", "team": "1", "document": ORDERS}),
        (alice, "/apis/orders/1.0.0/publish", choices | {"anyway": "1"}),
        (bob, "/applications/new", {"name": "Shop", "team": "2"}),
        (bob, "/catalog/orders/1.0.0/subscribe", {"application": "1"}),
        (alice, "/subscriptions/1/approve", {}),
        (bob, "/applications/1/secrets", {}),
        (bob, "/applications/1/keys/new", {"name": "till"}),
        (bob, "/applications/1/tokens/new", {"version": "1", "lifetime": "5"}),
        (bob, "/applications/1/keys/1/revoke", {}),
        (bob, "/applications/1/secrets/1/revoke", {}),
        (bob, "/subscriptions/1/close", {}),
        (alice, "/nodes", {"name": "gw-9"}),
        (alice, "/apis/orders/1.0.0/deprecate", {"sunset": "2090-01-01"}),
        (alice, "/apis/orders/1.0.0/retire", {"name": "Orders 1.0.0"}),
    ):
        assert who.post(path, data=form).status_code in (200, 302), path
    assert trail(app, after=2) == [
        "version.imported", "version.published", "application.created", "subscription.requested",
        "subscription.approved", "secret.created", "key.created", "token.issued", "key.revoked", "secret.revoked",
        "subscription.closed", "node.invited", "version.deprecated", "version.retired",
    ]  # fmt: skip


def test_an_entry_says_who_what_and_from_where(app: Flask, sign_in: SignIn, cast: Cast) -> None:
    headers = {"X-Request-Id": "request-0042"}
    sign_in("alice").post(
        "/teams", data={"name": "Harbour"}, headers=headers, environ_base={"REMOTE_ADDR": "203.0.113.9"}
    )
    with app.app_context():
        entry = newest()
        assert (entry.actor_id, entry.actor, entry.action) == (cast.alice, "alice@example.org", "team.created")
        assert (entry.subject_kind, entry.subject) == ("team", "Harbour")
        assert (entry.address, entry.request_id) == ("203.0.113.9", "request-0042")


def newest() -> AuditEntry:
    return db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()


def test_the_chain_holds(app: Flask, world: World) -> None:
    with app.app_context():
        verdict = verify()
        assert (verdict.entries, verdict.broken_at) == (len(trail(app)), None)


ALTERED = [("actor", "eve@example.org"), ("actor_id", 4), ("action", "team.created"), ("subject", "x")]
ALTERED += [("changes", {}), ("address", "x"), ("chain", "0" * 64)]


@pytest.mark.parametrize(("column", "value"), ALTERED)
def test_an_altered_entry_is_found(app: Flask, world: World, column: str, value: object) -> None:
    with app.app_context(), unit_of_work():
        db.session.execute(update(AuditEntry).where(AuditEntry.id == 3).values({column: value}))
    with app.app_context():
        assert verify().broken_at == 3


def test_a_deleted_entry_is_found(app: Flask, world: World) -> None:
    with app.app_context(), unit_of_work():
        db.session.execute(delete(AuditEntry).where(AuditEntry.id == 3))
    with app.app_context():
        assert verify().broken_at == 3


def test_an_inserted_entry_is_found(app: Flask, world: World, cast: Cast) -> None:
    with app.app_context(), unit_of_work():
        last = newest()
        values = {c.name: getattr(last, c.name) for c in AuditEntry.__table__.columns} | {"id": last.id + 1}
        db.session.add(AuditEntry(**values))
    with app.app_context():
        assert verify().broken_at == last.id + 1


def test_changes_at_once_keep_the_chain(app: Flask, cast: Cast) -> None:
    def change(name: str) -> None:
        with app.app_context(), unit_of_work():
            record(Action.TEAM_CREATED, None, by=db.session.get_one(Person, cast.alice), name=name)

    at_once(*[lambda n=n: change(f"team {n}") for n in range(8)])
    with app.app_context():
        assert (verify().entries, verify().broken_at) == (8, None)


def test_what_is_undone_leaves_no_entry(app: Flask, cast: Cast) -> None:
    def change() -> None:
        with app.app_context(), unit_of_work():
            record(Action.TEAM_CREATED, None)
            raise Refused("No.")

    with pytest.raises(Refused):
        change()
    assert trail(app) == []


@pytest.mark.parametrize("name", ["alice", "dora"])
def test_it_is_taken_away_as_csv_and_ndjson(app: Flask, sign_in: SignIn, world: World, name: str) -> None:
    browser = sign_in(name)
    rows = list(csv.DictReader(io.StringIO(browser.get("/audit/export?format=csv").text)))
    lines = [orjson.loads(line) for line in browser.get("/audit/export?format=ndjson").data.splitlines()]
    assert [row["action"] for row in rows][::-1] == trail(app)[:-1]
    assert [line["chain"] for line in lines[1:]] == [row["chain"] for row in rows]
    assert trail(app)[-2:] == ["audit.exported"] * 2


@pytest.mark.parametrize(
    ("query", "count"),
    [("action=session", 1), ("action=session.o", 1), ("action=%25", 0), ("actor=ALICE", 3), ("actor=_", 0)],
)
def test_it_is_searched(sign_in: SignIn, world: World, query: str, count: int) -> None:
    lines = sign_in("dora").get(f"/audit/export?format=ndjson&{query}").data.splitlines()
    assert len(lines) - (b"audit.exported" in b"".join(lines)) == count


def test_long_trails_are_read_page_by_page(app: Flask, sign_in: SignIn) -> None:
    with app.app_context(), unit_of_work():
        for n in range(120):
            record(Action.TEAM_CREATED, None, name=f"team-{n:03}!")
    alice, path, found = sign_in("alice"), "/audit", []
    while path:
        page = alice.get(path).text
        found += re.findall(r"team-(\d{3})!", page)
        older = re.search(r'href="(/audit\?[^"]*before=\d+[^"]*)"', page)
        path = older.group(1).replace("&amp;", "&") if older else ""
    assert found == [f"{n:03}" for n in range(119, -1, -1)]


@pytest.mark.skipif(bool(SERVER), reason="the command line finds SQLite by its home")
def test_the_command_line_proves_it(app: Flask, config: Config, world: World) -> None:
    environ = {"GATEWRIGHT_HOME": str(config.home)}
    said = CliRunner().invoke(cli, ["audit", "verify"], env=environ)
    assert said.output == f"{len(trail(app))} entries, every link holds; checkpoints: 0, not signed yet.\n"
    with app.app_context(), unit_of_work():
        db.session.execute(update(AuditEntry).where(AuditEntry.id == 2).values(actor="eve"))
    broken = CliRunner().invoke(cli, ["audit", "verify"], env=environ).exception
    assert "broken at entry 2" in str(broken)
