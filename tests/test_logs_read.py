"""Who opens a record of another team's calls is in the trail: once for each application and hour."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from console.audit.checkpoints import verify
from console.audit.models import AuditEntry
from console.db import db, now, unit_of_work
from console.logs import reading
from console.logs.store import record
from tests.conftest import Cast, SignIn, World, at_once, trail
from tests.rest import Rest, make_token
from tests.test_logs import a_batch, a_record, push, stored


@pytest.fixture
def records(app: Flask, node: str, world: World) -> list[int]:
    """Two calls of Bob's application, one of a caller we do not know, one of a path that no API has."""
    known = {"client_id": world.client_id}
    push(app, node, a_batch(*[a_record(**v) for v in (known, known, {}, {"version": "0", "path": "/nobody"})]))  # type: ignore[arg-type]
    return stored(app, record.c.id)


def read(app: Flask) -> list[Any]:
    with app.app_context():
        query = select(AuditEntry).where(AuditEntry.action == "logs.read").order_by(AuditEntry.id)
        return list(db.session.scalars(query))


def test_reading_another_teams_record_is_an_entry(app: Flask, sign_in: SignIn, records: list[int]) -> None:
    came_from = {"HX-Current-URL": "http://localhost/logs?status=4xx&path=/orders&other=x&api="}
    assert sign_in("dora").get(f"/logs/{records[0]}", headers=came_from).status_code == 200
    entry = read(app)[0]
    assert (entry.actor, entry.subject_kind, entry.subject) == ("dora@example.org", "application", "Shop")
    assert entry.changes == {"record": str(records[0]), "filters": {"status": "4xx", "path": "/orders"}}
    assert len(entry.session) == 12


def test_it_is_one_entry_for_each_application_and_hour(
    app: Flask, sign_in: SignIn, records: list[int], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dora, alice = sign_in("dora"), sign_in("alice")
    for browser in (dora, dora, alice):
        for number in records:
            assert browser.get(f"/logs/{number}").status_code == 200
    assert dora.get(f"/applications/{world.application_id}/logs/{records[1]}").status_code == 200
    said = [(e.actor[:4], e.subject_kind) for e in read(app)]
    kinds = ["application", "api_version", "installation"]
    # the API is of Alice's own team, and so are the calls of whoever is unknown to it
    assert said == [*[("dora", kind) for kind in kinds], ("alic", "application"), ("alic", "installation")]
    monkeypatch.setattr(reading, "now", lambda: now() + timedelta(hours=1))
    dora.get(f"/logs/{records[0]}")
    assert len(read(app)) == 6


def test_so_is_reading_them_by_program(app: Flask, cast: Cast, records: list[int]) -> None:
    """A page of records shows whole ones there: an entry for each application or API that it holds calls of."""
    dora = Rest(app, make_token(app, cast.dora))
    for _ in range(2):
        assert len(dora.get("/log-records?range=24h").json["items"]) == len(records)
    said = {(e.actor[:4], e.subject_kind, e.subject) for e in read(app)}
    whose = {("application", "Shop"), ("api_version", "Orders 1.0.0"), ("installation", "request logs")}
    assert said == {("dora", *one) for one in whose}
    assert len(read(app)) == 3


def test_ones_own_calls_are_no_entry(app: Flask, sign_in: SignIn, records: list[int], world: World) -> None:
    before = len(trail(app))
    bob = sign_in("bob")
    assert bob.get(f"/applications/{world.application_id}/logs/{records[0]}").status_code == 200
    assert len(trail(app)) == before + 1  # her sign-in


def test_lists_and_what_is_not_there_are_no_entries(app: Flask, sign_in: SignIn, records: list[int]) -> None:
    dora = sign_in("dora")
    assert (dora.get("/logs").status_code, dora.get("/logs/1").status_code) == (200, 404)
    assert read(app) == []


def test_opened_at_once_it_is_one_entry(app: Flask, sign_in: SignIn, records: list[int]) -> None:
    dora = [sign_in("dora") for _ in range(4)]
    assert {a.status_code for a in at_once(*[lambda b=b: b.get(f"/logs/{records[0]}") for b in dora])} == {200}
    assert len(read(app)) == 1
    with app.app_context():
        assert verify().broken is None


def test_it_never_fails_the_page(
    app: Flask, sign_in: SignIn, records: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no room")

    dora = sign_in("dora")
    monkeypatch.setattr(reading, "record", fail)
    answer = dora.get(f"/logs/{records[0]}")
    assert (answer.status_code, "Caller" in answer.text) == (200, True)
    assert read(app) == []


@pytest.mark.parametrize("referrer", ["http://[", "/logs?" + "path=x&" * 500, "http://localhost/audit?path=/x", "\x00"])
def test_a_strange_referrer_breaks_nothing(app: Flask, sign_in: SignIn, records: list[int], referrer: str) -> None:
    answer = sign_in("dora").get(f"/logs/{records[0]}", headers={"Referer": referrer})
    assert answer.status_code == 200
    assert len(read(app)) == 1


def test_the_page_still_writes_its_session(app: Flask, sign_in: SignIn, records: list[int]) -> None:
    """What the page had to say once is said once, though another transaction came between."""
    from console.accounts.models import Session

    dora = sign_in("dora")
    with app.app_context(), unit_of_work():
        row = db.session.scalars(select(Session).order_by(Session.created_at.desc()).limit(1)).one()
        row.data = {**row.data, "_flashes": [("ok", "Said once.")]}
    assert "Said once." in dora.get(f"/logs/{records[0]}").text
    assert "Said once." not in dora.get(f"/logs/{records[1]}").text
