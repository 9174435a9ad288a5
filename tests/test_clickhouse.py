"""Request records in ClickHouse: nothing is lost or doubled though nothing there is undone; days go as partitions."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from console import jobs
from console.db import now
from console.logs import clickhouse, rollups, segments, upkeep
from console.logs.body_tables import bodies_of, body_table
from console.logs.call_bodies import Body, WithBodies
from console.logs.completeness import received
from console.logs.letters import Letter
from console.logs.store import Store, hour, moment_of, record
from console.logs.sums import CLOSED
from console.logs.writer import Row, Writer, insert_rows
from tests.clickhouse import DAY, NOON, count, everything, needed, put, row, stored
from tests.conftest import at_once, trail

pytestmark = needed


@pytest.fixture
def logs(app: Flask) -> Iterator[Store]:
    with app.app_context():
        yield app.extensions["gatewright"].logs


@pytest.fixture
def writer(app: Flask) -> Writer:
    return app.extensions["gatewright"].writer


class Cut(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("arrived", [False, True])
def test_a_batch_cut_short_anywhere_is_whole_when_it_comes_again(
    logs: Store, writer: Writer, monkeypatch: pytest.MonkeyPatch, step: int, arrived: bool
) -> None:
    """Before each of its inserts, and after it, when only its answer was lost."""
    rows = [row(NOON, "/1"), row(NOON - DAY, "/2"), row(NOON, "/3")]
    said = [Letter(1, time.time_ns() // 1000, "json", "there is no status", "{}")]
    insert, steps = clickhouse._insert, itertools.count()

    def cut(*values: Any) -> None:
        at = next(steps)
        if at != step or arrived:
            insert(*values)
        if at == step:
            raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(clickhouse, "_insert", cut)
        with pytest.raises(Cut):
            writer.write("one", list(rows), list(said), [(1, 5)])
    assert everything(logs) != (3, 1, 1, 3) or (step, arrived) == (4, True)
    for _ in "123":
        writer.write("one", list(rows), list(said), [(1, 5)])
    assert everything(logs) == (3, 1, 1, 3)
    assert stored(logs) == ["/1", "/2", "/3"]
    assert count(logs, select(func.sum(received.c.records))) == 4


def test_a_batch_of_which_one_day_arrived_gets_the_other(logs: Store, writer: Writer) -> None:
    """An insert is whole for each day only."""
    rows = [row(NOON, "/1"), row(NOON - DAY, "/2"), row(NOON - DAY, "/3")]
    with logs.writing() as connection:
        clickhouse.once(connection, "one")
        insert_rows(connection, clickhouse.numbered(rows[:1], itertools.count()))
    writer.write("one", list(rows))
    assert stored(logs) == ["/1", "/2", "/3"]


def test_what_was_merged_or_dropped_meanwhile_is_still_known(logs: Store, writer: Writer) -> None:
    rows = [row(NOON, "/1"), row(NOON - DAY, "/2")]
    writer.write("one", list(rows))
    with logs.writing() as connection:
        connection.execute(text("TRUNCATE TABLE log_batch"))
        for name in ("log_record", "log_sums"):
            connection.execute(text(f"OPTIMIZE TABLE {name} FINAL"))
        assert segments.drop(connection, segments.catalogue(connection)[0])
    writer.write("one", [row(NOON, "/1")])
    assert everything(logs) == (1, 0, 1, 2)


def test_batches_that_wait_together_fail_apart(logs: Store, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = clickhouse._insert

    def picky(connection: Any, name: str, columns: Any, rows: list[Row]) -> None:
        if name == record.name and "/bad" in str(rows):
            raise Cut
        insert(connection, name, columns, rows)

    monkeypatch.setattr(clickhouse, "_insert", picky)

    def send(path: str) -> bool:
        try:
            writer.write(path, [row(NOON, path)])
        except Cut:
            return False
        return True

    paths = ["/1", "/bad", "/2", "/3", "/bad2"]
    assert at_once(*[lambda p=p: send(p) for p in paths]) == ["/bad" not in path for path in paths]
    assert stored(logs) == ["/1", "/2", "/3"]
    assert everything(logs) == (3, 0, 3, 3)


def test_several_consoles_store_the_same_batches_once(logs: Store) -> None:
    writers = [Writer(Store(logs.url)) for _ in range(3)]

    def push(writer: Writer) -> None:
        for number in range(10):
            writer.write(f"batch {number}", [row(NOON, f"/{number}/{i}") for i in range(20)])

    at_once(*[lambda w=w: push(w) for w in writers])
    assert len(stored(logs)) == len(set(stored(logs))) == 200
    assert count(logs, select(func.sum(hour.c.requests))) == 200
    for writer in writers:
        writer.store.dispose()


def test_batches_that_sum_up_to_the_same_count_each(logs: Store, writer: Writer) -> None:
    """The server takes what is equal for a repetition, if nobody says that it is none."""
    for number in range(3):
        writer.write(f"{number}", [row(NOON)])
        with logs.writing() as connection:
            rollups.add(connection, [row(NOON)])
    assert everything(logs) == (3, 0, 3, 6)


def test_a_large_batch_is_stored_once(logs: Store, writer: Writer) -> None:
    """Larger than what the driver puts into one block, and than the largest body."""
    rows = [row(NOON + timedelta(microseconds=i), f"/{i:0490}") for i in range(60_000)]
    for _ in "12":
        writer.write("one", list(rows))
        with logs.writing() as connection:
            connection.execute(text("TRUNCATE TABLE log_batch"))
    assert everything(logs) == (60_000, 0, 0, 60_000)


def test_a_batch_that_was_held_back_for_a_year(logs: Store, writer: Writer) -> None:
    writer.write("late", [row(NOON - DAY * i) for i in range(390)])
    with logs.engine.connect() as connection:
        assert len(segments.catalogue(connection)) == 390


class TestDays:
    def test_are_told_by_their_records(self, logs: Store) -> None:
        put(logs, row(NOON), row(NOON - DAY), row(NOON + timedelta(seconds=1)), row(NOON.replace(hour=0)))
        with logs.engine.connect() as connection:
            found = segments.catalogue(connection)
        assert [(moment_of(one.start), one.rows) for one in found] == [
            ((NOON - DAY).replace(hour=0), 1),
            (NOON.replace(hour=0), 3),
        ]

    def test_old_ones_go(self, app: Flask, logs: Store) -> None:
        old = now() - DAY * 95
        put(logs, *(row(old, f"/{i}") for i in range(7)), row(now() - DAY * 80, "/younger"))
        assert "drop_old_records" in jobs.run_due(app)
        assert stored(logs) == ["/younger"]
        assert trail(app)[-1] == "logs.dropped"

    def test_are_dropped_once(self, logs: Store) -> None:
        put(logs, row(now()), row(NOON - DAY))
        with logs.writing() as connection:
            oldest = segments.oldest(connection)
            assert oldest is not None
            assert [segments.drop(connection, oldest[0]) for _ in "12"] == [True, False]
            assert segments.oldest(connection) is None, "never the one that is written to now"

    def test_one_that_grew_since_it_was_looked_at_stays(self, logs: Store) -> None:
        put(logs, row(NOON - DAY))
        with logs.writing() as connection:
            found = segments.catalogue(connection)[0]
            put(logs, row(NOON - DAY, "/late"))
            assert not segments.drop(connection, found)
        assert stored(logs) == ["/", "/late"]

    def test_an_api_keeps_its_own_for_its_own_time(self, logs: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where a day holds others, only its records go; where it does not, the day."""
        monkeypatch.setattr(upkeep, "log_days", lambda: {2: 5, 3: 200})
        today = now()
        ages = {1: (3, 80), 2: (3, 50, 80), 3: (150, 95)}
        for version, days in ages.items():
            put(logs, *(row(today - DAY * n, f"/{version}/{n}", version_id=version) for n in days))
        told = upkeep.drop_old_records()
        assert {(one.why, one.version_id, one.records) for one in told} == {("api", 2, 1)}
        assert len(told) == 2
        assert stored(logs) == ["/1/3", "/1/80", "/2/3", "/3/150", "/3/95"]
        with logs.engine.connect() as connection:
            assert len(segments.catalogue(connection)) == 4, "the day that held nothing else is gone"
        assert upkeep.drop_old_records() == []

    class TestBudget:
        @pytest.fixture
        def settings(self) -> dict[str, str]:
            return {"GATEWRIGHT_LOGS_BUDGET_MB": "1", "GATEWRIGHT_LOGS_DAYS": "0"}

        def test_the_oldest_make_room(self, logs: Store) -> None:
            for i in range(6, 0, -1):
                agents = (f"{number:09}" * 20 for number in range(20_000))
                put(logs, *(row(now() - DAY * i, f"/{i}", request_id=agent) for agent in agents))
            assert upkeep.is_nearly_full()
            gone = upkeep.drop_old_records()
            assert {(one.why, one.version_id, one.records) for one in gone} == {("budget", 1, 20_000)}
            assert 0 < upkeep.used_bytes() <= 1_000_000
            assert set(stored(logs)) == {f"/{i}" for i in range(1, 7 - len(gone))}, "the newest ones"

    def test_sums_by_the_day_are_those_of_its_hours(self, logs: Store, writer: Writer) -> None:
        agos = range(0, 100, 7)
        for place, ago in enumerate(agos):
            values = {
                "client_id": "app",
                "operation": "/x",
                "country": "NO",
                "request_bytes": 3,
                "status": (200, 404)[place % 2],
            }
            writer.write(f"{ago}", [row(NOON - timedelta(hours=ago), **values)])
        for by_hour, by_day in CLOSED:
            hours = select(func.sum(by_hour.c.requests))
            assert count(logs, hours) == count(logs, select(func.sum(by_day.c.requests))) == len(agos)
            today = NOON.timestamp() // 86400
            within = count(logs, hours.where(by_hour.c.hour >= today * 24))
            assert within == count(logs, select(func.sum(by_day.c.requests)).where(by_day.c.day >= today)) == 2

    def test_sums_are_kept_for_longer(self, logs: Store, writer: Writer) -> None:
        writer.write("old", [row(NOON - DAY * ago) for ago in (1, 300, 798, 802, 900)])
        upkeep.drop_old_records()
        assert count(logs, select(func.sum(hour.c.requests))) == 3


def test_bodies_are_beside_their_records_and_go_with_their_day(logs: Store, writer: Writer) -> None:
    def called(at: Any, path: str) -> Row:
        return WithBodies.of(row(at, path), Body("JSON", '{"a":1}'), Body("text", path))

    for _ in "12":
        writer.write("one", [called(NOON, "/1"), called(NOON - DAY, "/2"), row(NOON, "/3")])
    with logs.reading() as connection:
        found = {r.path: bodies_of(connection, r.id) for r in connection.execute(select(record))}
        before = segments.size_bytes(connection)
    assert found == {
        "/1": (Body("JSON", '{"a":1}'), Body("text", "/1")),
        "/2": (Body("JSON", '{"a":1}'), Body("text", "/2")),
        "/3": (Body(), Body()),
    }
    with logs.writing() as connection:
        assert segments.drop(connection, segments.catalogue(connection)[0])
        assert segments.size_bytes(connection) < before
        table = body_table(record.name)
        assert list(connection.scalars(select(table.c.response))) == ["/1"]
