"""Who calls which operation, how it is answered, what no document describes: by the day, as the records say."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from console.db import now
from console.logs import days, rollups, upkeep, usage, usage_sums
from console.logs.shapes import call_shape
from console.logs.store import Store
from console.logs.sums import BY_DAY, answer, undescribed, usage_begun
from console.logs.undescribed import undescribed as not_described
from console.logs.usage import CallsOfDay
from tests.clickhouse import CLICKHOUSE, row
from tests.conftest import World
from tests.faults import assert_usage, stored
from tests.test_logs import a_batch, a_record, push

DAY = timedelta(days=1)
DAY_NS = 86_400_000_000_000


@pytest.fixture
def logs(app: Flask) -> Iterator[Store]:
    with app.app_context():
        yield app.extensions["gatewright"].logs


def add(logs: Store, *rows: Any) -> None:
    with logs.writing() as connection:
        rollups.add(connection, sorted(rows))


def calls(at: datetime, count: int, client_id: str = "", operation: str = "/orders", **values: Any) -> list[Any]:
    said = {"method": "GET", "client_id": client_id, "operation": operation, "path": "/orders/v1/orders"} | values
    return [row(at + timedelta(microseconds=i), **said) for i in range(count)]


class TestSums:
    def test_they_are_the_records(self, app: Flask, node: str, world: World) -> None:
        """Through the front door: of two days, described and not, of several clients, in several batches."""
        chance, clock = random.Random(3), time.time_ns()
        for _ in range(8):
            records = [
                a_record(
                    clock - chance.randrange(2 * DAY_NS),
                    path=chance.choice(("/orders/v1/orders", "/orders/v1/orders/7", f"/orders/v1/x/{chance.random()}")),
                    method=chance.choice(("GET", "POST")),
                    code=chance.choice((200, 404, 503)),
                    client_id=chance.choice((world.client_id, "app-other", "")),
                    request_id=f"{chance.getrandbits(128):032x}",
                )
                for _ in range(60)
            ]
            assert push(app, node, a_batch(*records)).status_code == 200
        logs = app.extensions["gatewright"].logs
        rows = stored(logs)
        assert len(rows) == 480
        assert {bool(r.operation) for r in rows} == {True, False}
        with logs.engine.connect() as connection:
            assert_usage(connection, rows)

    def test_calls_of_no_api_are_not_among_them(self, logs: Store) -> None:
        add(logs, *calls(now(), 3, "app-1", version_id=0), *calls(now(), 2, "", "", version_id=0))
        assert usage.callers(0).requests == 0
        assert not_described(0) == []

    def test_the_last_call_stays_the_last_when_older_ones_come_late(self, logs: Store) -> None:
        at = datetime.combine(now().date(), datetime.min.time(), UTC) - DAY + timedelta(hours=5)
        add(logs, *calls(at + timedelta(hours=1), 1, "app-1"))
        add(logs, *calls(at, 1, "app-1"))
        assert usage.last_call(1) == at + timedelta(hours=1)
        assert [one.last_at for one in usage.callers(1).biggest] == [at + timedelta(hours=1)]


class TestPathsThatAnybodyMakesUp:
    @pytest.mark.parametrize(
        ("path", "shape"),
        [
            ("/orders/v1/orders/12345", "/orders/v1/orders/{id}"),
            ("/orders/v1/orders/12345/lines/", "/orders/v1/orders/{id}/lines/"),
            ("/u/9b2f1c9e-6d0a-4c58-9a57-2f1f6f0a7b11/x", "/u/{id}/x"),
            ("/a/deadbeef1/feedface", "/a/{id}/feedface"),
            ("/d/2026-11-23", "/d/{id}"),
            ("/ORD-1001", "/{id}"),
            ("/e/maren@example.org", "/e/{id}"),
            ("/%27OR1", "/{id}"),
            ("/t/eyJhbGciOiJFUzI1NiJ9", "/t/{id}"),
            ("/[scrubbed]/a", "/{id}/a"),
            ("/" + "x" * 60, "/{id}"),
            ("/.well-known/jwks.json", "/.well-known/jwks.json"),
            ("/oauth2/v2/sha256/wp-login.php", "/oauth2/v2/sha256/wp-login.php"),
            ("/", "/"),
            ("x", "/x"),
        ],
    )
    def test_what_looks_like_a_value_is_one(self, path: str, shape: str) -> None:
        assert call_shape("GET", path) == f"GET {shape}"

    def test_a_long_path_fits_its_column(self) -> None:
        assert len(call_shape("PROPPATCHING", "/a" * 300)) <= undescribed.c.operation.type.length  # type: ignore[attr-defined]

    def test_a_day_keeps_so_many_kinds_and_counts_the_others_together(self, logs: Store) -> None:
        most = usage_sums.MOST_UNDESCRIBED
        for part in range(4):
            paths = (f"/{'abcdefghij'[i // 10 % 10]}{'abcdefghij'[i % 10]}{'abcd'[part]}" for i in range(100))
            add(logs, *(call for path in paths for call in calls(now(), 2, "", "", path=path)))
        add(logs, *calls(now(), 5, "", "", path="/aaa", status=404), *calls(now(), 7, "", "", path="/aaa"))
        found = not_described(1)
        assert len(found) == most + 1
        assert found[0].path == "/aaa"
        assert found[0].statuses == {200: 9}, "a kind that is there grows; its new status is one too many"
        assert (found[-1].is_others, found[-1].requests) == (True, 800 - 2 * most + 5)
        assert sum(one.requests for one in found) == 812

    def test_other_processes_leave_no_room_either(self, logs: Store) -> None:
        """What this process knows of the day is older than what is there."""
        add(logs, *calls(now(), 1, "", "", path="/first"))
        other = Store(logs.engine.url.render_as_string(hide_password=False))
        letters = "abcdefghijklmnopqrst"
        add(other, *(call for a in letters for b in letters for call in calls(now(), 1, "", "", path=f"/{a}{b}")))
        other.dispose()
        add(logs, *calls(now(), 1, "", "", path="/late"), *calls(now(), 1, "", "", path="/first"))
        found = {one.path: one.requests for one in not_described(1)}
        assert len(found) == usage_sums.MOST_UNDESCRIBED + 1
        assert (found["/first"], "/late" in found) == (2, False)
        assert sum(found.values()) == 403

    def test_a_call_stands_for_its_kind(self, logs: Store) -> None:
        add(logs, *calls(now() - DAY, 1, "", "", path="/x/1234", request_id="f"))
        add(logs, *calls(now(), 2, "", "", path="/x/9999", request_id="a", method="PUT"))
        add(logs, *calls(now(), 2, "", "", path="/x/9999", request_id="b"))
        assert [(one.method, one.path, one.requests, one.request_id) for one in not_described(1)] == [
            ("GET", "/x/{id}", 3, "b"),
            ("PUT", "/x/{id}", 2, "a"),
        ]


@pytest.fixture
def month(logs: Store) -> datetime:
    """Three applications and calls without one, over 40 days; the moment of the last call of each day."""
    at = now()
    for back in (0, 1, 10, 29, 40):
        moment = at - back * DAY
        add(
            logs,
            *calls(moment, 5, "app-a"),
            *calls(moment, 3, "app-b", "/orders/{id}", status=503),
            *calls(moment, 1, "", ""),
            *(calls(moment, 2, "app-c", method="POST", status=201) if back else ()),
        )
    return at


class TestQuestions:
    def test_who_calls_the_biggest_first(self, month: datetime) -> None:
        found = usage.callers(1)
        assert [(one.client_id, one.requests) for one in found.biggest] == [
            ("app-a", 20), ("app-b", 12), ("app-c", 6), ("", 4),
        ]  # fmt: skip
        assert (found.count, found.applications, found.requests, found.rest) == (4, 3, 42, 0)
        assert found.last_at == month + timedelta(microseconds=4)
        assert found.biggest[2].last_at == month - DAY + timedelta(microseconds=1)
        assert usage.callers(1, days=41).requests == 53
        assert usage.callers(2) == usage.Callers([])

    def test_who_calls_an_operation(self, month: datetime) -> None:
        found = usage.callers(1, {("post", "/orders"), ("GET", "/orders/{id}")})
        assert [(one.client_id, one.requests) for one in found.biggest] == [("app-b", 12), ("app-c", 6)]
        assert usage.callers(1, {("GET", "/nothing")}).applications == 0
        assert usage.callers(1, set()).requests == 0

    def test_there_are_more_callers_than_are_told(self, logs: Store) -> None:
        add(logs, *(call for n in range(130) for call in calls(now(), 1 + n // 100, f"app-{n:03}")))
        found = usage.callers(1)
        assert (len(found.biggest), found.rest, found.applications, found.requests) == (100, 30, 130, 160)
        assert {one.requests for one in found.biggest[:30]} == {2}
        assert len(usage.clients_of(1)) == 130

    def test_each_operation(self, month: datetime) -> None:
        found = usage.operation_usage(1)
        assert {key: (one.requests, one.errors, one.clients) for key, one in found.items()} == {
            ("GET", "/orders"): (20, 0, 1),
            ("GET", "/orders/{id}"): (12, 12, 1),
            ("POST", "/orders"): (6, 0, 1),
            ("", ""): (4, 0, 0),
        }
        assert next(iter(found)) == ("GET", "/orders")

    def test_how_each_was_answered(self, month: datetime) -> None:
        assert usage.statuses(1) == {
            ("GET", "/orders"): {200: 20},
            ("GET", "/orders/{id}"): {503: 12},
            ("POST", "/orders"): {201: 6},
        }

    def test_the_clients(self, month: datetime) -> None:
        assert usage.clients_of(1) == ["app-a", "app-b", "app-c"]
        assert usage.clients_of(1, 1) == ["app-a", "app-b"]

    def test_the_burn_down(self, month: datetime) -> None:
        found = usage.burn_down(1, 30, layers=2)
        today = month.date()
        assert found[-3:] == [
            CallsOfDay(today, "app-a", 5), CallsOfDay(today, "app-b", 3), CallsOfDay(today, None, 1),
        ]  # fmt: skip
        assert Counter(one.day for one in found) == {today - back * DAY: 3 for back in (0, 1, 10, 29)}
        assert sum(one.requests for one in found) == usage.callers(1).requests
        assert usage.burn_down(2) == []

    def test_the_last_call(self, logs: Store) -> None:
        assert usage.last_call(1) is None
        for back in (500, 20, 0):
            at = now() - back * DAY
            add(logs, *calls(at, 1))
            assert usage.last_call(1) == at


class TestAges:
    def test_they_outlive_their_records_and_go_with_the_sums(self, app: Flask, logs: Store) -> None:
        for back in (95, 110, 790, 810):
            add(logs, *calls(now() - back * DAY, 1), *calls(now() - back * DAY, 1, "", ""))
        upkeep.drop_old_records()
        with logs.engine.connect() as connection:
            today = int(now().timestamp()) // 86400
            kept = set(connection.scalars(select(answer.c.day)))
            assert {today - day for day in kept} == {95, 110, 790}
            assert {today - day for day in connection.scalars(select(undescribed.c.day))} == {95}
        assert usage.callers(1, days=days.DAYS_KEPT).requests == 6

    def test_a_new_installation_has_them_from_its_beginning(self, logs: Store) -> None:
        logs.prepare()
        add(logs, *calls(now(), 1))
        logs.prepare()
        assert usage.callers(0).counted_since is None

    def test_one_that_had_calls_before_says_since_when(self, logs: Store) -> None:
        add(logs, *calls(now() - 3 * DAY, 1))
        with logs.writing() as connection:
            for table in (*BY_DAY, usage_begun):
                kind = "VIEW" if CLICKHOUSE and table is not usage_begun else "TABLE"
                connection.execute(text(f"DROP {kind} {table.name}"))
        for _ in "12":
            logs.prepare()
            assert usage.callers(0).counted_since == now().date()
        add(logs, *calls(now(), 1, "app-1"))
        assert usage.clients_of(1) == ["app-1"]
