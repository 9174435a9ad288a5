"""The page of a version's usage: what its chart says and draws, who may see it, and what is on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from flask import Flask

from console.accounts.models import Person
from console.apis.models import ApiVersion
from console.apis.sunset import deprecate_version
from console.apis.working import working
from console.db import db, now, unit_of_work
from console.web.stacks import Layer, Stack, finding, stacked, trend
from tests.conftest import Cast, SignIn, World
from tests.test_usage import add, calls

DAY = timedelta(days=1)


class TestChart:
    FIRST = date(2026, 11, 1)

    def stack(self, *counts: list[int], end: date | None = None) -> Stack:
        layers = [Layer(f"<{i}>", list(one), f"a{i}") for i, one in enumerate(counts, 1)]
        return Stack(layers, self.FIRST, len(counts[0]), end)

    def test_a_trend_goes_on(self) -> None:
        assert trend([100, *range(28, 0, -2)]) == pytest.approx((2, -2))
        assert trend([1, 2, 3]) is None
        assert trend([0] * 20) is None

    def test_what_is_expected_at_the_end(self) -> None:
        falling = [300 - 10 * i for i in range(20)]
        assert self.stack(falling, end=self.FIRST + 22 * DAY).expected == pytest.approx(80)
        assert self.stack(falling, end=self.FIRST + 90 * DAY).expected == 0
        assert self.stack(falling).expected is None
        assert self.stack(falling, end=self.FIRST).expected is None, "the end is over"

    def test_the_label_states_the_finding_and_names_are_only_names(self) -> None:
        found = self.stack([6, 3, 1], [2, 0, 0], end=self.FIRST + 4 * DAY)
        assert finding(found).startswith("12 calls in 3 days: ")
        svg = str(stacked(found))
        assert "<1>" not in svg
        assert svg.count("<svg") == 2
        assert svg.count('class="a1 soft"') == 2, "today, which is not over, drawn for either width"
        assert "ends 5 Nov" in svg
        assert "style=" not in svg

    def test_an_end_that_is_far_away_is_told_only(self) -> None:
        svg = str(stacked(self.stack([1, 2, 3], end=self.FIRST + 300 * DAY)))
        assert "Ends 28 Aug 2027" in svg
        assert 'class="today"' not in svg

    def test_nothing_is_drawn_of_nothing(self) -> None:
        assert finding(self.stack([0, 0])) == "No calls in 2 days"


@pytest.fixture
def called(app: Flask, world: World) -> Iterator[World]:
    with app.app_context():
        logs = app.extensions["gatewright"].logs
        for back in range(20):
            at = now() - back * DAY
            add(logs, *calls(at, 20 - back, world.client_id), *calls(at, 2, "app-<b>gone"))
        add(logs, *calls(now(), 3, world.client_id, "", path="/orders/v1/labels/77123", status=418))
        yield world


class TestPage:
    def test_it_says_who_is_left_and_what_is_not_described(self, called: World, sign_in: SignIn) -> None:
        page = sign_in("dora").get("/apis/orders/1.0.0/usage")
        assert page.status_code == 200
        for words in (
            'aria-label="253 calls in 30 days: Shop 84.2 %', "Shop", "app-&lt;b&gt;gone", "Never called", "GET /labels/{id}",
            "/labels/{labelId}:", "&#39;418&#39;:", "The chart as a table",
        ):  # fmt: skip
            assert words in page.text, words
        assert "style=" not in page.text.replace("stylesheet", "")
        assert "Counted since" not in page.text

    def test_the_days_can_be_chosen_and_nothing_else(self, called: World, sign_in: SignIn) -> None:
        browser = sign_in("alice")
        assert "253 calls in 90 days" in browser.get("/apis/orders/1.0.0/usage?days=90").text
        for wrong in ("91", "x", "-1", "९०"):
            assert "253 calls in 30 days" in browser.get("/apis/orders/1.0.0/usage", query_string={"days": wrong}).text

    def test_a_version_that_nobody_calls(self, world: World, sign_in: SignIn) -> None:
        page = sign_in("alice").get("/apis/orders/1.0.0/usage").text
        assert "Nobody called this version in 30 days." in page
        assert "Applications that call this version appear here." in page

    def test_it_is_linked_from_the_version(self, world: World, sign_in: SignIn) -> None:
        assert 'href="/apis/orders/1.0.0/usage"' in sign_in("alice").get("/apis/orders/1.0.0").text

    def test_developers_may_not(self, called: World, sign_in: SignIn) -> None:
        assert sign_in("bob").get("/apis/orders/1.0.0/usage").status_code == 403

    def test_a_draft_goes_into_the_document_once(self, app: Flask, called: World, sign_in: SignIn) -> None:
        alice, here = sign_in("alice"), "/apis/orders/1.0.0/usage"
        edits = re.search(r'name="edits" value="(\d+)"', alice.get(here).text)
        assert edits
        asked = {"method": "GET", "path": "/labels/{id}", "edits": edits[1]}
        assert alice.post(f"{here}/describe", data=asked | {"edits": 0}).status_code == 409
        answer = alice.post(f"{here}/describe", data=asked)
        assert answer.status_code == 302
        assert "418" in alice.get(answer.location).text
        with app.app_context():
            version = db.session.get_one(ApiVersion, called.version_id)
            assert "/labels/{labelId}" in working(version).document["paths"]
            assert "/labels/{labelId}" not in version.document["paths"]
            asked["edits"] = str(version.edits)
        again = alice.post(f"{here}/describe", data=asked)
        assert again.status_code == 409
        assert "is described already" in again.text
        assert alice.post(f"{here}/describe", data=asked | {"path": "/no"}).status_code == 404
        assert sign_in("dora").post(f"{here}/describe", data=asked).status_code == 403

    def test_the_end_is_drawn_where_there_is_one(self, app: Flask, cast: Cast, called: World, sign_in: SignIn) -> None:
        with app.app_context(), unit_of_work():
            version = db.session.get_one(ApiVersion, called.version_id)
            alice = db.session.get_one(Person, cast.alice)
            deprecate_version(version, sunset_at=now() + 31 * DAY, successor=None, note="", by=alice)
        page = sign_in("alice").get("/apis/orders/1.0.0/usage").text
        assert "Calls until the end" in page
        assert "a day still" in page or "none left" in page
