"""Sums by the hour say what the records say; a percentile is nearly the true one; developers see their own."""

from __future__ import annotations

import math
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from console.accounts.models import Person
from console.applications.models import Application
from console.db import db, now, unit_of_work
from console.logs import analytics, days, segments
from console.logs.analytics import Answers, By, Only, Sums
from console.logs.days import last_hours
from console.logs.rollups import PER_OCTAVE, bucket_of, middle_of, percentile
from console.logs.store import hour
from tests.clickhouse import CLICKHOUSE
from tests.conftest import Cast, SignIn, World
from tests.test_logs import a_batch, a_record, push

HOUR_NS = 3_600_000_000_000
closes_days = pytest.mark.skipif(bool(CLICKHOUSE), reason="there a day is a view of its hours")
EXACT = 2 ** (1 / (2 * PER_OCTAVE)) - 1  # what a bucket of an eighth of an octave can be off by


def test_a_bucket_is_within_its_error() -> None:
    chance = random.Random(1)
    for us in [1, 2, 3, *(int(math.exp(chance.uniform(0, 21))) for _ in range(20_000))]:
        assert abs(middle_of(bucket_of(us)) / us - 1) < 0.045 or us < 12, us
    assert bucket_of(0) == bucket_of(1) == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_percentile_is_nearly_the_true_one(seed: int) -> None:
    chance = random.Random(seed)
    times = sorted(int(chance.lognormvariate(10, 1.2)) for _ in range(5000))
    counts = Counter(bucket_of(us) for us in times)
    for share in (0.5, 0.95, 0.99):
        true = times[math.ceil(share * len(times)) - 1]
        assert abs(percentile(counts, share) / true - 1) <= EXACT + 1e-9, share


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 0.99) == 0


def test_a_span_is_whole_hours_and_what_was_before_it() -> None:
    span = last_hours(24, datetime(2026, 11, 24, 9, 30, tzinfo=UTC))
    assert (span.since, span.until) == (datetime(2026, 11, 23, 10, tzinfo=UTC), datetime(2026, 11, 24, 10, tzinfo=UTC))
    assert (span.before.until, span.before.end - span.before.first) == (span.since, 24)


@pytest.fixture
def traffic(app: Flask, node: str, world: World) -> list[dict[str, Any]]:
    """Three days of calls; what was pushed."""
    chance, clock, made = random.Random(7), time.time_ns(), []
    for _ in range(600):
        one = {
            "at_ns": clock - chance.randrange(70 * HOUR_NS),
            "code": chance.choice((200, 200, 200, 404, 503)),
            "client_id": chance.choice((world.client_id, "app-other", "")),
            "duration_us": chance.randrange(100, 500_000),
        }
        made.append(one)
    for part in range(0, 600, 50):
        assert push(app, node, a_batch(*(a_record(**one) for one in made[part : part + 50]))).status_code == 200
    return made


@contextmanager
def answers(app: Flask, hours: int, only: Only | None = None) -> Iterator[Answers]:
    with app.app_context(), app.extensions["gatewright"].logs.reading() as connection:
        yield Answers(connection, last_hours(hours, now()), only or Only())


def test_the_failed_calls_of_one_are_counted_however_many_others_call(app: Flask, node: str) -> None:
    """They are few, and there are more clients with as many calls than the page has room for."""
    busy = [a_record(client_id="app-busy", code=code) for code in (*[200] * 8, 404, 503)]
    others = [a_record(client_id=f"app-{n % 1100}") for n in range(3300)]
    assert push(app, node, a_batch(*busy, *others)).status_code == 200
    with answers(app, 24) as current:
        sums = current.sums(By.APPLICATION)
    assert len(sums) == analytics.MOST
    assert told(sums["app-busy"]) == (10, 1, 1)


def told(sums: Sums) -> tuple[int, int, int]:
    return sums.requests, sums.refused, sums.failed


