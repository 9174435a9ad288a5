"""Clocks that are wrong, of gateways and of the console: every record keeps its place, its number and its day."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from console import jobs
from console.db import now
from console.logs import days, fields, rollups, search, segments, upkeep
from console.logs.segments import catalogue
from console.logs.store import Store, moment_of
from tests.faults import assert_whole, call_record, stored
from tests.ingested import letters, send
from tests.test_logs import a_batch, a_record, push

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
MIDNIGHT = now().replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def logs(app: Flask) -> Iterator[Store]:
    with app.app_context():
        yield app.extensions["gatewright"].logs


def put(app: Flask, node: str, **moments: datetime) -> Any:
    """One batch of records, by names."""
    said = [call_record(name, at.timestamp()) for name, at in moments.items()]
    return send(app, node, "/ingest/json", said).json


def names(logs: Store) -> list[str]:
    return [row.request_id for row in stored(logs)]


def day_tables(logs: Store) -> list[str]:
    with logs.engine.connect() as connection:
        return [one.name for one in catalogue(connection)]


def set_back(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """The console's own clock, for whatever decides by it what becomes of a record."""
    clock = SimpleNamespace(
        time=lambda: time.time() - by.total_seconds(),
        time_ns=lambda: time.time_ns() - int(by.total_seconds() * 1e9),
    )
    monkeypatch.setattr(fields, "time", clock)
    monkeypatch.setattr(rollups, "time", clock)
    for module in (upkeep, segments):
        monkeypatch.setattr(module, "now", lambda: now() - by)


class TestOfAGateway:
    def test_it_steps_back_and_records_stay_in_the_order_of_their_times(
        self, app: Flask, node: str, logs: Store
    ) -> None:
        start = now()
        for number, ago in enumerate([5 * MINUTE, 4 * MINUTE, 2 * HOUR, 2 * HOUR - MINUTE, 3 * MINUTE]):
            put(app, node, **{f"r{number}": start - ago})
        assert names(logs) == ["r2", "r3", "r0", "r1", "r4"]
        assert [row.request_id for row in search.newest(search.Question())] == ["r4", "r1", "r0", "r3", "r2"]
        assert_whole(logs, stored(logs))

    def test_the_same_moments_again_have_numbers_of_their_own(self, app: Flask, node: str, logs: Store) -> None:
        at = [(now() - timedelta(milliseconds=number)).timestamp() for number in range(100)]
        for turn in range(3):
            said = [call_record(f"{turn}-{i}", moment) for i, moment in enumerate(at)]
            assert send(app, node, "/ingest/json", said).status_code == 200
        assert len({row.id for row in stored(logs)}) == 300

    def test_a_moment_may_have_more_calls_than_numbers(self, app: Flask, node: str, logs: Store) -> None:
        """4096 of a microsecond, and who knows whole seconds only has them soon. Then there are others close by."""
        us = int(time.time()) // 3600 * 3_600_000_000 - 1  # the last one of an hour: whatever is moved is of the next
        for batch in range(25):
            said = [call_record(f"{batch}-{i}", us) for i in range(400)]
            assert send(app, node, "/ingest/json", said).status_code == 200, batch
        rows = stored(logs)
        assert (len(rows), len({row.id for row in rows})) == (10_000, 10_000)
        assert max(moment_of(row.id).timestamp() for row in rows) < us / 1e6 + 1.1
        assert_whole(logs, rows)

    def test_an_hour_ahead_is_taken_and_more_is_not(self, app: Flask, node: str, logs: Store) -> None:
        near, far = now() + 59 * MINUTE, now() + 61 * MINUTE
        assert put(app, node, json_near=near, json_far=far) == {"stored": 1, "rejected": 1}
        ns = [int(at.timestamp() * 1e9) for at in (near, far)]
        answer = push(app, node, a_batch(a_record(ns[0], request_id="otlp_near"), a_record(ns[1], path="/otlp_far")))
        assert answer.json == {"partialSuccess": {"rejectedLogRecords": "1"}}
        assert sorted(names(logs)) == ["json_near", "otlp_near"]
        assert [("far" in letter.text, "future" in letter.reason) for letter in letters(app)] == [(True, True)] * 2

    def test_each_record_is_in_the_table_of_its_day(self, app: Flask, node: str, logs: Store) -> None:
        last, first = MIDNIGHT - timedelta(microseconds=1), MIDNIGHT
        put(app, node, today=first, old=MIDNIGHT - 3 * DAY, yesterday=last)
        put(app, node, late=MIDNIGHT - 3 * DAY + HOUR)
        assert names(logs) == ["old", "late", "yesterday", "today"]
        assert day_tables(logs) == [f"log_d{MIDNIGHT - DAY * ago:%Y%m%d}" for ago in (3, 1, 0)]
        assert_whole(logs, stored(logs))  # each where its id belongs


