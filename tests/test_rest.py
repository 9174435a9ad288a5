"""The REST API: every operation once, held against the OpenAPI document that is served."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask

from console.apis import openapi
from console.db import now
from console.rest.views import OPERATIONS, blueprint  # the views fill the table
from tests.conftest import ORDERS, Cast, World, trail
from tests.rest import ROOT, Rest, make_token

SECOND = ORDERS.replace("version: 1.0.0", "version: 2.0.0")
CHANGED = SECOND.replace("summary: Place an order", "summary: Order something")
CHOICES = {"backend_url": "http://127.0.0.1:9", "gateway_path": "/orders/v2", "accepts": ["signed"]}
V2 = "/apis/orders/versions/2.0.0"
SOON = f"{now() + timedelta(days=60):%Y-%m-%dT00:00:00Z}"


@pytest.fixture
def alice(app: Flask, cast: Cast) -> Rest:
    return Rest(app, make_token(app, cast.alice))


@pytest.fixture
def bob(app: Flask, cast: Cast) -> Rest:
    return Rest(app, make_token(app, cast.bob))


def test_the_document_describes_what_is_served_and_nothing_else(app: Flask, alice: Rest) -> None:
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix(ROOT)))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(f"{blueprint.name}.")
        for method in (rule.methods or set()) - {"HEAD"}
    }
    described = {(m.upper(), path) for path, item in alice.document["paths"].items() for m in item}
    assert served == described
    assert {rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")} == {
        ROOT + one.rule for one in OPERATIONS
    }


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_the_document_is_one_that_can_be_published(alice: Rest, kind: str) -> None:
    document = openapi.parse(alice.client.get(f"{ROOT}/openapi.{kind}").text)
    assert document == alice.document
    assert len(openapi.operations(document)) == len(OPERATIONS)


def test_every_operation_has_words(alice: Rest) -> None:
    for operation in openapi.operations(alice.document):
        assert re.fullmatch(r"[A-Z].{8,120}", operation.summary.split("\n")[0]), operation


def _versions(rest: Rest) -> None:
    made = rest("POST", "/apis?team=Platform", SECOND)
    assert (made.status_code, made.headers["Location"]) == (201, ROOT + V2)
    assert rest("POST", "/apis?team=Platform", SECOND).status_code == 200
    assert [v["version"] for v in rest.get("/apis/orders/versions").json["items"]] == ["2.0.0", "1.0.0"]
    assert rest.get("/apis?search=ord").json["items"][0]["slug"] == "orders"
    changed = rest("PATCH", "/apis/orders", {"visibility": "public", "log_days": 30}).json
    assert (changed["visibility"], rest.get("/apis/orders").json["log_days"]) == ("public", 30)
    assert rest.get(f"{V2}/document").text == SECOND
    assert rest.changed("PUT", f"{V2}/document", CHANGED).status_code == 200
    assert rest.changed("PATCH", f"{V2}/choices", CHOICES).json["choices"]["accepts"] == ["signed"]
    assert rest.changed("POST", f"{V2}/mock", {"mocked": True}).json["mocked"] is True


def _reviews(rest: Rest) -> None:
    for decision, body in (("request-changes", {"answer": "The paths."}), ("approve", None)):
        made = rest.changed("POST", f"{V2}/reviews", {"message": "Look."})
        here = made.headers["Location"]
        assert rest("POST", f"{here}/comments", {"text": "Hm.", "line": 3}).json["line"] == 3
        assert rest("POST", f"{here}/{decision}", body).status_code == 200
        assert rest.get(here).json["decided_by"] == "alice@example.org"
    assert rest("POST", f"{here}/withdraw").json["state"] == "withdrawn"
    assert len(rest.get(f"{V2}/reviews").json["items"]) == 2


def _plans(rest: Rest) -> None:
    made = rest("POST", f"{V2}/plans", {"name": "gold", "title": "Gold", "rate_requests": 10})
    assert made.headers["Location"] == f"{ROOT}{V2}/plans/gold"
    assert rest("PATCH", f"{V2}/plans/gold", {"rate_requests": 20}).json["title"] == "Gold"
    assert rest("POST", f"{V2}/plans/gold/publish").json["state"] == "published"
    assert rest.get(f"{V2}/plans/gold").json["rate_requests"] == 20
    rest("POST", f"{V2}/plans", {"name": "old", "title": "Old"})
    rest("POST", f"{V2}/plans/old/publish")
    assert rest("POST", f"{V2}/plans/old/deprecate").json["state"] == "deprecated"
    assert rest("POST", f"{V2}/plans/old/close").json["state"] == "closed"
    assert [plan["name"] for plan in rest.get(f"{V2}/plans").json["items"]] == ["gold", "old"]


def _publish(rest: Rest) -> None:
    said = rest.changed("POST", f"{V2}/publish", {"dry_run": True}).json
    assert (said["refusal"], said["revision"], said["document"][:1]) == ("", 1, ["adds GET /orders"])
    made = rest.changed("POST", f"{V2}/publish", {"note": "First."})
    assert (made.status_code, made.json["note"]) == (201, "First.")
    rest.changed("PUT", f"{V2}/document", SECOND)
    said = rest.changed("POST", f"{V2}/publish", {"dry_run": True, "choices": {"token_lifetime_s": 600}}).json
    assert said["document"] == ["rewords POST /orders"]
    assert said["choices"] == {"token_lifetime_s": [900, 600]}
    assert rest.changed("POST", f"{V2}/publish", {"choices": {"token_lifetime_s": 600}}).json["number"] == 2
    assert [one["number"] for one in rest.get(f"{V2}/revisions").json["items"]] == [2, 1]
    compared = rest.get(f"{V2}/revisions/1/compare/2").json
    assert (compared["document"], compared["choices"]) == (["rewords POST /orders"], {"token_lifetime_s": [900, 600]})
    assert rest.get(f"{V2}/revisions/1").json["choices"]["token_lifetime_s"] == 900
    assert rest.get(f"{V2}/revisions/1/document").text == CHANGED
    assert rest.changed("POST", f"{V2}/revisions/1/restore", {"serve": True}).json["number"] == 3
    assert rest.changed("POST", f"{V2}/revisions/2/restore").json["has_changes"] is True
    assert rest.changed("DELETE", f"{V2}/changes").status_code == 204


def _subscriptions(rest: Rest, bob: Rest) -> None:
    made = bob("POST", "/applications", {"name": "Till", "team": "Shop"})
    here = made.headers["Location"]
    assert bob.get(here).json["name"] == "Till"
    asked = {"api": "orders", "version": "2.0.0", "plan": "gold", "message": "For the shop."}
    one = bob("POST", f"{here}/subscriptions", asked).headers["Location"]
    assert rest.get("/subscriptions?state=pending").json["items"][0]["message"] == "For the shop."
    assert rest("POST", f"{one}/reject", {"reason": "Say more."}).json["state"] == "rejected"
    one = bob("POST", f"{here}/subscriptions", asked).headers["Location"]
    assert rest("POST", f"{one}/approve", {"expires_at": SOON}).json["state"] == "active"
    own = f"{here}/subscriptions/{one.rsplit('/', 1)[1]}"
    for path, who, body, by in ((one, rest, {"reason": "Bill."}, "owner"), (own, bob, None, "consumer")):
        assert who("POST", f"{path}/pause", body).json["paused_by"] == [by]
        assert who("POST", f"{path}/resume").json["state"] == "active"
    rest("POST", f"{V2}/plans", {"name": "lead", "title": "Lead"})
    rest("POST", f"{V2}/plans/lead/publish")
    assert rest("POST", f"{one}/move", {"plan": "lead"}).json["plan"] == "lead"
    assert rest("POST", f"{one}/date", {"expires_at": None}).json["expires_at"] is None
    assert rest("POST", f"{one}/messages", {"text": "Welcome."}).json["written_by"] == "alice@example.org"
    assert bob("POST", f"{own}/close").json["state"] == "closed"
    assert [s["state"] for s in bob.get(f"{here}/subscriptions").json["items"]] == ["closed", "rejected"]
    again = bob("POST", f"{here}/subscriptions", asked | {"plan": None}).headers["Location"]
    assert rest("POST", f"{again}/close", {"reason": "No."}).json["state"] == "closed"
    assert bob.get(again).json["reason"] == "No."
    assert bob.get("/applications").json["items"][-1]["name"] == "Till"
    assert bob.get(f"{here}/log-records?range=24h").json["items"] == []


def _end(rest: Rest) -> None:
    assert rest.changed("POST", f"{V2}/stop", {"reason": "Maintenance."}).json["stop_reason"] == "Maintenance."
    assert rest.changed("POST", f"{V2}/start").json["stopped_at"] is None
    assert rest.changed("POST", f"{V2}/block", {"reason": "It leaks."}).json["state"] == "blocked"
    assert rest.changed("POST", f"{V2}/unblock").json["state"] == "published"
    said = rest.changed("POST", f"{V2}/deprecate", {"sunset_at": SOON, "successor": "1.0.0"}).json
    assert (said["state"], said["successor"], said["sunset_at"][:10]) == ("deprecated", "1.0.0", SOON[:10])
    assert rest.changed("POST", f"{V2}/undeprecate", {"reason": "We keep it."}).json["sunset_at"] is None
    assert rest.changed("POST", f"{V2}/retire").json["state"] == "retired"
    rest("POST", "/apis?team=Platform", ORDERS.replace("version: 1.0.0", "version: 3.0.0"))
    assert rest.changed("DELETE", "/apis/orders/versions/3.0.0").status_code == 204


def _read(rest: Rest) -> None:
    assert rest.get("/me").json["email"] == "alice@example.org"
    assert rest.get("/catalog").json["items"][0]["plans"] == ["standard"]
    assert rest.get("/catalog/orders/1.0.0").json["state"] == "published"
    assert rest.get("/catalog/orders/1.0.0/document").text == ORDERS
    assert rest.get("/nodes").json["items"][0]["name"] == "gw-1"
    assert rest.get("/nodes/1").json["is_silent"] is True
    entry = rest.get("/audit-entries?action=version.published&limit=1").json["items"][0]
    assert rest.get(f"/audit-entries/{entry['id']}").json == entry
    assert rest.get("/log-records?range=24h&status=4xx&status=5xx").json == {"items": [], "next": None}
    assert len(rest.get("/people").json["items"]) == 4
    assert len(rest.get("/teams").json["items"]) == 4


def test_every_operation_answers_as_the_document_says(
    app: Flask, world: World, node: str, alice: Rest, bob: Rest
) -> None:
    _versions(alice)
    _reviews(alice)
    _plans(alice)
    _publish(alice)
    _subscriptions(alice, bob)
    _end(alice)
    _read(alice)
    described = {
        (o["operationId"], int(status))
        for item in alice.document["paths"].values()
        for o in item.values()
        for status in o["responses"]
        if int(status) < 300
    }
    assert described - alice.seen - bob.seen - {("show_openapi_json", 200), ("show_openapi_yaml", 200)} == set()
    assert "version.published" in trail(app)
