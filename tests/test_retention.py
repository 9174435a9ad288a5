"""An API keeps its records for its own number of days: what is over goes, what is not stays, and the trail says what went."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from console import jobs
from console.apis.models import Api, ApiVersion
from console.audit.models import AuditEntry
from console.db import db, now, unit_of_work
from console.logs import dropped, retention, upkeep
from console.logs.segments import DAY_IDS, catalogue, table_named
from console.logs.store import Store, id_at
from tests.conftest import SignIn, World, at_once, counts, trail
from tests.homes import SERVER
from tests.ingested import stored
from tests.test_segments import DAY, check, logs, names, put, row

__all__ = ["logs"]
MIDNIGHT = now().replace(hour=0, minute=0, second=0, microsecond=0)
SETTINGS = "/apis/orders/1.0.0/settings"
FORM = "/apis/orders/1.0.0/log-days"


def of(version_id: int, days_ago: float, number: int = 0) -> tuple[Any, ...]:
    """A record of that version at a noon."""
    made = row(MIDNIGHT - DAY * days_ago + timedelta(hours=12), number)
    return (*made[:2], version_id, *made[3:])


def kept(app: Flask) -> Counter[tuple[int, int]]:
    """How many records there are, by version and by how many days ago they were made."""
    today = id_at(MIDNIGHT) // DAY_IDS
    return Counter((one.version_id, today - one.id // DAY_IDS) for one in stored(app))


def keep(app: Flask, days: int | None) -> None:
    with app.app_context(), unit_of_work():
        db.session.scalars(select(Api)).one().log_days = days


def entries(app: Flask) -> list[dict[str, Any]]:
    with app.app_context():
        query = select(AuditEntry).where(AuditEntry.action == "logs.dropped").order_by(AuditEntry.id)
        return [entry.changes for entry in db.session.scalars(query)]


class TestShorter:
    def test_its_records_go_and_the_others_stay(self, app: Flask, logs: Store, world: World) -> None:
        keep(app, 7)
        put(logs, *(of(v, days, n) for n, v in enumerate((world.version_id, 0, 99)) for days in (1, 6, 8, 30)))
        upkeep.drop_old_records()
        assert kept(app) == {(world.version_id, 1): 1, (world.version_id, 6): 1} | {
            (v, days): 1 for v in (0, 99) for days in (1, 6, 8, 30)
        }
        with logs.engine.connect() as connection:
            assert check(connection) == 10, "the catalogue counts what is there"

    def test_its_days_go_whole(self, app: Flask, logs: Store, world: World) -> None:
        keep(app, 7)
        early, late = (now() - DAY * 7).replace(hour=0, minute=0, second=1), now() - DAY * 7 - timedelta(seconds=1)
        put(logs, row(early), row(max(early, late), 1))
        upkeep.drop_old_records()
        assert len(stored(app)) == 2, "part of that day is to be kept"

    def test_a_day_that_only_it_was_called_on_is_dropped(self, app: Flask, logs: Store, world: World) -> None:
        keep(app, 7)
        put(logs, of(world.version_id, 8), of(world.version_id, 9), of(0, 9, 1))
        upkeep.drop_old_records()
        assert names(logs) == [f"log_d{MIDNIGHT - DAY * 9:%Y%m%d}"]

    def test_all_its_versions(self, app: Flask, logs: Store, world: World) -> None:
        with app.app_context(), unit_of_work():
            api_id = db.session.get_one(ApiVersion, world.version_id).api_id
            second = ApiVersion(api_id=api_id, version="2.0.0", source="", document={})
            db.session.add(second)
            db.session.flush()
            second_id = second.id
        keep(app, 7)
        put(logs, of(world.version_id, 8), of(second_id, 8, 1), of(0, 8, 2))
        upkeep.drop_old_records()
        assert kept(app) == {(0, 8): 1}

    def test_a_record_that_comes_late_goes_next_time(self, app: Flask, logs: Store, world: World) -> None:
        keep(app, 7)
        for number in range(2):
            put(logs, of(world.version_id, 8, number), of(0, 8, 10 + number))
            upkeep.drop_old_records()
            assert kept(app) == {(0, 8): number + 1}

    def test_a_number_taken_back(self, app: Flask, logs: Store, world: World) -> None:
        keep(app, 7)
        keep(app, None)
        put(logs, of(world.version_id, 8))
        assert upkeep.drop_old_records() == []


class TestLonger:
    def test_its_days_stay_without_the_others(self, app: Flask, logs: Store, world: World) -> None:
        keep(app, 200)
        put(logs, *(of(v, days, n) for n, v in enumerate((world.version_id, 0, 99)) for days in (80, 95, 199, 201)))
        upkeep.drop_old_records()
        assert kept(app) == {(v, 80): 1 for v in (world.version_id, 0, 99)} | {
            (world.version_id, days): 1 for days in (95, 199)
        }
        assert names(logs) == [f"log_d{MIDNIGHT - DAY * days:%Y%m%d}" for days in (199, 95, 80)]
        with logs.engine.connect() as connection:
            assert check(connection) == 5


class TestForEver:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"GATEWRIGHT_LOGS_DAYS": "0"}

    def test_only_the_api_with_a_number_loses_any(self, app: Flask, logs: Store, world: World) -> None:
        put(logs, of(world.version_id, 300), of(0, 300, 1), of(world.version_id, 2))
        assert upkeep.drop_old_records() == []
        keep(app, 7)
        upkeep.drop_old_records()
        assert kept(app) == {(0, 300): 1, (world.version_id, 2): 1}


def test_whatever_is_kept_for_however_long(app: Flask, logs: Store, world: World) -> None:
    """Against the rule said in one line, over random days, versions and numbers."""
    chance = random.Random(7)
    for turn in range(8):
        own = {v: chance.choice((1, 3, 10, 40)) for v in range(1, 4) if chance.random() < 0.7}
        days = chance.choice((0, 5, 20))
        rows = [of(chance.randrange(5), chance.randrange(45), turn * 200 + n) for n in range(60)]
        put(logs, *rows)
        before, policy = kept(app), retention.Retention(now(), days, own)
        for one, until in retention.begun(logs, policy.newest_end):
            due = retention.due(logs, one.start, until, policy)
            if due and due.is_whole:
                assert retention.drop_whole(logs, due)
            elif due:
                retention.delete_over(logs, due)
        limit = {v: own.get(v, days) or 1000 for v in range(5)}
        assert kept(app) == {key: n for key, n in before.items() if key[1] <= limit[key[0]]}
        with logs.engine.connect() as connection:
            assert check(connection) == kept(app).total()


def test_thousands_go_in_small_transactions(
    app: Flask, logs: Store, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(app, 7)
    put(logs, *(of(world.version_id, 8, n) for n in range(4000)), of(0, 8, 4000))
    sizes: list[int] = []
    some = retention._delete_some
    monkeypatch.setattr(retention, "_delete_some", lambda *a: sizes.append(some(*a)) or sizes[-1])
    upkeep.drop_old_records()
    assert sum(sizes) == 4000
    assert len(sizes) > 1
    assert max(sizes) <= retention.MOST_AT_ONCE
    assert kept(app) == {(0, 8): 1}
    assert [one["records"] for one in entries(app)] == [4000]


@pytest.mark.skipif(bool(SERVER), reason="PostgreSQL's planner decides by what is in the table")
def test_what_is_over_is_found_through_the_index(app: Flask, logs: Store) -> None:
    put(logs, of(1, 8))
    with logs.engine.connect() as connection:
        t = table_named(catalogue(connection)[0].name)
        found = select(t.c.id).where(t.c.version_id == 1, t.c.id < 10**18).limit(10)
        said = str(found.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}").fetchall()
    assert f"INDEX ix_{t.name}_version_id (version_id=? AND rowid<?)" in plan[0][-1]


class TestTold:
    def test_by_reason_and_by_api(self, app: Flask, logs: Store, world: World) -> None:
        keep(app, 7)
        put(logs, *(of(world.version_id, 8, n) for n in range(3)), of(0, 8, 3), of(0, 95), of(99, 95, 1))
        assert "drop_old_records" in jobs.run_due(app)
        of_api, of_days = entries(app)
        assert of_api["because"] == "they were older than their API keeps them"
        assert (of_api["records"], of_api["by_api"]) == (3, {"Orders": 3})
        assert of_days["because"] == "they were older than GATEWRIGHT_LOGS_DAYS"
        assert (of_days["records"], of_days["by_api"]) == (2, {"no API": 2})
        upkeep.drop_old_records()
        assert len(entries(app)) == 2, "once"

    def test_also_what_a_process_left_untold(
        self, app: Flask, logs: Store, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Killed in the middle of its deleting: the next one goes on, and says all of it."""
        keep(app, 7)
        put(logs, *(of(world.version_id, 8, n) for n in range(2500)), of(0, 8, 2500))
        some, calls = retention._delete_some, iter(range(9))

        def dies(*a: Any) -> int:
            if next(calls) == 1:
                raise KeyboardInterrupt
            return some(*a)

        with monkeypatch.context() as patch:
            patch.setattr(retention, "_delete_some", dies)
            with pytest.raises(KeyboardInterrupt):
                upkeep.drop_old_records()
        assert 1 < kept(app).total() < 2501
        assert entries(app) == []
        upkeep.drop_old_records()
        assert kept(app) == {(0, 8): 1}
        assert [one["records"] for one in entries(app)] == [2500]

    def test_only_so_many_apis_are_named(self, app: Flask, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dropped, "MOST_NAMED", 1)
        gone = [dropped.Dropped("days", now(), v, n) for v, n in ((world.version_id, 5), (0, 2))]
        with app.app_context(), unit_of_work():
            dropped.tell(gone)
        assert entries(app)[0]["by_api"] == {"Orders": 5, "others": 2}


