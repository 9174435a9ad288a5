"""The log page: facets that count what is there, words and filters in one box, searches a team keeps, and a tail."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from console.db import now
from console.logs import facets as facet_module
from console.logs import histogram as histogram_module
from console.logs import search, tail
from console.logs.facets import facets
from console.logs.histogram import histogram
from console.logs.question import Question
from console.logs.store import moment_of
from tests.conftest import SignIn, World, trail
from tests.ingested import stored
from tests.test_logs import a_batch, a_record, push

HOUR_NS = 3_600_000_000_000
REASON = "rbac_access_denied_matched_policy[insufficient_scope]"


@pytest.fixture
def calls(app: Flask, node: str, world: World) -> list[Any]:
    """Three hundred calls of two days; what is stored."""
    chance, clock, made = random.Random(3), time.time_ns(), []
    for number in range(300):
        code = chance.choice((200, 201, 404, 403, 503))
        made.append(
            a_record(
                clock - chance.randrange(47 * HOUR_NS),
                code=code,
                path=chance.choice((f"/orders/v1/orders/{number}", "/orders/v1/orders", "/nobody")),
                method=chance.choice(("GET", "POST")),
                client_id=chance.choice((world.client_id, "app-other", "")),
                duration_us=chance.randrange(1_000_000),
                **{"gatewright.reason": REASON} if code == 403 else {},
            )
        )
    assert push(app, node, a_batch(*made)).status_code == 200
    return stored(app)


def truth(rows: list[Any], name: str) -> dict[Any, int]:
    values = {
        "status": lambda r: r.status // 100,
        "api": lambda r: r.version_id,
        "operation": lambda r: f"{r.method} {r.operation}" if r.operation else "",
        "application": lambda r: r.client_id,
        "node": lambda r: r.node_id,
        "method": lambda r: r.method,
        "country": lambda r: r.country,
        "reason": lambda r: r.reason,
    }
    return {k: n for k, n in Counter(map(values[name], rows)).items() if k not in ("", 0)}


QUESTIONS: list[tuple[dict[str, Any], Any]] = [
    ({}, lambda r: True),
    ({"classes": frozenset({"4xx"})}, lambda r: r.status // 100 == 4),
    ({"client_ids": frozenset({"app-other"})}, lambda r: r.client_id == "app-other"),
    ({"methods": frozenset({"POST"})}, lambda r: r.method == "POST"),
    ({"operations": frozenset({"GET /orders"})}, lambda r: (r.method, r.operation) == ("GET", "/orders")),
    ({"node_ids": frozenset({1})}, lambda r: r.node_id == 1),
    ({"classes": frozenset({"2xx"})}, lambda r: r.status < 300),
    ({"over_us": 500_000}, lambda r: r.duration_us > 500_000),
    ({"words": "orders/2"}, lambda r: "orders/2" in r.path),
    ({"reasons": frozenset({REASON})}, lambda r: r.reason == REASON),
    (
        {"classes": frozenset({"2xx"}), "client_ids": frozenset({"app-other"})},
        lambda r: r.status < 300 and r.client_id == "app-other",
    ),
]
OWN = {
    "status": {"classes", "statuses"},
    "application": {"client_ids"},
    "node": {"node_ids"},
    "method": {"methods"},
    "country": {"countries"},
    "operation": {"operations"},
    "reason": {"reasons"},
}


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_a_facet_counts_what_is_there(
    app: Flask, calls: list[Any], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over days, where most counts come from the sums; the hours of both ends are whole."""
    monkeypatch.setattr("console.logs.facets.PATIENCE_S", 30.0)  # a busy machine would look at fewer days
    asked, _ = QUESTIONS[number]
    until = now()
    with app.app_context():
        found, _ = facets(Question(**asked), until - timedelta(days=3), until)
    for facet in found:
        # a facet is offered with every value that it may have instead of its own filter
        others = [
            q for q in QUESTIONS if q[0] == {k: v for k, v in asked.items() if k not in OWN.get(facet.name, set())}
        ]
        assert others, (facet.name, asked)
        inside = [r for r in calls if others[0][1](r)]
        assert dict(facet.counts) == truth(inside, facet.name), (facet.name, facet.sampled)