def test_the_sums_say_what_the_records_say(app: Flask, world: World, traffic: list[dict[str, Any]]) -> None:
    span = last_hours(24, now())
    inside = [one for one in traffic if one["at_ns"] >= span.first * HOUR_NS]
    mine = [one for one in inside if one["client_id"] == world.client_id]
    codes = Counter(one["code"] for one in inside)
    with answers(app, 24) as asked:
        sums = asked.sums(By.API)
        asked.time(By.API, sums)
        assert told(sums[world.version_id]) == told(asked.whole()) == (len(inside), codes[404], codes[503])
        timed = Counter(bucket_of(one["duration_us"]) for one in inside)
        assert sums[world.version_id].buckets == asked.whole().buckets == timed
        assert sum(b.total for b in asked.over_time()) == len(inside)
        caller = asked.sums(By.APPLICATION)[world.client_id]
        assert (caller.requests, caller.duration_us) == (len(mine), sum(one["duration_us"] for one in mine))
        assert {k: one.requests for k, one in asked.sums(By.STATUS).items()} == {
            2: codes[200],
            4: codes[404],
            5: codes[503],
        }
        (by_node,) = asked.sums(By.NODE).values()
        assert by_node.requests == len(inside)
    with answers(app, 24, Only(client_ids=frozenset({world.client_id}))) as asked:
        assert asked.whole().requests == sum(b.total for b in asked.over_time()) == len(mine)
        assert asked.sums(By.API)[world.version_id].requests == len(mine)
    with answers(app, 90 * 24) as asked:
        assert len(asked.over_time()) <= 48


@pytest.mark.parametrize("hours", [20, 24, 48, 72, 96, 168, 168.01, 240, 720, 2160, 8760])
def test_bars_are_as_many_in_each_day(hours: float) -> None:
    """Else one of them holds a night, and the next one none."""
    step = days.step_of(hours)
    assert 24 % step == 0 or step % 24 == 0
    assert hours / days.BARS <= step <= max(1, 2 * hours / days.BARS)


def test_operations_are_the_documents(app: Flask, node: str, world: World) -> None:
    paths = ["/orders/v1/orders/7", "/orders/v1/orders/8", "/orders/v1/orders", "/orders/v1/nothing/of/ours"]
    push(app, node, a_batch(*(a_record(path=path, duration_us=5000) for path in paths)))
    with answers(app, 1) as asked:
        sums = asked.sums(By.OPERATION)
        asked.time(By.OPERATION, sums)
    found = {name: one.requests for (_, name), one in sums.items()}
    assert found == {"GET /orders/{order_id}": 2, "GET /orders": 1}, "what is not described has no name"
    assert sums[world.version_id, "GET /orders/{order_id}"].buckets == {bucket_of(5000): 2}


def everything(app: Flask) -> list[Any]:
    """Every answer about the last ten days, in a form that can be compared."""
    with answers(app, 240) as asked:
        found: list[Any] = [asked.whole()]
        for by in By:
            sums = asked.sums(by)
            asked.time(by, sums)
            found.append(sums)
        versions = frozenset(asked.sums(By.API))
    with answers(app, 240, Only(versions)) as asked:
        return [*found, asked.sums(By.APPLICATION)]


@closes_days
def test_closed_days_say_the_same_and_late_records_are_counted(
    app: Flask, node: str, traffic: list[dict[str, Any]]
) -> None:
    logs = app.extensions["gatewright"].logs
    before = everything(app)
    closed = 0
    while done := days.close_days(logs, now()):
        closed += done
    assert closed >= 2
    assert everything(app) == before
    with answers(app, 240) as asked:
        assert len(asked.about.closed) == closed
    with logs.writing() as connection:  # that is where the answers come from: without the hours they are the same
        for day in asked.about.closed:
            connection.execute(hour.delete().where(hour.c.hour >= day * 24, hour.c.hour < day * 24 + 24))
    assert everything(app) == before


@closes_days
def test_a_late_record_opens_its_day_again(app: Flask, node: str, traffic: list[dict[str, Any]]) -> None:
    logs = app.extensions["gatewright"].logs
    while days.close_days(logs, now()):
        pass
    requests = everything(app)[0].requests
    push(app, node, a_batch(a_record(time.time_ns() - 30 * HOUR_NS)))
    assert everything(app)[0].requests == requests + 1
    with answers(app, 240) as asked:
        opened = len(asked.about.closed)
    assert days.close_days(logs, now()) == 1
    with answers(app, 240) as asked:
        assert len(asked.about.closed) == opened + 1
    assert everything(app)[0].requests == requests + 1


