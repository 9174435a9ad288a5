"""A table a day: every record in the one that its id belongs to, found across all of them, dropped day by day."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, func, inspect, select, text

from console import jobs
from console.config import load
from console.db import now
from console.logs import search, segments, upkeep
from console.logs.question import Question
from console.logs.segments import catalogue, place, table_named, tables
from console.logs.store import COLUMNS, FIRST, Store, id_at, moment_of, record, record_table, segment
from console.logs.writer import insert_rows
from tests.conftest import trail
from tests.homes import SERVER
from tests.test_logs import a_batch, a_record, push, stored

DAY = timedelta(days=1)
NOON = now().replace(hour=12, minute=0, second=0, microsecond=0) - DAY


@pytest.fixture
def logs(app: Flask) -> Iterator[Store]:
    with app.app_context():
        yield app.extensions["gatewright"].logs


def row(at: datetime, number: int = 0, path: str = "/") -> tuple[Any, ...]:
    return (id_at(at) + number, 1, 1, "app-1", "", "", "GET", path, 200, 5, -1, 0, 0, "", "", "", "", "", "", "")


def put(logs: Store, *rows: tuple[Any, ...]) -> None:
    with logs.writing() as connection:
        insert_rows(connection, list(rows))


def names(logs: Store) -> list[str]:
    with logs.engine.connect() as connection:
        return [one.name for one in catalogue(connection)]


def check(connection: Connection) -> int:
    """Each record is where its id belongs, no two ranges overlap, and the counts hold; how many records there are."""
    ranges = segments.with_ends(connection)
    total = 0
    for one, end in ranges:
        t = table_named(one.name) if connection.dialect.name == "sqlite" else record_table(one.name, record.metadata)
        low, high, count = connection.execute(
            select(func.min(t.c.id), func.max(t.c.id), func.count()).select_from(t)
        ).one()
        assert count == one.rows, one
        assert count == 0 or (one.start <= low and high < end), one
        total += count
        record.metadata.remove(t) if t.metadata is record.metadata and t is not record else None
    starts = [one.start for one, _ in ranges]
    assert starts == sorted(set(starts))
    return total


def test_a_day_has_a_table_of_its_own(logs: Store) -> None:
    put(logs, row(NOON), row(NOON - DAY), row(NOON + timedelta(seconds=1)))
    assert names(logs) == [f"log_d{NOON - DAY:%Y%m%d}", f"log_d{NOON:%Y%m%d}"]
    with logs.engine.connect() as connection:
        assert check(connection) == 3


@pytest.mark.skipif(bool(SERVER), reason="on PostgreSQL a day is one partition")
def test_a_busy_day_has_several(logs: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MOST_ROWS", 100)
    for number in range(5):
        put(logs, *(row(NOON + timedelta(seconds=number), i) for i in range(80)))
    put(logs, row(NOON + timedelta(milliseconds=500)))  # late: it belongs to the first
    assert [name.split("_d")[1][8:] for name in names(logs)] == ["", "_2", "_3"]
    with logs.engine.connect() as connection:
        assert check(connection) == 401


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_in_whatever_order(logs: Store, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(segments, "MOST_ROWS", 50)
    chance = random.Random(seed)
    taken: set[int] = set()
    for _ in range(40):
        base = NOON + timedelta(hours=chance.uniform(-60, 20))
        rows = [row(base + timedelta(seconds=chance.uniform(-90000, 30)), chance.randrange(4096)) for _ in range(20)]
        fresh = {one[0]: one for one in rows if one[0] not in taken}
        taken |= fresh.keys()
        put(logs, *fresh.values())
    with logs.engine.connect() as connection:
        assert check(connection) == len(taken)
    assert [one.id for one in search.newest(Question(), size=5000)] == sorted(taken, reverse=True)
    some = sorted(taken)[len(taken) // 2]
    older = search.look(Question(), before=some, size=30).rows
    assert [one.id for one in older][:30] == sorted((i for i in taken if i < some), reverse=True)[:30]
    assert search.find_record(some, Question()) is not None
    assert search.find_record(some + 1 if some + 1 not in taken else 5, Question()) is None


def test_a_time_that_was_asked_for_leaves_other_days_alone(logs: Store) -> None:
    put(logs, *(row(NOON - DAY * i) for i in range(5)))
    if SERVER:
        pytest.skip("there the server looks through its partitions by itself")
    with logs.engine.connect() as connection:
        low, high = id_at(NOON - DAY * 2), id_at(NOON - DAY * 2 + timedelta(hours=1))
        assert [t.name for t in tables(connection, low, high)] == [f"log_d{NOON - DAY * 2:%Y%m%d}"]


@pytest.mark.skipif(bool(SERVER), reason="SQLite's choice")
def test_failed_calls_are_looked_up_among_the_failed_ones(logs: Store) -> None:
    """In every table: which of two indexes SQLite takes depends on which was made first."""
    put(logs, *(row(now() - timedelta(days=days)) for days in range(12)))
    question = Question(version_ids=frozenset({1}), classes=frozenset({"5xx"}))
    with logs.reading() as connection:
        days = tables(connection)
        for t in days:
            said = select(t).where(*question.conditions(t)).order_by(t.c.id.desc())
            sql = said.compile(connection, compile_kwargs={"literal_binds": True})
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").fetchall()
            assert f"ix_{t.name}_failed" in plan[0].detail
    assert len(days) == 12


def test_old_days_are_dropped_and_it_is_written_down(app: Flask, node: str, logs: Store) -> None:
    old = now() - DAY * 95
    put(logs, *(row(old, i) for i in range(7)), row(now() - DAY * 80))
    assert "drop_old_records" in jobs.run_due(app)
    assert names(logs) == [f"log_d{now() - DAY * 80:%Y%m%d}"]
    assert trail(app)[-1] == "logs.dropped"
    assert push(app, node, a_batch(a_record(path="/after"))).status_code == 200
    assert stored(app)[-1] == "/after"


class TestBudget:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"GATEWRIGHT_LOGS_BUDGET_MB": "4", "GATEWRIGHT_LOGS_DAYS": "0"}

    def test_the_oldest_days_make_room(self, app: Flask, logs: Store) -> None:
        for i in range(6, 0, -1):
            put(logs, *(row(now() - DAY * i, number, "/" + "x" * 400) for number in range(2500)))
        assert upkeep.is_nearly_full()
        gone = upkeep.drop_old_records()
        assert gone
        assert {one.why for one in gone} == {"budget"}
        assert upkeep.used_bytes() <= 4_000_000
        kept = names(logs)
        assert kept == [f"log_d{now() - DAY * i:%Y%m%d}" for i in range(len(kept), 0, -1)], "the newest ones"

    def test_the_overview_warns_before(self, app: Flask, logs: Store, sign_in: Any) -> None:
        alice = sign_in("alice")
        assert "disk budget" not in alice.get("/").text
        for i in range(6, 0, -1):
            put(logs, *(row(now() - DAY * i, number, "/" + "x" * 400) for number in range(2500)))
        assert "disk budget of the request log is nearly used up" in alice.get("/").text


def test_nothing_is_dropped_that_is_written_to_now(logs: Store) -> None:
    put(logs, row(now()))
    with logs.engine.connect() as connection:
        assert segments.oldest(connection) is None


def test_an_installation_with_one_table_goes_on(app: Flask, logs: Store) -> None:
    """Nothing is copied: the old table is the first segment."""
    with logs.writing() as connection:
        for one in catalogue(connection):
            segments.drop(connection, one)
        if SERVER:
            connection.execute(text(f"DROP TABLE {FIRST}"))
            plain = record_table(FIRST, type(record.metadata)())
            plain.dialect_options["postgresql"]["partition_by"] = None
            plain.create(connection)
        else:
            record.create(connection)
        # nor had it the columns that came later
        connection.execute(text(f"DROP INDEX ix_{FIRST}_trace_id"))
        for name in COLUMNS[-3:]:
            connection.execute(text(f"ALTER TABLE {FIRST} DROP COLUMN {name}"))
        marks = ", ".join(f":{name}" for name in COLUMNS[:-3])
        old = [dict(zip(COLUMNS[:-3], row(NOON, number, "/old")[:-3], strict=True)) for number in range(3)]
        connection.execute(text(f"INSERT INTO {FIRST} ({', '.join(COLUMNS[:-3])}) VALUES ({marks})"), old)
    logs.prepare()
    logs.prepare()  # again changes nothing
    put(
        logs,
        row(NOON + timedelta(hours=1), 0, "/new"),
        row(NOON - DAY, 0, "/late"),
        row(NOON + DAY * 2, 0, "/next day"),
    )
    assert stored(app) == ["/late", "/old", "/old", "/old", "/new", "/next day"]
    assert {i["name"] for i in inspect(logs.engine).get_indexes(FIRST)} == {str(i.name) for i in record.indexes}
    with logs.engine.connect() as connection:
        assert [one.rows for one in catalogue(connection)] == [4, 1, 1]
        assert moment_of(catalogue(connection)[1].start) == NOON  # behind the last old row


def test_two_writers_make_one_table(app: Flask, node: str) -> None:
    from tests.conftest import at_once

    at_once(*[lambda i=i: push(app, node, a_batch(a_record(path=f"/{i}"))) for i in range(6)])
    assert sorted(stored(app)) == [f"/{i}" for i in range(6)]


def test_a_failed_batch_leaves_no_table(logs: Store) -> None:
    def half() -> None:
        with logs.writing() as connection:
            list(place(connection, [row(NOON)]))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert names(logs) == []
    with logs.engine.connect() as connection:
        assert not inspect(connection).has_table(f"log_d{NOON:%Y%m%d}")
        assert connection.scalar(select(func.count()).select_from(segment)) == 0


def test_the_settings_are_read() -> None:
    config = load({"GATEWRIGHT_LOGS_DAYS": "7", "GATEWRIGHT_LOGS_BUDGET_MB": "500"})
    assert (config.logs_days, config.logs_budget_mb) == (7, 500)
