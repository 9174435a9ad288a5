"""Auditors find an entry again: by who, what, where from, when, and by what else was done in the same breath."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from console.accounts.models import Person
from console.audit.actions import Origin, origin, record
from console.audit.models import Action, AuditEntry
from console.db import db, limited, now, unit_of_work
from console.errors import Refused
from tests.conftest import Cast, SignIn


@pytest.fixture
def dora(app: Flask, sign_in: SignIn, cast: Cast) -> FlaskClient:
    """With a trail that has one entry of each sort."""
    browser = sign_in("dora")
    with app.app_context(), unit_of_work():
        alice = db.session.get_one(Person, cast.alice)
        origin.set(Origin("203.0.113.9", "request-0042", "0123456789ab"))
        record(Action.PERSON_CHANGED, alice, by=alice, changes={"role": ["admin", "auditor"], "note": "Grüße_1"})
        record(Action.TEAM_CREATED, alice.teams[0], by=alice, changes={"limits": [1, 2]})
        origin.set(Origin())
        record(Action.SIGNING_KEY_ROTATED, None, name="100% <b>", changes={"alg": "ES256"})
    return browser


def found(browser: FlaskClient, query: str) -> list[str]:
    page = browser.get(f"/audit?{query}")
    assert page.status_code == 200
    return re.findall(r'<td class="mono nw">([a-z_.]+)</td>', page.text)


ALL = ["signing_key.rotated", "team.created", "person.changed", "session.opened"]


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("", [0, 1, 2, 3]),
        ("text=platform", [1]),
        ("text=AUDITOR", [2]),
        ("text=Gr%C3%BC%C3%9Fe_", [2]),
        ("text=Gr%25", []),
        ("text=100%25", [0]),
        ("actor=Alice", [1, 2]),
        ("actor=system", [0]),
        ("action=person.", [2]),
        ("action=team.created", [1]),
        ("kind=team", [1]),
        ("kind=person&actor=alice", [2]),
        ("address=203.0.113", [1, 2]),
        ("request_id=request-0042", [1, 2]),
        ("session=0123456789ab", [1, 2]),
        ("since=2090-01-01T00:00", []),
        ("until=2090-01-01T00:00", [0, 1, 2, 3]),
        ("since=2020-01-01&until=2020-01-02T00:00:00%2B02:00", []),
        ("text=%27%22%3C", []),
    ],
)
def test_each_filter(dora: FlaskClient, query: str, places: list[int]) -> None:
    assert found(dora, query) == [ALL[n] for n in places]


@pytest.mark.parametrize(
    "query", ["since=tomorrow", "until=9999-12-31T23:59:59-23:00", "since=0001-01-01T00:00%2B14:00"]
)
def test_what_is_no_time_is_told(dora: FlaskClient, query: str) -> None:
    answer = dora.get(f"/audit?{query}")
    assert (answer.status_code, "is no time" in answer.text) == (409, True)


def test_a_range_holds_its_first_moment_and_not_its_last(app: Flask, dora: FlaskClient) -> None:
    with app.app_context():
        at = db.session.get_one(AuditEntry, 2).at
    after, later = (at + timedelta(seconds=n) for n in (1, 2))
    assert found(dora, f"since={at:%Y-%m-%dT%H:%M:%S.%f}&until={after:%Y-%m-%dT%H:%M:%S}")[-1] == "person.changed"
    assert found(dora, f"since={after:%Y-%m-%dT%H:%M:%S}&until={later:%Y-%m-%dT%H:%M:%S}&actor=alice") == []


def test_the_form_says_what_was_asked(dora: FlaskClient) -> None:
    text = dora.get("/audit?actor=alice&action=team.&kind=team&address=203&since=2026-01-01T00:00").text
    for said in (
        'name="actor" value="alice"', 'value="team." selected', 'value="team" selected', 'name="address" value="203"',
        'name="since" step="1" value="2026-01-01T00:00:00"', '<details class="fold" open',
    ):  # fmt: skip
        assert said in text
    assert "/audit/export?format=csv&amp;actor=alice" in text


def test_no_match_offers_the_way_back(dora: FlaskClient) -> None:
    text = dora.get("/audit?text=nothing&actor=nobody").text
    assert '<span class="chip">text:nothing</span>' in text
    assert 'href="/audit?text=nothing">Drop actor</a>' in text


def test_pages_keep_the_question(app: Flask, dora: FlaskClient) -> None:
    with app.app_context(), unit_of_work():
        for n in range(120):
            record(Action.TEAM_CREATED if n % 2 else Action.KEY_CREATED, None, name=f"n-{n:03}!")
    path, names = "/audit?action=team.&text=n-", []
    while path:
        page = dora.get(path).text
        names += re.findall(r"n-(\d{3})!", page)
        older = re.search(r'href="(/audit\?[^"]*before=\d+[^"]*)"', page)
        path = older.group(1).replace("&amp;", "&") if older else ""
    assert names == [f"{n:03}" for n in range(119, 0, -2)]


def test_a_search_ends_in_time(app: Flask) -> None:
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT max(i) FROM n"
    )
    with app.app_context():
        with (
            pytest.raises(Refused, match=r"gave up\. Narrow it\."),
            limited(db.session.connection(), 0.1, "Narrow it."),
        ):
            db.session.execute(text(endless))
        db.session.rollback()
        assert db.session.scalar(select(1)) == 1  # and the limit is gone


class TestOneEntry:
    def test_before_and_after_stand_side_by_side(self, dora: FlaskClient) -> None:
        page = re.sub(r"\s+", " ", dora.get("/audit/2").text)
        assert '<td>role</td><td class="mono changes">admin</td><td class="mono changes">auditor</td>' in page
        assert '<td>note</td><td class="mono changes"></td><td class="mono changes">Grüße_1</td>' in page
        assert '<td class="mono changes"></td><td class="mono changes">1, 2</td>' in dora.get("/audit/3").text

    def test_it_leads_to_what_belongs_to_it(self, dora: FlaskClient) -> None:
        text = dora.get("/audit/2").text
        for query in (
            "request_id=request-0042",
            "session=0123456789ab",
            "address=203.0.113.9",
            "actor=alice@example.org",
        ):
            assert f'href="/audit?{query}"' in text, query
            assert "person.changed" in found(dora, query)

    def test_it_says_whether_it_is_signed(self, dora: FlaskClient) -> None:
        assert "not yet" in dora.get("/audit/2").text
        dora.get("/audit/proof")
        assert "by checkpoint 1 over 5 entries" in dora.get("/audit/2").text

    def test_its_text_is_only_text(self, dora: FlaskClient) -> None:
        assert "100% &lt;b&gt;" in dora.get("/audit/4").text


def test_what_a_page_does_is_one_correlation(app: Flask, sign_in: SignIn) -> None:
    headers = {"X-Request-Id": "correlate-1"}
    assert sign_in("alice").post("/teams", data={"name": "Harbour"}, headers=headers).status_code == 302
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()
        assert (entry.request_id, len(str(entry.session)), entry.at <= now()) == ("correlate-1", 12, True)
