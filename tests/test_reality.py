"""The document against the calls: what is never called, what is called and not described, what is answered otherwise."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import yaml
from flask import Flask

from console.apis.openapi import operations, parse
from console.apis.reality import Draft, draft_of, reality
from console.db import now
from console.errors import Refused
from console.logs.store import Store
from console.logs.undescribed import Undescribed
from tests.conftest import ORDERS, World
from tests.test_usage import add, calls
from tests.test_usage import logs as logs  # a fixture

DAY = timedelta(days=1)
DOCUMENT: dict[str, Any] = parse("""
openapi: 3.1.0
info: {title: Pets, version: 1.0.0}
paths:
  /pets:
    get: {responses: {"200": {description: all}, "4XX": {description: no}}}
    post: {responses: {"201": {description: made}}}
  /pets/{petId}:
    parameters: [{name: petId, in: path, required: true, schema: {type: string}}]
    get: {responses: {"200": {description: one}, default: {description: any}}}
    delete: {responses: {"204": {description: gone}}}
""")


def undescribed(method: str, path: str, **statuses: int) -> Undescribed:
    return Undescribed(method, path, Counter({int(k[1:]): n for k, n in statuses.items()}), now())


class TestReality:
    def test_without_calls_everything_is_uncalled(self, logs: Store) -> None:
        found = reality(DOCUMENT, 1)
        assert [(o.method, o.path) for o in found.never_called] == [
            ("get", "/pets"), ("post", "/pets"), ("get", "/pets/{petId}"), ("delete", "/pets/{petId}"),
        ]  # fmt: skip
        assert (found.undescribed, found.undeclared, found.agrees) == ([], [], False)

    def test_what_is_called_is_not_uncalled(self, logs: Store) -> None:
        add(logs, *calls(now(), 1, operation="/pets"), *calls(now() - 40 * DAY, 1, operation="/pets", method="POST"))
        assert len(reality(DOCUMENT, 1).never_called) == 3
        assert len(reality(DOCUMENT, 1, 60).never_called) == 2

    def test_statuses_that_are_not_declared(self, logs: Store) -> None:
        """A range covers its statuses, `default` all; nothing else covers anything."""
        for status in (200, 404, 429, 500, 0):
            add(logs, *calls(now(), status // 100 + 1, operation="/pets", status=status))
            add(logs, *calls(now(), 1, operation="/pets/{petId}", status=status))
        add(logs, *calls(now(), 9, operation="/pets", method="POST", status=200))
        add(logs, *calls(now(), 1, operation="/pets/{petId}", method="DELETE", status=401))
        found = reality(DOCUMENT, 1).undeclared
        assert [(u.method, u.path, u.status, u.requests, u.may_be_ours) for u in found] == [
            ("POST", "/pets", 200, 9, False),
            ("GET", "/pets", 500, 6, False),
            ("DELETE", "/pets/{petId}", 401, 1, True),
        ]

    def test_calls_that_are_not_described(self, logs: Store) -> None:
        for path, method, count in (("toys/7", "GET", 3), ("pets", "PATCH", 2), ("", "GET", 1)):
            add(logs, *calls(now(), count, "", "", method=method, path=f"/pets/v1/{path}".rstrip("/")))
        add(logs, *calls(now(), 5, "", "", path="/pets/v1beta"), *calls(now(), 5, "", "", path="/elsewhere"))
        found = reality(DOCUMENT, 1, prefix="/pets/v1").undescribed
        assert [(u.method, u.path, u.requests) for u in found] == [
            ("GET", "/toys/{id}", 3), ("PATCH", "/pets", 2), ("GET", "/", 1),
        ]  # fmt: skip

    def test_a_document_that_has_grown_describes_what_it_did_not(self, logs: Store) -> None:
        for method, path in (
            ("GET", "/pets/4711"),
            ("HEAD", "/pets"),
            ("OPTIONS", "/pets/4711"),
            ("PUT", "/pets/4711"),
        ):
            add(logs, *calls(now(), 1, "", "", method=method, path=path))
        found = reality(DOCUMENT, 1)
        assert [(u.method, u.path) for u in found.undescribed] == [("PUT", "/pets/{id}")]
        assert ("get", "/pets/{petId}") not in [(o.method, o.path) for o in found.never_called]


class TestDraft:
    def test_a_path_a_method_and_a_response_for_each_status(self) -> None:
        one = undescribed("PATCH", "/customers/{id}/entries/{id}/{id}", s200=5, s404=1, s599=1)
        assert draft_of(one) == Draft(
            "/customers/{customerId}/entries/{entryId}/{id}",
            "patch",
            {
                "summary": "PATCH /customers/{customerId}/entries/{entryId}/{id}",
                "parameters": [
                    {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                    for name in ("customerId", "entryId", "id")
                ],
                "responses": {
                    "200": {"description": "OK"},
                    "404": {"description": "Not Found"},
                    "599": {"description": "Status 599"},
                },
            },
        )

    def test_a_path_that_the_document_has_keeps_its_names(self) -> None:
        draft = draft_of(undescribed("PUT", "/pets/{id}", s200=1), DOCUMENT)
        assert draft.path == "/pets/{petId}"
        assert "parameters" not in draft.operation

    def test_names_are_different(self) -> None:
        assert draft_of(undescribed("GET", "/a/{id}/a/{id}")).path == "/a/{aId}/a/{aId2}"

    @pytest.mark.parametrize("path", ["/toys/{id}", "/pets/{id}", "/pets/{id}/vaccinations/{id}", "/", "/x-y/{id}"])
    def test_the_document_is_one_with_it(self, path: str) -> None:
        """What is drafted can be published: the draft is read, merged and checked as any document is."""
        known, method, operation = draft_of(undescribed("PUT", path, s200=1, s0=2), DOCUMENT)
        paths = DOCUMENT["paths"] | {known: DOCUMENT["paths"].get(known, {}) | {method: operation}}
        assert parse(yaml.safe_dump(DOCUMENT | {"paths": paths}))["paths"][known]["put"] == operation

    @pytest.mark.parametrize("one", [undescribed("PROPFIND", "/a", s207=1), undescribed("", "", s0=1)])
    def test_some_have_no_place_in_a_document(self, one: Undescribed) -> None:
        with pytest.raises(Refused, match="no place"):
            draft_of(one)


def test_orders_as_it_is_published_agrees_with_its_own_calls(app: Flask, world: World) -> None:
    document = parse(ORDERS)
    with app.app_context():
        logs = app.extensions["gatewright"].logs
        for o in operations(document):
            status = next(int(s) for s in o.body["responses"] if s.isdecimal())
            add(logs, *calls(now(), 1, operation=o.path, method=o.method.upper(), status=status))
        assert reality(document, world.version_id).agrees