@closes_days
def test_a_day_is_closed_when_nobody_writes_to_it_any_more(app: Flask, node: str) -> None:
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
    push(app, node, a_batch(a_record(int(midnight.timestamp() * 1e9) - 60_000_000_000)))
    logs = app.extensions["gatewright"].logs
    assert days.close_days(logs, midnight + timedelta(minutes=59)) == 0
    assert days.close_days(logs, midnight + timedelta(minutes=61)) == 1


def test_what_moved_most_comes_first() -> None:
    sums, before = {"a": Sums(10), "b": Sums(5), "c": Sums(7)}, {"a": Sums(12), "c": Sums(7), "d": Sums(9)}
    assert analytics.movers(sums, before) == [("d", -9), ("b", 5), ("a", -2)]
    assert analytics.change(3, 2) == 0.5
    assert analytics.change(3, 0) is None


@pytest.mark.parametrize("by", [*By, "nonsense"])
def test_every_way_to_look_at_it(sign_in: SignIn, traffic: list[dict[str, Any]], by: str) -> None:
    for name in ("alice", "bob"):
        page = sign_in(name).get(f"/analytics?range=7d&by={by}&api=orders@1.0.0")
        assert page.status_code == 200
    assert "/logs?" in sign_in("alice").get(f"/analytics?range=7d&by={by}").text


def test_an_api_that_is_none_has_no_calls(sign_in: SignIn, traffic: list[dict[str, Any]]) -> None:
    assert "No calls in this time" in sign_in("alice").get("/analytics?range=7d&api=nothing@1").text


@pytest.mark.parametrize("choice", ["1h", "24h", "7d", "30d", "90d", "nonsense"])
def test_an_admin_sees_every_api_and_application(sign_in: SignIn, traffic: list[dict[str, Any]], choice: str) -> None:
    page = sign_in("alice").get(f"/analytics?range={choice}")
    assert page.status_code == 200
    if choice in ("7d", "30d", "90d"):
        main = page.text.split("<main")[1]
        assert "Orders 1.0.0" in main
        assert "Shop" in sign_in("alice").get(f"/analytics?range={choice}&by=application").text.split("<main")[1]
        assert re.search(r"<b>600</b>", main)
        assert "/logs?range=" in main


def test_the_chart_has_its_table(sign_in: SignIn, traffic: list[dict[str, Any]]) -> None:
    page = sign_in("alice").get("/analytics?range=7d").text
    table = page.split("The chart as a table")[1].split("</table>")[0]
    cells = [int(n.replace(",", "")) for n in re.findall(r'<td class="r num">([\d,]+)</td>', table)]
    assert sum(cells) == 600


def test_a_developer_sees_her_own_applications_only(
    app: Flask, sign_in: SignIn, cast: Cast, world: World, traffic: list[dict[str, Any]]
) -> None:
    with app.app_context(), unit_of_work():
        carol = db.session.get_one(Person, cast.carol)
        db.session.add(Application(name="Other", team=carol.teams[0], client_id="app-other"))
    for name, mine, other in (("bob", "Shop", "Other"), ("carol", "Other", "Shop")):
        main = sign_in(name).get("/analytics?range=7d").text.split("<main")[1]
        assert (f">{mine}</a>" in main, f">{other}</a>" in main, "every API" in main.lower()) == (True, False, False)
        client = world.client_id if name == "bob" else "app-other"
        count = sum(one["client_id"] == client for one in traffic)
        assert f"<b>{count}</b>" in main


def test_more_than_before_is_told(app: Flask, node: str, sign_in: SignIn, world: World) -> None:
    clock = time.time_ns()
    made = [a_record(clock - 30 * HOUR_NS) for _ in range(10)] + [a_record(clock - 60_000_000_000) for _ in range(15)]
    push(app, node, a_batch(*made))
    assert "+50 %" in sign_in("alice").get("/analytics?range=24h").text


def test_the_hours_of_a_dropped_day_stay(app: Flask, traffic: list[dict[str, Any]], world: World) -> None:
    with app.extensions["gatewright"].logs.writing() as connection:
        for one in segments.catalogue(connection):
            segments.drop(connection, one)
    assert everything(app)[0].requests == 600
