"""Every page for every role: it is whole, it says what a browser must know, it loads nothing foreign, it asks little."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient
from sqlalchemy import event, select

from console import create_app
from console.accounts.models import Permission, Person
from console.alerts import actions as alerts
from console.alerts.models import Kind
from console.apis.actions import import_document
from console.config import Config
from console.credentials.actions import Terms, create_key, create_secret
from console.db import db, unit_of_work
from console.logs import tail
from console.web.access import permission_of
from tests.conftest import ORDERS, Cast, SignIn, World
from tests.test_logs import a_batch, a_record, push, record, stored

MOST_QUERIES = 16  # in both databases together; test_page_queries holds them to less
PARTS = {"apis.convergence", "tail.tail", "tail.of_application"}  # asked for by a page, never by a person


@pytest.fixture
def places(app: Flask, cast: Cast, world: World, node: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Something for every number in an address: a draft beside the published version, secrets, keys, some traffic."""
    monkeypatch.setattr(tail, "LASTS_S", 0.0)
    rows = [a_record(path=f"/orders/v1/{i}", client_id=world.client_id, code=(200, 404, 503)[i % 3]) for i in range(60)]
    assert push(app, node, a_batch(*rows)).status_code == 200
    with app.app_context(), unit_of_work():
        alice, bob = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.bob)
        import_document(ORDERS.replace("version: 1.0.0", "version: 2.0.0"), alice.teams[0], by=alice)
        from console.applications.models import Application

        application = db.session.scalars(select(Application)).one()
        create_secret(application, by=bob)
        create_key(application, Terms("till"), by=bob)
        watch = alerts.Terms("Watch", Kind.ERROR_RATE, 5, 5, "status=5xx", ["ops@example.org"])
        alerts.try_rule(alerts.create_rule(bob.teams[0], watch, by=bob), by=bob)
    numbers = {"application_id": world.application_id, "person_id": cast.bob, "record_id": stored(app, record.c.id)[0]}
    return numbers | {
        "slug": "orders",
        "number": "1.0.0",
        "token": "x",
        "node_id": 1,
        "entry_id": 1,
        "rule_id": 1,
        "secret_id": 1,
        "key_id": 1,
        "revision": 1,
        "team_id": 1,
        "plan_name": "standard",
        "anchor": "post-orders",
        "part": "servers",
        "name": "Order",
        "subscription_id": 1,
    }