def test_within_an_hour_it_is_counted_from_the_records(app: Flask, node: str, world: World) -> None:
    clock = time.time_ns()
    push(app, node, a_batch(*(a_record(clock - n * 60_000_000_000, code=200 + n) for n in range(20))))
    with app.app_context():
        found, _ = facets(Question(), now() - timedelta(minutes=10.5), now())
    assert {facet.name: sum(n for _, n in facet.counts) for facet in found if facet.name in ("status", "api")} == {
        "status": 11, "api": 11,
    }  # fmt: skip
    assert {facet.sampled for facet in found} == {0}, "all there are were counted"


def test_a_sample_is_called_one(app: Flask, sign_in: SignIn, calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "of the newest" not in sign_in("alice").get("/logs?q=orders&range=7d").text
    monkeypatch.setattr(facet_module, "PATIENCE_S", 60)
    for most in (10, 50, 100):  # within a day, or the end of the day before
        monkeypatch.setattr(facet_module, "LOOKED_AT", most)
        with app.app_context():
            found = {f.name: f for f in facets(Question(words="orders"), now() - timedelta(days=3), now())[0]}
        assert found["status"].sampled == most == sum(n for _, n in found["status"].counts)
    assert "of the newest 100<" in sign_in("alice").get("/logs?q=orders&range=7d").text


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_the_histogram_counts_what_is_there(app: Flask, calls: list[Any], number: int) -> None:
    asked, fits = QUESTIONS[number]
    wanted = sum(map(fits, calls))
    with app.app_context():
        for days in (3, 0.5):
            until, since = now(), now() - timedelta(days=days)
            buckets = histogram(Question(**asked), since, until)
            inside = sum(fits(r) for r in calls if moment_of(r.id) >= since)
            if days > 1:
                assert (sum(b.total for b in buckets), inside) == (wanted, wanted)
            else:
                assert sum(b.total for b in buckets) == inside
            assert all(b.is_counted for b in buckets)


def test_what_there_was_no_time_to_count_is_not_called_zero(
    app: Flask, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histogram_module, "MOST_S", -1)
    with app.app_context():
        buckets = histogram(Question(words="orders"), now() - timedelta(days=3), now())
    assert not any(b.is_counted for b in buckets)


def test_a_search_that_takes_long_shows_how_far_it_looked(
    app: Flask, sign_in: SignIn, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        found = search.look(Question(words="nothing like it"), patience_s=-1)
    assert (found.rows, found.gave_up) == ([], True)
    assert found.older > calls[-1].id
    monkeypatch.setattr(search.look, "__kwdefaults__", {**search.look.__kwdefaults__, "patience_s": -1})
    page = sign_in("alice").get("/logs?q=nothing").text
    assert "Look further back" in page
    assert "No call matches" not in page


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ({"q": "status:403"}, lambda r: r.status == 403),
        ({"q": "status:4xx method:post"}, lambda r: r.status // 100 == 4 and r.method == "POST"),
        ({"q": "app:app-other"}, lambda r: r.client_id == "app-other"),
        ({"q": "app:Shop"}, lambda r: r.client_id.startswith("app-") and r.client_id != "app-other"),
        ({"q": 'op:"GET /orders"'}, lambda r: (r.method, r.operation) == ("GET", "/orders")),
        ({"q": "api:orders"}, lambda r: r.version_id == 1),
        ({"q": "api:orders@9"}, lambda r: False),
        ({"q": "ms:>500 node:gw-1"}, lambda r: r.duration_us > 500_000),
        ({"q": "node:other"}, lambda r: False),
        ({"q": "orders/1 insufficient"}, lambda r: "orders/1" in r.path and r.status == 403),
        ({"q": "nonsense:words"}, lambda r: False),
        ({"status": ["403", "5xx"]}, lambda r: r.status == 403 or r.status >= 500),
        ({"reason": REASON}, lambda r: r.reason == REASON),
        ({"api": ["orders@1.0.0", "none"]}, lambda r: r.version_id == 1),
        ({"over": "999"}, lambda r: r.duration_us > 999_000),
        ({"over": "words"}, lambda r: True),
    ],
)
def test_words_and_filters(sign_in: SignIn, calls: list[Any], query: dict[str, Any], fits: Any) -> None:
    page = sign_in("alice").get("/logs", query_string=query)
    wanted = [r for r in calls if fits(r)][::-1][:50]
    assert re.findall(r'id="r-(\d+)"', page.text) == [str(r.id) for r in wanted]


def test_a_trace_is_found(app: Flask, sign_in: SignIn, node: str) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    push(
        app,
        node,
        a_batch(
            *(
                a_record(path=f"/{n}", **{"gatewright.traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})
                for n in range(2)
            ),
            a_record(),
        ),
    )
    for query in (f"trace_id={trace_id.upper()}", f"q=trace:{trace_id}", f"q={trace_id}"):
        assert len(re.findall(r'id="r-\d+"', sign_in("alice").get(f"/logs?{query}").text)) == 2, query


def test_each_filter_can_be_dropped(sign_in: SignIn, calls: list[Any]) -> None:
    page = sign_in("alice").get("/logs?q=status:403+path:/x&method=GET&method=POST").text
    chips = dict(re.findall(r'class="chip">([^<]+)<a href="/logs\?([^"]*)"', page))
    assert set(chips) == {"status:403", "path:/x", "method:GET", "method:POST"}
    assert chips["method:GET"].replace("&amp;", "&") == "status=403&method=POST&path=%2Fx"


def test_times_are_the_readers(sign_in: SignIn, calls: list[Any]) -> None:
    alice = sign_in("alice")
    alice.set_cookie("tz", "Asia/Tokyo")
    page = alice.get("/logs?since=2026-01-01T09:00:00").text
    assert "Times are Asia/Tokyo" in page
    assert "since=2026-01-01T00%3A00%3A00Z" in page
    assert 'value="2026-01-01T09:00:00"' in page
    at = moment_of(calls[-1].id)
    assert f"{at + timedelta(hours=9):%H:%M:%S}" in page
    assert f'title="{at:%Y-%m-%d %H:%M:%S}' in page


@pytest.mark.parametrize("zone", ["", "Nowhere/Else", "../../etc/passwd", "/etc/passwd", "\x00", "Europe", "a" * 4000])
def test_a_strange_zone_is_utc(sign_in: SignIn, calls: list[Any], zone: str) -> None:
    alice = sign_in("alice")
    alice.set_cookie("tz", zone)
    assert "Times are UTC" in alice.get("/logs").text


class TestKeptSearches:
    def test_a_search_is_kept_for_the_team(self, app: Flask, sign_in: SignIn, calls: list[Any]) -> None:
        dora = sign_in("dora")
        answer = dora.post("/logs/searches", data={"name": " Bad  ones ", "filters": "status=5xx&before=7&evil=1&q=x"})
        assert (answer.status_code, answer.location) == (302, "/logs?status=5xx&q=x")
        assert (
            '<a class="pill" href="/logs?status=5xx&amp;q=x" aria-current="page">Bad ones</a>'
            in dora.get(answer.location).text
        )
        assert "Bad ones" not in sign_in("alice").get("/logs").text
        assert "search.saved" in trail(app)

    def test_the_same_name_again_replaces_it(self, sign_in: SignIn, calls: list[Any]) -> None:
        dora = sign_in("dora")
        for filters in ("status=5xx", "status=4xx"):
            dora.post("/logs/searches", data={"name": "Bad ones", "filters": filters})
        page = dora.get("/logs").text
        assert (page.count(">Bad ones<"), "status=4xx" in page) == (1, True)

    @pytest.mark.parametrize(
        ("name", "filters"),
        [("", "status=5xx"), ("x" * 41, "status=5xx"), ("x", ""), ("x", "evil=1"), ("x", "q=" + "x" * 3000)],
    )
    def test_what_is_none_is_refused(self, app: Flask, sign_in: SignIn, name: str, filters: str) -> None:
        assert sign_in("dora").post("/logs/searches", data={"name": name, "filters": filters}).status_code == 409
        assert "search.saved" not in trail(app)

    def test_only_the_team_forgets_it(self, app: Flask, sign_in: SignIn, calls: list[Any]) -> None:
        dora = sign_in("dora")
        dora.post("/logs/searches", data={"name": "Bad ones", "filters": "status=5xx"})
        assert sign_in("alice").post("/logs/searches/1/forget").status_code == 404
        assert "Bad ones" in dora.get("/logs").text
        assert dora.post("/logs/searches/1/forget").status_code == 302
        assert "Bad ones" not in dora.get("/logs").text.replace("Bad ones is no longer kept", "")
        assert trail(app)[-1] == "search.forgotten"


class TestTail:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tail, "LASTS_S", 1.2)
        monkeypatch.setattr(tail, "LOOKS_EVERY_S", 0.1)

    def events(self, answer: Any) -> list[tuple[str, list[str]]]:
        """Id, and the paths of its rows."""
        said = re.findall(r"id: (\d+)\ndata: (.*)\n\n", answer.get_data(as_text=True))
        return [(number, re.findall(r"/orders/v1/orders/\d+(?=<)", rows)) for number, rows in said]

    def test_it_tells_what_comes(self, app: Flask, node: str, sign_in: SignIn, calls: list[Any]) -> None:
        answer = sign_in("alice").get(f"/logs/tail?status=2xx&after={calls[-1].id}")
        assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
        for number in (1001, 1002):
            push(app, node, a_batch(a_record(path=f"/orders/v1/orders/{number}"), a_record(code=500)))
        (only,) = self.events(answer)
        assert only[1] == ["/orders/v1/orders/1002", "/orders/v1/orders/1001"], "the newest on top, as in the table"

    def test_it_goes_on_where_it_was(self, app: Flask, node: str, sign_in: SignIn, calls: list[Any]) -> None:
        answer = sign_in("alice").get("/logs/tail", headers={"Last-Event-ID": str(calls[-3].id)})
        assert self.events(answer)[0][0] == str(calls[-1].id)

    def test_there_are_only_so_many(self, app: Flask, sign_in: SignIn, calls: list[Any]) -> None:
        alice = sign_in("alice")
        most = app.extensions["gatewright"].config.threads // 2
        open_ones = [alice.get("/logs/tail") for _ in range(most)]
        refused = alice.get("/logs/tail")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        for answer in open_ones:
            answer.close()
        assert alice.get("/logs/tail", buffered=True).status_code == 200

    def test_a_developer_hears_of_her_calls_only(
        self, app: Flask, node: str, sign_in: SignIn, world: World, calls: list[Any]
    ) -> None:
        answer = sign_in("bob").get(f"/applications/{world.application_id}/logs/tail?after={calls[-1].id}")
        push(
            app,
            node,
            a_batch(
                *(a_record(path=f"/orders/v1/orders/{n}", client_id=c) for n, c in ((1, world.client_id), (2, "")))
            ),
        )
        assert [rows for _, rows in self.events(answer)] == [["/orders/v1/orders/1"]]
        assert sign_in("carol").get(f"/applications/{world.application_id}/logs/tail").status_code == 404
        assert sign_in("bob").get("/logs/tail").status_code == 403


def test_a_record_leads_to_its_relatives(app: Flask, sign_in: SignIn, calls: list[Any]) -> None:
    record = next(r for r in calls[::-1] if r.status == 403)
    page = sign_in("alice").get(f"/logs/{record.id}").text
    for words, address in re.findall(r'class="link" href="(/logs\?[^"]+)">([^<]+)<', page):
        rows = re.findall(r'id="r-(\d+)"', sign_in("alice").get(words.replace("&amp;", "&")).text)
        assert str(record.id) in rows, address
    assert "Send" not in page
    assert "insufficient_scope" in page
    failed = re.findall(r'class="t-bad fail">.*?</svg>([^<]+)<', page)
    assert failed == ["Scope"]


def test_facets_are_offered_where_they_say_something(sign_in: SignIn, calls: list[Any], world: World) -> None:
    page = sign_in("bob").get(f"/applications/{world.application_id}/logs").text
    assert 'id="facet-application"' not in page
    part = sign_in("alice").get("/logs?status=5xx", headers={"HX-Request": "true", "HX-Request-Type": "partial"}).text
    assert '<div id="offered" hx-swap-oob="innerMorph">' in part
    assert "<html" not in part
    assert re.search(r'name="status" value="5xx" checked', part)


def test_calls_are_found_by_the_plan_of_their_application(sign_in: SignIn, calls: list[Any], world: World) -> None:
    mine = sum(row.client_id == world.client_id for row in calls)
    alice = sign_in("alice")
    page = alice.get("/logs?api=orders@1.0.0&range=7d").text
    assert re.search(rf'name="plan" value="standard".*?{mine}<', page, re.DOTALL)
    for query in ("plan=standard", "plan=orders@1.0.0/standard", "q=plan:standard"):
        found = alice.get(f"/logs?{query}&range=7d").text
        assert world.client_id in found or "Shop" in found, query
        assert "app-other" not in found.split('id="results"')[-1], query
    assert (
        "No call" in alice.get("/logs?plan=gold&range=7d").text
        or "0 calls" in alice.get("/logs?plan=gold&range=7d").text
    )
