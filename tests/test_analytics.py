"""Sums by the hour say what the records say; a percentile is nearly the true one; developers see their own."""

from __future__ import annotations

import math
import random
import re
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from console.accounts.models import Person
from console.applications.models import Application
from console.db import db, now, unit_of_work
from console.logs import analytics, segments
from console.logs.analytics import Span, by_client, by_version, last_hours, over_time
from console.logs.rollups import PER_OCTAVE, bucket_of, middle_of, percentile
from tests.conftest import Cast, SignIn, World
from tests.test_logs import a_batch, a_record, push

HOUR_NS = 3_600_000_000_000
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


def test_the_sums_say_what_the_records_say(app: Flask, world: World, traffic: list[dict[str, Any]]) -> None:
    span = last_hours(24, now())
    inside = [one for one in traffic if one["at_ns"] >= span.first * HOUR_NS]
    with app.app_context():
        sums = by_version(span)[world.version_id]
        mine = by_client(span)[world.client_id]
        buckets, of_client = over_time(span), over_time(span, frozenset({world.client_id}))
    codes = Counter(one["code"] for one in inside)
    assert (sums.requests, sums.refused, sums.failed) == (len(inside), codes[404], codes[503])
    assert sums.buckets == Counter(bucket_of(one["duration_us"]) for one in inside)
    assert mine.requests == sum(one["client_id"] == world.client_id for one in inside)
    assert sum(b.total for b in buckets) == len(inside)
    assert sum(b.total for b in of_client) == mine.requests
    assert len(over_time_of(app, 90 * 24)) <= 48


def over_time_of(app: Flask, hours: int) -> list[Any]:
    with app.app_context():
        return over_time(last_hours(hours, now()))


def test_all_together_is_the_sum_of_all() -> None:
    one = analytics.Sums(3, 1, 1, 10, {5: 3})
    whole = analytics.total([one, analytics.Sums(2, 0, 1, 5, {5: 1, 6: 1})])
    assert whole == analytics.Sums(5, 1, 2, 15, {5: 4, 6: 1})
    assert analytics.change(3, 2) == 0.5
    assert analytics.change(3, 0) is None


@pytest.mark.parametrize("choice", ["1h", "24h", "7d", "30d", "90d", "nonsense"])
def test_an_admin_sees_every_api_and_application(sign_in: SignIn, traffic: list[dict[str, Any]], choice: str) -> None:
    page = sign_in("alice").get(f"/analytics?range={choice}")
    assert page.status_code == 200
    if choice in ("7d", "30d", "90d"):
        main = page.text.split("<main")[1]
        assert "Orders 1.0.0" in main
        assert "Shop" in main
        assert re.search(r"<b>600</b>", main)
        assert "/logs?api=orders@1.0.0&amp;range=" in main


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
        assert (f">{mine}</a>" in main, f">{other}</a>" in main, "By API" in main) == (True, False, False)
        client = world.client_id if name == "bob" else "app-other"
        count = sum(one["client_id"] == client for one in traffic)
        assert f"<b>{count}</b>" in main


def test_more_than_before_is_told(app: Flask, node: str, sign_in: SignIn, world: World) -> None:
    clock = time.time_ns()
    made = [a_record(clock - 30 * HOUR_NS) for _ in range(10)] + [a_record(clock - 60_000_000_000) for _ in range(15)]
    push(app, node, a_batch(*made))
    assert "+50 %" in sign_in("alice").get("/analytics?range=24h").text


def test_the_hours_of_a_dropped_day_stay(app: Flask, traffic: list[dict[str, Any]], world: World) -> None:
    with app.app_context():
        with app.extensions["gatewright"].logs.writing() as connection:
            for one in segments.catalogue(connection):
                segments.drop(connection, one)
        total = sum(s.requests for s in by_version(Span(0, 10**6)).values())
        assert total == 600
