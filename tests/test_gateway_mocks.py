"""A draft whose mock is on, called at a real Envoy before there is anything behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from enforced import Served, a_version, listening, serving
from flask import Flask
from profiled import reason
from programs import call

from console.accounts.models import Person
from console.apis.actions import import_document
from console.apis.models import ApiVersion
from console.db import db, unit_of_work
from tests.conftest import ORDERS, Cast, World

pytestmark = pytest.mark.envoy


@pytest.fixture
def console(app: Flask) -> Iterator[str]:
    with listening(app) as url:
        yield url


@pytest.fixture
def draft(app: Flask, cast: Cast) -> int:
    with app.app_context(), unit_of_work():
        alice = db.session.get_one(Person, cast.alice)
        version = import_document(ORDERS, alice.teams[0], by=alice)
        version.gateway_path, version.mocked = "/v1", True
        db.session.flush()
        return version.id


@pytest.fixture
def gateway(app: Flask, console: str, node: str, draft: int, tmp_path: Path) -> Iterator[Served]:
    mocked = a_version(draft, "mock", backend="")
    with serving(app, tmp_path, "", mocked | {"path": "/v1"}, console=console, credential=node) as gateway:
        yield gateway


def test_anybody_gets_what_the_document_says(gateway: Served) -> None:
    found = gateway.ask(1, path="/orders?limit=5")
    assert (found.status, found.headers["x-gatewright-mock"]) == (200, "true")
    assert set(json.loads(found.body)["orders"][0]) >= {"id", "status"}
    assert gateway.ask(1, path="/orders?limit=500").status == 400
    assert gateway.ask(1, path="/nowhere").status == 404
    assert gateway.ask(1, path="/orders/1001", prefer="status=404").status == 404
    assert gateway.ask(1, "a.b.c", path="/products", cookie="session=1", x_api_key="k").status == 200
    assert gateway.ask(1, path="/orders/1001", method="DELETE").status == 204
    posted = call(
        f"http://127.0.0.1:{gateway.place.port}/v1/orders", "POST", {"Content-Type": "application/json"}, b"{}"
    )
    assert (posted.status, posted.headers["content-type"]) == (422, "application/problem+json")


def test_a_changed_draft_answers_as_it_is_now(gateway: Served, app: Flask, draft: int) -> None:
    assert gateway.ask(1, path="/products").status == 200
    with app.app_context(), unit_of_work():
        version = db.session.get_one(ApiVersion, draft)
        version.document = {**version.document, "paths": {}}
    assert gateway.ask(1, path="/products").status == 404


def test_a_large_body_is_not_read(gateway: Served) -> None:
    url, headers = f"http://127.0.0.1:{gateway.place.port}/v1/orders", {"Content-Type": "application/json"}
    assert call(url, "POST", headers, b"[" + b" " * 70_000 + b"]").status == 413


def test_a_draft_without_a_mock_is_not_there(gateway: Served) -> None:
    gateway.show(a_version(9, "retired", detail="gone"))
    assert reason(gateway.ask(1, path="/orders")) == (404, "no_such_api")


def test_only_nodes_may_ask_the_console(console: str, node: str, draft: int) -> None:
    url = f"{console}/mock/{draft}/orders"
    assert call(url).status == 503
    assert call(url, headers={"Authorization": "Bearer gwn_guess"}).status == 503
    good = {"Authorization": f"Bearer {node}"}
    assert call(url, headers=good).status == 200
    for path in ("999/orders", "x/orders", "", "/", "1e3/orders", "99999999999999999999/x"):
        assert call(f"{console}/mock/{path}", headers=good).status == 404, path


def test_what_was_published_is_not_mocked_any_more(app: Flask, console: str, node: str, world: World) -> None:
    with app.app_context(), unit_of_work():
        db.session.get_one(ApiVersion, world.version_id).mocked = True
    assert call(f"{console}/mock/1/orders", headers={"Authorization": f"Bearer {node}"}).status == 404


def test_a_mock_that_is_switched_off_is_gone_at_once(gateway: Served, app: Flask, draft: int) -> None:
    assert gateway.ask(1, path="/products").status == 200
    with app.app_context(), unit_of_work():
        db.session.get_one(ApiVersion, draft).mocked = False
    assert gateway.ask(1, path="/products").status == 404
