"""Trying an operation from the catalog: a real console, a real Envoy, the sample backend."""

from __future__ import annotations

import html
import json
import re
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from flask import Flask
from flask.testing import FlaskClient
from profiled import answering
from programs import Installation, installation, wait_until
from sqlalchemy import select

from console import create_app
from console.accounts.models import Person, Role, Team
from console.accounts.passwords import hash_password
from console.apis.actions import Choices, import_document, publish_version
from console.applications.actions import approve_subscription, create_application, subscribe
from console.audit.models import AuditEntry
from console.config import load
from console.credentials.models import ApiKey
from console.db import db, unit_of_work
from console.gateway.models import Node
from console.runtime import generation
from tests.conftest import PASSWORD

pytestmark = pytest.mark.envoy

DOCUMENT = """
openapi: 3.1.0
info: {title: NAME, version: 1.0.0}
paths:
  /echo/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    post:
      parameters:
        - {name: tag, in: query, schema: {type: array, items: {type: string}}}
        - {name: X-Note, in: header, schema: {type: string}}
        - {name: Authorization, in: header, schema: {type: string}}
      requestBody: {content: {application/json: {schema: {type: object, properties: {a: {type: integer, example: 5}}}}}}
      responses: {'200': {description: ok}}
  /image: {get: {responses: {'200': {description: ok}}}}
  /large: {get: {responses: {'200': {description: ok}}}}
  /away: {get: {responses: {'302': {description: elsewhere}}}}
  /drops: {get: {responses: {'200': {description: ok}}}}
"""
KINDS = {"signed": ["signed"], "encrypted": ["encrypted"], "key": ["key"], "open": ["open"]}


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = {
            "path": self.path,
            "note": self.headers.get("X-Note"),
            "body": body.decode(),
            "kind": self.headers.get("Content-Type"),
        }
        self._answer(200, "application/json", json.dumps(said).encode())

    def do_GET(self) -> None:
        if self.path == "/drops":
            return self._drop_by_drop()
        what = {
            "/image": (200, "image/png", b"\x89PNG\x00\xff" * 10),
            "/large": (200, "text/plain", b"x" * 2_000_000),
            "/away": (302, "text/plain", b"elsewhere"),
        }
        return self._answer(*what[self.path])

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/nowhere")
        self.end_headers()
        self.wfile.write(body)

    def _drop_by_drop(self) -> None:
        import time

        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Connection", "close")
        self.end_headers()
        for _ in range(40):
            self.wfile.write(b".")
            self.wfile.flush()
            time.sleep(0.5)

    def log_message(self, format: str, *args: object) -> None:
        pass