def pages(app: Flask, places: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Endpoint and address of every GET, of a draft as well."""
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.endpoint.startswith("rest."):  # which are no pages
            with app.test_request_context():
                yield rule.endpoint, rule.build({a: places[a] for a in rule.arguments})[1]  # type: ignore[index]
                if "number" in rule.arguments:
                    yield rule.endpoint, rule.build({a: places[a] for a in rule.arguments} | {"number": "2.0.0"})[1]  # type: ignore[index]


def browser_of(app: Flask, sign_in: SignIn, name: str) -> FlaskClient:
    return sign_in(name) if name else app.test_client()


class Reader(HTMLParser):
    """What a page is made of, and tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.drawing = False
        self.said: list[tuple[str, str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.drawing = tag == "svg" or self.drawing
        self.tags["svg title" if self.drawing and tag == "title" else tag] += 1
        self.said += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.drawing = self.drawing and tag != "svg"

    def values(self, *names: str) -> list[str]:
        return [value for _, name, value in self.said if name in names]


WALKS: dict[str, list[tuple[str, Any]]] = {}


@pytest.fixture(params=["", "alice", "bob", "dora"])
def walked(request: pytest.FixtureRequest) -> list[tuple[str, Any]]:
    """Every page that opens, as one of the cast, or nobody, sees it. Walked once, because the tests only read."""
    if request.param not in WALKS:
        app, sign_in, places = map(request.getfixturevalue, ("app", "sign_in", "places"))
        WALKS[request.param] = list(walk(app, browser_of(app, sign_in, request.param), places))
    return WALKS[request.param]


def walk(app: Flask, browser: FlaskClient, places: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for endpoint, path in pages(app, places):
        answer = browser.get(path, buffered=True)
        expected = {200, 302, 404, 409} if permission_of(app, endpoint) == Permission.PUBLIC else {200, 302, 403, 404}
        assert answer.status_code in expected, path
        if answer.mimetype == "text/html" and answer.status_code != 302 and endpoint not in PARTS:
            yield path, answer


def test_every_page_is_whole(walked: list[tuple[str, Any]]) -> None:
    assert len(walked) > 4
    for path, answer in walked:
        page = Reader(answer.text)
        assert (page.tags["h1"], page.tags["title"], page.tags["main"], page.tags["html"]) == (1, 1, 1, 1), path
        assert re.search(r"<title>\S.* · Gatewright</title>", answer.text), path
        assert ("html", "lang", "en") in page.said, path
        ids = page.values("id")
        assert len(ids) == len(set(ids)), (path, [i for i, n in Counter(ids).items() if n > 1])


def test_every_page_holds_to_the_policy(walked: list[tuple[str, Any]]) -> None:
    for path, answer in walked:
        page = Reader(answer.text)
        inline = [(tag, name) for tag, name, _ in page.said if name == "style" or name.startswith(("on", "hx-on"))]
        assert (inline, page.tags["style"]) == ([], 0), path
        assert page.tags["script"] == len([1 for tag, name, _ in page.said if (tag, name) == ("script", "src")]), path
        loaded = [v for t, n, v in page.said if n in ("src", "srcset") or (t, n) in (("link", "href"), ("use", "href"))]
        assert all(v.startswith("/static/") for v in loaded), (path, loaded)
        assert all(
            v.startswith("/") and not v.startswith("//") for v in page.values("action", "formaction", "hx-get")
        ), path
        assert not any(v.lower().startswith("javascript:") for v in page.values("href")), path


def test_every_label_names_a_field(walked: list[tuple[str, Any]]) -> None:
    for path, answer in walked:
        page = Reader(answer.text)
        ids = set(page.values("id"))
        named = {
            i for v in page.values("for", "aria-describedby", "aria-labelledby", "popovertarget") for i in v.split()
        }
        assert named <= ids, (path, named - ids)


def test_every_answer_says_what_browsers_must_not_do(walked: list[tuple[str, Any]]) -> None:
    for path, answer in walked:
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy, path
        assert {"default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(
            policy.split("; ")
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in answer.headers
        assert "public" not in answer.headers["Cache-Control"]


def test_what_pages_load_is_there(client: FlaskClient) -> None:
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', client.get("/login").text):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert not re.search(rb"""(url\(|@import\s*)["']?(https?:)?//""", answer.data), path


def test_over_https_browsers_stay_there(app: Flask, config: Config, cast: Cast) -> None:
    with_https = create_app(Config(**vars(config) | {"public_url": "https://console.example"}))
    answer = with_https.test_client().get("/login", base_url="https://console.example")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


@pytest.fixture
def many(app: Flask, cast: Cast, world: World, places: dict[str, Any]) -> dict[str, Any]:
    """So much of everything that a query for each row would show."""
    with app.app_context(), unit_of_work():
        alice, bob = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.bob)
        from tests.conftest import publish, subscribed

        for n in range(3, 12):
            made = publish(alice, ["signed", "key"], ORDERS.replace("title: Orders", f"title: Api {n}"), f"/api/v{n}")
            subscribed(made, bob, alice, f"App {n}")
    return places


@pytest.mark.parametrize("name", ["alice", "bob", "dora"])
def test_no_page_asks_the_database_much(
    app: Flask, sign_in: SignIn, many: dict[str, Any], name: str, record_property: Any
) -> None:
    browser, asked = sign_in(name), Counter[str]()
    browser.get("/login")  # what is asked once per process

    def count(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        # taking turns to write is SQLite's BEGIN IMMEDIATE, and a statement only on PostgreSQL
        asked[path] += not statement.startswith(("BEGIN", "PRAGMA", "SET LOCAL", "SELECT pg_advisory_xact_lock"))

    with app.app_context():
        engines = [db.engine, app.extensions["gatewright"].logs.engine]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", count)
    for _, path in pages(app, many):
        browser.get(path, buffered=True)
    record_property("queries", asked.most_common(5))
    print(asked.most_common(5))
    assert {path: n for path, n in asked.items() if n > MOST_QUERIES} == {}


LISTS = [
    "/apis",
    "/catalog",
    "/applications",
    "/approvals",
    "/people",
    "/logs",
    "/logs/rejected",
    "/nodes",
    "/keys",
    "/audit",
    "/",
]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "query",
    [
        "q=%00&path=%00&actor=%00",
        "after=99999999999999999999&before=99999999999999999999",
        "after=-1&before=-1",
        "after=x&before=x&range=x&state=x&status=x",
        "q=%25%5F%5C'\"<script>",
    ],
)
def test_strange_questions_break_no_page(sign_in: SignIn, world: World, path: str, query: str) -> None:
    answer = sign_in("alice").get(f"{path}?{query}")
    assert answer.status_code in (200, 400)
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "path", ["/people/{}", "/audit/{}", "/logs/{}", "/nodes/{}", "/applications/{}", "/applications/{}/logs/{}"]
)
def test_numbers_too_large_are_nothing(sign_in: SignIn, world: World, path: str) -> None:
    alice = sign_in("alice")
    for number in (0, 2**31, 2**63, 10**30):
        assert alice.get(path.format(number, number)).status_code in (400, 404), number


def test_what_is_not_there_is_told_kindly(client: FlaskClient, sign_in: SignIn) -> None:
    for browser in (client, sign_in("bob")):
        answer = browser.get("/nothing")
        assert (answer.status_code, "There is nothing here" in answer.text) == (404, True)
        assert browser.get("/static/../pyproject.toml").status_code == 404
        assert browser.delete("/login", headers={"Sec-Fetch-Site": "none"}).status_code == 405


def test_what_breaks_is_numbered(app: Flask, client: FlaskClient) -> None:
    app.add_url_rule("/broken", view_func=lambda: 1 / 0)
    app.view_functions["<lambda>"].permission = Permission.PUBLIC  # type: ignore[attr-defined]
    answer = client.get("/broken", headers={"X-Request-Id": "number-0042"})
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (500, "number-0042")
    assert "number-0042" in answer.text
    assert "ZeroDivisionError" not in answer.text


@pytest.mark.parametrize("page", ["/logs", "/apis", "/audit", "/catalog"])
def test_a_part_of_a_page_is_only_that(sign_in: SignIn, places: dict[str, Any], page: str) -> None:
    answer = sign_in("alice").get(page, headers={"HX-Request": "true", "HX-Request-Type": "partial"})
    assert "<html" not in answer.text
    assert "HX-Request-Type" in answer.headers["Vary"]


def test_icons_have_names(app: Flask) -> None:
    with app.test_request_context():
        used = '{% from "_icons.html" import icon %}{{ icon(name) }}'
        assert "<svg" in render_template_string(used, name="check")
        with pytest.raises(Exception, match=r"no attribute 'no-such-icon'"):
            render_template_string(used, name="no-such-icon")


def test_templates_name_icons_that_there_are(app: Flask) -> None:
    templates = Path(app.root_path).parent / "templates"
    known = set(re.findall(r"^  '([a-z0-9-]+)':", (templates / "_icons.html").read_text(), re.MULTILINE))
    used = {
        (name, file.name)
        for file in templates.rglob("*.html")
        for name in re.findall(r'icon\("([a-z0-9-]+)"', file.read_text())
    }
    assert {pair for pair in used if pair[0] not in known} == set()