class TestAtOnce:
    def test_two_workers(self, app: Flask, logs: Store, world: World) -> None:
        keep(app, 7)
        put(logs, *(of(world.version_id, 8, n) for n in range(2000)), of(0, 8, 2000), of(0, 95))

        def work() -> None:
            with app.app_context():
                upkeep.drop_old_records()

        at_once(work, work, work)
        assert kept(app) == {(0, 8): 1}
        assert [one["records"] for one in entries(app)] == [2000, 1]
        with logs.engine.connect() as connection:
            assert check(connection) == 1

    def test_one_at_a_time_and_whoever_dies_lets_go(self, logs: Store) -> None:
        with logs.alone() as first, logs.alone() as second:
            assert (first, second) == (True, False)
        with logs.alone() as again:
            assert again

    def test_records_come_while_others_go(self, app: Flask, logs: Store, world: World) -> None:
        keep(app, 7)
        put(logs, *(of(world.version_id, 8, n) for n in range(3000)), of(0, 8, 3000))
        stop = threading.Event()

        def write() -> None:
            other = Store(logs.url)
            for n in range(1000):
                if stop.is_set():
                    break
                with other.turn():
                    put(other, of(0, 8, 3001 + n), of(0, 0, n))
            other.dispose()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            upkeep.drop_old_records()
        finally:
            stop.set()
            writer.join()
        assert kept(app).keys() == {(0, 8), (0, 0)}
        with logs.engine.connect() as connection:
            assert check(connection) == kept(app).total()

    def test_a_day_that_a_record_came_for_meanwhile_is_not_dropped(self, app: Flask, logs: Store, world: World) -> None:
        keep(app, 200)
        put(logs, of(0, 95))
        policy = retention.Retention(now(), 90, {world.version_id: 200})
        ((one, until),) = retention.begun(logs, policy.newest_end)
        due = retention.due(logs, one.start, until, policy)
        assert due is not None
        assert due.is_whole
        put(logs, of(world.version_id, 95, 1))
        assert not retention.drop_whole(logs, due)
        assert kept(app) == {(0, 95): 1, (world.version_id, 95): 1}