class World:
    """A console of the test's own beside the running one, over the same databases."""

    def __init__(self, me: Installation, app: Flask) -> None:
        self.me, self.app = me, app

    def browser(self, name: str) -> FlaskClient:
        browser = self.app.test_client()
        browser.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        assert browser.post("/login", data={"email": f"{name}@example.org", "password": PASSWORD}).status_code == 302
        return browser

    def trail(self) -> list[str]:
        with self.app.app_context():
            query = select(AuditEntry.action).where(AuditEntry.action.not_like("person%")).order_by(AuditEntry.id)
            return [str(a) for a in db.session.scalars(query)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("try") / "home"
    with installation(home) as me, answering(Backend) as url:
        ports = {"PORT": me.console, "GATEWAY_PORT": me.gateway, "SAMPLE_PORT": me.sample}
        env = {f"GATEWRIGHT_{name}": address.rpartition(":")[2] for name, address in ports.items()}
        app = create_app(load(env | {"GATEWRIGHT_HOME": str(me.home), "GATEWRIGHT_LOG_LEVEL": "error"}))
        fill(app, url)
        yield World(me, app)
        app.extensions["gatewright"].logs.dispose()


def fill(app: Flask, url: str) -> None:
    with app.app_context(), unit_of_work():
        team, other = Team(name="Shop"), Team(name="Freight")
        bob = Person(
            email="bob@example.org", name="Bob", role=Role.ADMIN, password_hash=hash_password(PASSWORD), teams=[team]
        )
        carol = Person(
            email="carol@example.org",
            name="Carol",
            role=Role.DEVELOPER,
            password_hash=hash_password(PASSWORD),
            teams=[other],
        )
        db.session.add_all([bob, carol])
        db.session.flush()
        application = create_application("Till", "", team, by=bob)
        for name, accepts in KINDS.items():
            version = import_document(DOCUMENT.replace("NAME", name), team, by=bob)
            publish_version(version, Choices(url, f"/{name}/v1", accepts, 900), edits=version.edits, by=bob)
            if name != "open":
                approve_subscription(subscribe(application, version, "to try", by=bob), by=bob)

    def is_applied() -> bool:
        with app.app_context():
            return db.session.scalar(select(Node.applied_generation)) == generation(0)

    wait_until(is_applied, 20)


ECHO = "/catalog/{}/1.0.0/operations/post-echo-id"
GOOD = {"application": "1", "path.id": "7", "media": "application/json", "body": '{"a": 5}'}


def shown(text: str) -> dict[str, str]:
    """Status and body of the answer that the page shows."""
    part = text[text.index('id="answer"') :]
    body = re.search(r'<pre class="codebox"[^>]*>(.*?)</pre>', part, re.DOTALL)
    status = re.search(r'<span class="tag t-\w+">(\d+)', part)
    assert status is not None
    return {"status": status[1], "body": html.unescape(re.sub(r"<[^>]+>", "", body[1])) if body else ""}


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_goes_through_the_gateway_with_the_credential_it_takes(world: World, kind: str) -> None:
    bob, before = world.browser("bob"), world.trail()
    answer = bob.post(ECHO.format(kind) + "/try", data=GOOD | {"query.tag": "a&b, c", "header.X-Note": "hello"})
    assert answer.status_code == 200, answer.text
    said = shown(answer.text)
    assert said["status"] == "200", said
    came = json.loads(said["body"])
    assert came == {"path": "/echo/7?tag=a%26b&tag=c", "note": "hello", "body": '{"a": 5}', "kind": "application/json"}
    issued = {
        "signed": ["token.issued"],
        "encrypted": ["token.issued"],
        "key": ["key.created", "key.revoked"],
        "open": [],
    }
    assert world.trail()[len(before) :] == issued[kind]
    assert answer.headers["Cache-Control"] == "no-store"


def test_no_secret_is_on_the_page_and_the_key_is_gone(world: World) -> None:
    texts = [
        world.browser("bob").post(ECHO.format(kind) + "/try", data=GOOD).text for kind in ("signed", "encrypted", "key")
    ]
    assert not any(re.search(r"eyJ[\w-]+\.|gwk_\w{8}", text) for text in texts)
    with world.app.app_context():
        keys = list(db.session.scalars(select(ApiKey)))
        assert keys
        assert all(key.revoked_at is not None and key.expires_at is not None for key in keys)


def test_its_log_row_is_one_click_away(world: World) -> None:
    browser = world.browser("bob")
    answer = browser.post(ECHO.format("signed") + "/try", data=GOOD)
    link = html.unescape(re.search(r'href="(/logs/why\?request_id=[^"]+)"', answer.text)[1])  # type: ignore[index]
    wait_until(lambda: "/signed/v1/echo/7" in browser.get(link).text, 10)
    assert urllib.parse.urlsplit(link).query.startswith("request_id=")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"path.id": ""}, "Fill in id"),
        ({"path.id": ".."}, "lead to another operation"),
        ({"path.id": "."}, "lead to another operation"),
        ({"body": '{"a": '}, "The body is no JSON"),
        ({"application": "99"}, "Choose an application with an approved subscription"),
        ({"application": "x"}, "Invalid Choice"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is_issued(
    world: World, change: dict[str, str], why: str
) -> None:
    bob = world.browser("bob")
    before = world.trail()
    answer = bob.post(ECHO.format("signed") + "/try", data=GOOD | change)
    assert answer.status_code == 422
    assert why in html.unescape(answer.text)
    assert world.trail() == before


def test_values_stay_in_their_place(world: World) -> None:
    """A slash, a question mark, a line end: none of them leaves the part of the call that it was written for."""
    odd = {
        "path.id": "a/../b?x=1#y",
        "header.X-Note": "a\r\nX-Evil: 1",
        "header.Authorization": "Bearer mine",
        "query.other": "1",
    }
    said = shown(world.browser("bob").post(ECHO.format("open") + "/try", data=GOOD | odd).text)
    assert said["status"] in ("200", "400")
    if said["status"] == "200":
        came = json.loads(said["body"])
        assert came["note"] == "aX-Evil: 1"
        assert came["path"] == "/echo/a%2F..%2Fb%3Fx%3D1%23y"


@pytest.mark.parametrize(
    ("what", "status", "said"),
    [
        ("image", "200", "60 B that are no text"),
        ("large", "200", "There was more; a try reads the first 1 MB."),
        ("away", "302", "http://127.0.0.1:9/nowhere"),
    ],
)
def test_answers_of_every_kind_are_shown(world: World, what: str, status: str, said: str) -> None:
    answer = world.browser("bob").post(f"/catalog/open/1.0.0/operations/get-{what}/try", data={})
    assert shown(answer.text)["status"] == status
    assert said in html.unescape(answer.text)
    assert len(answer.data) < 500_000


def test_an_answer_without_end_is_given_up(world: World) -> None:
    answer = world.browser("bob").post("/catalog/open/1.0.0/operations/get-drops/try", data={})
    assert answer.status_code == 422
    assert "No whole answer came within 10 seconds" in answer.text


def test_others_cannot_borrow_an_application(world: World) -> None:
    carol = world.browser("carol")
    answer = carol.post(ECHO.format("signed") + "/try", data=GOOD)
    assert (
        "Choose an application with an approved subscription" in html.unescape(answer.text) or answer.status_code == 422
    )
    assert 'id="answer"' not in answer.text
    assert "Ask for access" in carol.get(ECHO.format("signed")).text
