"""Whose quota is used up: by the sums of the log, told to the nodes once, and over when the period is."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from flask import Flask

from console.db import now, unit_of_work
from console.gateway import quotas
from console.gateway.bundle import bundle, http_date
from console.gateway.quotas import Limits, begun_at, exhausted, refilled_at, used
from console.jobs import run_due
from console.logs.days import close_days
from console.runtime import generation
from tests.conftest import World
from tests.test_logs import a_batch, a_record, push


def called(app: Flask, node: str, client_id: str, times: int, at: datetime | None = None, **values: object) -> None:
    at_ns = int((at or now()).timestamp() * 1e9)
    batch = a_batch(*[a_record(at_ns + i * 1000, client_id=client_id, **values) for i in range(times)])
    assert push(app, node, batch).status_code == 200


@pytest.mark.parametrize(
    ("period", "moment", "until"),
    [
        ("day", "2026-11-24T14:00:00+00:00", "2026-11-25T00:00:00+00:00"),
        ("day", "2026-12-31T23:59:59.9+00:00", "2027-01-01T00:00:00+00:00"),
        ("day", "2026-11-24T00:30:00+02:00", "2026-11-24T00:00:00+00:00"),
        ("month", "2026-11-24T14:00:00+00:00", "2026-12-01T00:00:00+00:00"),
        ("month", "2027-01-31T14:00:00+00:00", "2027-02-01T00:00:00+00:00"),
        ("month", "2028-02-01T00:00:00+00:00", "2028-03-01T00:00:00+00:00"),
    ],
)
def test_when_there_are_calls_again(period: quotas.Period, moment: str, until: str) -> None:
    assert refilled_at(period, datetime.fromisoformat(moment)) == datetime.fromisoformat(until)


def test_calls_are_counted_by_version_client_and_period(app: Flask, node: str, world: World) -> None:
    moment = now().replace(day=15, hour=12, minute=30)
    if moment > now():
        moment = (moment.replace(day=1) - timedelta(days=1)).replace(day=15)
    today, early, before = moment.replace(hour=1), moment.replace(day=3), begun_at("month", moment) - timedelta(hours=1)
    for at, times in ((moment, 2), (today, 3), (early, 5), (before, 50)):
        called(app, node, "alice", times, at)
    called(app, node, "alice", 20, moment, code=429)
    called(app, node, "alice", 7, moment, code=503)
    called(app, node, "bob", 4, moment)
    called(app, node, "alice", 9, moment, version=2)
    with app.app_context():
        assert used({(1, "alice"): (1, "day"), (1, "bob"): (1, "day")}, moment) == {(1, "alice"): 12, (1, "bob"): 4}
        assert used({(1, "alice"): (1, "month"), (2, "alice"): (1, "day")}, moment) == {
            (1, "alice"): 17,
            (2, "alice"): 9,
        }
        while close_days(app.extensions["gatewright"].logs, now()):
            pass
        app.extensions["gatewright"].parsed.clear()
        assert used({(1, "alice"): (1, "month")}, moment) == {(1, "alice"): 17}


def test_a_quota_is_used_up_with_its_last_call(app: Flask, node: str, world: World) -> None:
    called(app, node, "alice", 10)
    moment = now()
    with app.app_context():
        assert exhausted({(1, "alice"): (11, "day")}, moment) == {}
        found = exhausted({(1, "alice"): (10, "day"), (1, "bob"): (1, "day"), (1, "carol"): (0, "month")}, moment)
        assert found == {1: {"alice": refilled_at("day", moment), "carol": refilled_at("month", moment)}}
        tomorrow = exhausted({(1, "alice"): (10, "day")}, refilled_at("day", moment))
        assert tomorrow == {}


def test_nodes_hear_of_it_once(app: Flask, node: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: Limits = {(world.version_id, world.client_id): (10, "month")}
    monkeypatch.setattr(quotas, "limits", lambda: allowed)
    before = told(app)
    assert before[1] == {}
    called(app, node, world.client_id, 9)
    look(app)
    assert told(app) == before
    called(app, node, world.client_id, 1)
    look(app)
    after = told(app)
    assert after == (before[0] + 1, {world.client_id: http_date(refilled_at("month", now()))})
    look(app)
    assert told(app) == after
    allowed[world.version_id, world.client_id] = (20, "month")
    look(app)
    assert told(app) == (after[0] + 1, {})


def look(app: Flask) -> None:
    """What the job does."""
    with app.app_context():
        found = quotas.look()
        with unit_of_work():
            quotas.note(found)


def told(app: Flask) -> tuple[int, dict[str, str]]:
    with app.app_context():
        return generation(0), json.loads(bundle())["versions"][0]["exhausted"]


def test_the_job_runs_every_few_seconds(app: Flask) -> None:
    assert "count_quotas" in run_due(app)
    assert "count_quotas" not in run_due(app)
    assert "count_quotas" in run_due(app, now() + timedelta(seconds=6))


def test_many_quotas_are_asked_for_at_once(app: Flask, node: str, world: World) -> None:
    called(app, node, "alice", 3)
    with app.app_context():
        limits: Limits = {(1, f"app-{i}"): (5, "day") for i in range(20_000)} | {(1, "alice"): (3, "month")}
        assert exhausted(limits, now()) == {1: {"alice": refilled_at("month", now())}}