class TestForm:
    def test_an_admin_sets_it(self, app: Flask, sign_in: SignIn, world: World) -> None:
        alice = sign_in("alice")
        assert "90 days, as GATEWRIGHT_LOGS_DAYS says" in alice.get(SETTINGS).text
        assert alice.post(FORM, data={"days": "7"}).location == SETTINGS
        assert 'value="7"' in alice.get(SETTINGS).text
        assert "kept for 7 days" in alice.get("/apis/orders/1.0.0").text
        assert trail(app)[-1] == "api.log_retention_changed"
        assert alice.post(FORM, data={"days": ""}).location == SETTINGS
        assert "kept for 90 days" in alice.get("/apis/orders/1.0.0").text
        with app.app_context():
            newest = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(2)).all()
            assert [(e.subject_kind, e.subject, e.changes) for e in newest] == [
                ("api", "Orders", {"log_days": [7, None]}),
                ("api", "Orders", {"log_days": [None, 7]}),
            ]

    def test_the_same_again_is_no_change(self, app: Flask, sign_in: SignIn, world: World) -> None:
        alice = sign_in("alice")
        before = counts(app)
        assert alice.post(FORM, data={"days": ""}).status_code == 302
        assert counts(app) == before

    @pytest.mark.parametrize("days", ["0", "-1", "3651", "a week", "1.5", "9" * 30])
    def test_what_is_no_number_of_days(self, app: Flask, sign_in: SignIn, world: World, days: str) -> None:
        alice = sign_in("alice")
        before = counts(app)
        answer = alice.post(FORM, data={"days": days})
        assert (answer.status_code, 'aria-invalid="true"' in answer.text) == (422, True)
        assert counts(app) == before

    def test_of_a_retired_version(self, app: Flask, sign_in: SignIn, world: World) -> None:
        alice: FlaskClient = sign_in("alice")
        assert alice.post("/apis/orders/1.0.0/retire", data={"name": "Orders 1.0.0"}).status_code == 302
        page = "/apis/orders/1.0.0"
        assert FORM in alice.get(page).text
        assert alice.post(FORM, data={"days": "30"}).location == page
        assert 'aria-invalid="true"' in alice.post(FORM, data={"days": "0"}).text
        assert FORM not in sign_in("dora").get(page).text

    def test_others_may_not(self, app: Flask, sign_in: SignIn, world: World) -> None:
        for name in ("bob", "dora"):
            assert sign_in(name).post(FORM, data={"days": "7"}).status_code == 403
        with app.app_context():
            assert db.session.scalar(select(func.count()).where(Api.log_days.is_not(None))) == 0