class TestOfTheConsole:
    def test_half_an_hour_back_changes_nothing(
        self, app: Flask, node: str, logs: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start = now()
        put(app, node, before=start)
        set_back(monkeypatch, 30 * MINUTE)
        assert put(app, node, right=start + MINUTE, slow=start - 29 * MINUTE) == {"stored": 2, "rejected": 0}
        assert names(logs) == ["slow", "before", "right"]
        assert_whole(logs, stored(logs))

    def test_two_hours_back_all_others_are_ahead_and_it_says_so(
        self, app: Flask, node: str, logs: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_back(monkeypatch, 2 * HOUR)
        assert put(app, node, right=now(), slow=now() - 90 * MINUTE) == {"stored": 1, "rejected": 1}
        assert [letter.reason for letter in letters(app)] == ["the time is in the future"]
        monkeypatch.undo()
        assert put(app, node, right=now()) == {"stored": 1, "rejected": 0}

    def test_what_is_due_is_done_although_it_was_done_in_the_future(self, app: Flask) -> None:
        """Else nothing is dropped, rotated or signed for as long as the clock was ahead."""
        assert "drop_old_records" in jobs.run_due(app, now() + 300 * DAY)
        assert "drop_old_records" in jobs.run_due(app)
        assert "drop_old_records" not in jobs.run_due(app)

    def test_a_day_that_was_closed_before_it_was_over_is_opened(self, app: Flask, node: str, logs: Store) -> None:
        put(app, node, early=MIDNIGHT)
        assert days.close_days(logs, MIDNIGHT + 26 * HOUR) == 1
        put(app, node, later=MIDNIGHT + timedelta(microseconds=9))
        days.close_days(logs, now())
        with logs.engine.connect() as connection:
            span = days.Span(int(MIDNIGHT.timestamp()) // 3600, int(MIDNIGHT.timestamp()) // 3600 + 24)
            assert days.closed_days(connection, span) == []


class TestKept:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"GATEWRIGHT_LOGS_DAYS": "90"}

    def test_what_is_older_than_logs_are_kept_goes_with_its_day(self, app: Flask, node: str, logs: Store) -> None:
        old = [call_record("old", (now() - 100 * DAY).timestamp())]
        assert send(app, node, "/ingest/json", old).json == {"stored": 1, "rejected": 0}
        put(app, node, kept=now() - 80 * DAY)
        assert [one.records for one in upkeep.drop_old_records()] == [1]
        assert (names(logs), day_tables(logs)) == (["kept"], [f"log_d{now() - 80 * DAY:%Y%m%d}"])
        assert send(app, node, "/ingest/json", old).status_code == 200  # its sender saw no answer
        assert names(logs) == ["kept"], "what was dropped came back"

    def test_a_dropped_day_that_records_come_for_is_made_and_dropped_again(
        self, app: Flask, node: str, logs: Store
    ) -> None:
        for name in ("first", "late"):
            put(app, node, **{name: now() - 100 * DAY})
            assert names(logs) == [name]
            assert [one.records for one in upkeep.drop_old_records()] == [1]
        assert day_tables(logs) == []

    def test_older_than_any_record_may_be(self, app: Flask, node: str, logs: Store) -> None:
        assert put(app, node, now=now(), old=now() - 399 * DAY, older=now() - 401 * DAY) == {"stored": 2, "rejected": 1}


class TestBudget:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"GATEWRIGHT_LOGS_BUDGET_MB": "1", "GATEWRIGHT_LOGS_DAYS": "0"}

    def test_a_clock_that_has_begun_tomorrow_costs_nobody_today(self, app: Flask, node: str, logs: Store) -> None:
        """What is written to now stays, though a table came after it."""
        today = now().replace(hour=23, minute=30)
        with pytest.MonkeyPatch.context() as patch:
            set_back(patch, now() - today)
            assert put(app, node, today=today, ahead=today + 45 * MINUTE) == {"stored": 2, "rejected": 0}
            many = [call_record(f"{i}", today.timestamp(), path="/" + "x" * 400) for i in range(2500)]
            assert send(app, node, "/ingest/json", many).status_code == 200
            assert upkeep.used_bytes() > upkeep.MB
            assert upkeep.drop_old_records() == []
        assert len(names(logs)) == 2502
