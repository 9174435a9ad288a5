"""What a mock answers: from examples, from schemas, as the caller prefers; and what it finds wrong with a request."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from console.apis.mock import MockAnswer, answer
from console.apis.negotiation import best, preferences
from console.apis.openapi import operations, parse
from console.apis.samples import sample
from console.apis.schema_check import checker
from tests.conftest import ORDERS

SHOP: dict[str, Any] = parse("""
openapi: 3.0.3
info: {title: Shop, version: 1.0.0}
paths:
  /pets:
    get:
      parameters:
        - {name: kind, in: query, schema: {type: string, enum: [cat, dog]}}
        - {name: limit, in: query, schema: {type: integer, maximum: 50}}
        - {name: ids, in: query, schema: {type: array, items: {type: integer}}}
        - {name: X-Tenant, in: header, required: true, schema: {type: string, minLength: 3}}
      responses:
        '200':
          description: pets
          headers:
            X-Total: {schema: {type: integer, example: 7}}
            X-Gatewright-Mock: {schema: {type: string, example: 'no'}}
            Set-Cookie: {schema: {type: string, example: a=b}}
          content:
            text/csv: {example: "name\\nTom\\n"}
            application/json:
              examples:
                some: {value: [{name: Tom}]}
                none: {value: []}
        '429': {description: slow down, content: {application/problem+json: {schema: {$ref: '#/components/schemas/Problem'}}}}
        '5XX': {description: broken}
    post:
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}
      responses:
        '201': {description: made, content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}
  /pets/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: integer, minimum: 1}}]
    get:
      responses: {default: {description: pet, content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}}
    delete: {responses: {'204': {description: gone}}}
  /pets/mine:
    get: {responses: {'200': {description: mine, content: {application/json: {example: {mine: true}}}}}}
components:
  schemas:
    Problem: {type: object, properties: {title: {type: string}, status: {type: integer, minimum: 400}}}
    Pet:
      type: object
      required: [name, born]
      additionalProperties: false
      properties:
        name: {type: string, minLength: 2, maxLength: 4}
        born: {type: string, format: date}
        weight: {type: number, minimum: 0, exclusiveMinimum: true}
        nick: {type: string, nullable: true}
        secret: {type: string, writeOnly: true}
        default: {type: boolean}
        parent: {$ref: '#/components/schemas/Pet'}
        friends: {type: array, items: {$ref: '#/components/schemas/Pet'}}
""")
TENANT = {"x-tenant": "acme"}


def ask(method: str, path: str, headers: dict[str, str] | None = None, query: str = "", body: Any = b"") -> MockAnswer:
    sent = {"content-type": "application/json"} if body != b"" else {}
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return answer(SHOP, method, path, TENANT | sent | (headers or {}), query, body)


def said(found: MockAnswer) -> Any:
    return json.loads(found.body)


class TestWhatIsAnswered:
    def test_the_first_example_of_the_lowest_success(self) -> None:
        found = ask("GET", "/pets")
        assert (found.status, said(found)) == (200, [{"name": "Tom"}])
        headers = dict(found.headers)
        assert (headers["x-gatewright-mock"], headers["content-type"]) == ("true", "application/json")
        assert headers["x-total"] == "7"
        assert "set-cookie" not in headers

    def test_what_is_preferred(self) -> None:
        none = ask("GET", "/pets", {"prefer": 'respond-async, example="none"'})
        assert (said(none), dict(none.headers)["preference-applied"]) == ([], "example=none")
        slow = ask("GET", "/pets", {"prefer": "status=429"})
        assert (slow.status, said(slow)) == (429, {"title": "string", "status": 400})
        assert ("content-type", "application/problem+json") in slow.headers
        broken = ask("GET", "/pets", {"prefer": "status=503"})
        assert (broken.status, broken.body) == (503, b"")
        assert ask("GET", "/pets/7", {"prefer": "status=404"}).status == 404

    @pytest.mark.parametrize("prefer", ["status=404", "status=100", "status=9999", "example=no", "", ",;=", 'status="'])
    def test_what_cannot_be_had_is_ignored(self, prefer: str) -> None:
        found = ask("GET", "/pets", {"prefer": prefer})
        assert (found.status, said(found)) == (200, [{"name": "Tom"}])
        assert "preference-applied" not in dict(found.headers)

    @pytest.mark.parametrize(
        ("accept", "media"),
        [("", "application/json"), ("*/*", "application/json"), ("text/*, application/json;q=0.9", "text/csv"),
         ("text/csv;q=0.2, */*;q=0.1", "text/csv"), ("application/json;q=0, */*", "text/csv")],
    )  # fmt: skip
    def test_the_media_type_that_is_liked_most(self, accept: str, media: str) -> None:
        assert dict(ask("GET", "/pets", {"accept": accept}).headers)["content-type"] == media

    def test_none_that_is_acceptable(self) -> None:
        found = ask("GET", "/pets", {"accept": "image/png"})
        assert (found.status, said(found)["type"]) == (406, "urn:gatewright:problem:mock_406")
        assert dict(found.headers)["x-gatewright-mock"] == "true"

    def test_a_value_made_from_a_schema_fits_it(self) -> None:
        pet = said(ask("GET", "/pets/7"))
        assert pet == said(ask("GET", "/pets/7"))
        assert checker(SHOP, {"$ref": "#/components/schemas/Pet"})(pet) == []
        assert pet == {
            "name": "stri",
            "born": "2026-11-23",
            "weight": 1.0,
            "nick": "string",
            "default": True,
            "friends": [],
        }

    def test_concrete_paths_come_first_and_head_is_get(self) -> None:
        assert said(ask("GET", "/pets/mine")) == {"mine": True}
        assert ask("HEAD", "/pets/mine").status == 200
        assert ask("DELETE", "/pets/7") == ask("DELETE", "/pets/7/")
        assert ask("DELETE", "/pets/7").body == b""


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("query", "headers", "words"),
        [("kind=cow", {}, "query parameter kind"), ("limit=51", {}, "limit"), ("limit=many", {}, "limit"),
         ("ids=1&ids=x", {}, "ids/1"), ("", {"x-tenant": "a"}, "header parameter X-Tenant")],
    )  # fmt: skip
    def test_parameters(self, query: str, headers: dict[str, str], words: str) -> None:
        found = ask("GET", "/pets", headers, query)
        assert (found.status, len(said(found)["errors"])) == (400, 1)
        assert words in said(found)["errors"][0]

    def test_good_ones_pass(self) -> None:
        assert ask("GET", "/pets", {}, "kind=cat&limit=50&ids=1&ids=2&other=x").status == 200

    def test_a_missing_one(self) -> None:
        assert "X-Tenant: it is missing" in answer(SHOP, "GET", "/pets", {}, "", b"").body.decode()
        assert ask("GET", "/pets/0").status == 400
        assert ask("GET", "/pets/tom").status == 400

    @pytest.mark.parametrize(
        ("body", "status", "words"),
        [(b"", 400, "missing"), (b"{", 400, "no JSON"), ({"name": "Tom"}, 422, "born"), ([], 422, "object"),
         ({"name": "T", "born": "2020-01-01"}, 422, "/name"), ({"name": "Tom", "born": "x", "tail": 1}, 422, "tail")],
    )  # fmt: skip
    def test_bodies(self, body: Any, status: int, words: str) -> None:
        found = ask("POST", "/pets", body=body)
        assert (found.status, words in found.body.decode()) == (status, True)
        assert ("content-type", "application/problem+json") in found.headers

    def test_a_good_body_and_one_of_another_type(self) -> None:
        pet = {
            "name": "Tom",
            "born": "2020-01-01",
            "default": False,
            "nick": None,
            "parent": {"name": "Al", "born": "1990-01-01"},
        }
        assert ask("POST", "/pets", body=pet).status == 201
        assert ask("POST", "/pets", {"content-type": "text/plain"}, body=pet).status == 415

    def test_what_is_not_in_the_document(self) -> None:
        assert ask("GET", "/dogs").status == 404
        found = ask("PUT", "/pets")
        assert (found.status, dict(found.headers)["allow"]) == (405, "GET, POST")


class TestHostileDocuments:
    def test_what_refers_to_itself_and_branches_has_an_end(self) -> None:
        wide = {f"p{i}": {"$ref": "#/components/schemas/A"} for i in range(40)}
        chain = {
            f"S{i}": {
                "type": "object",
                "properties": {f"q{j}": {"$ref": f"#/components/schemas/S{i + 1}"} for j in range(9)},
            }
            for i in range(40)
        }
        schemas = {"A": {"type": "object", "properties": wide}, "S40": {"type": "string"}} | chain
        began = time.perf_counter()
        document = {"openapi": "3.1.0", "components": {"schemas": schemas}}
        for name in ("A", "S0"):
            sample(document, {"$ref": f"#/components/schemas/{name}"})
            checker(document, {"$ref": f"#/components/schemas/{name}"})({})
        assert time.perf_counter() - began < 2

    def test_a_value_that_must_hold_itself_does_not_exist(self) -> None:
        loop = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/components/schemas/Loop"}}}
        assert sample({"components": {"schemas": {"Loop": loop}}}, {"$ref": "#/components/schemas/Loop"}) is None

    @pytest.mark.parametrize(
        "schema", [{"type": "string", "pattern": "("}, {"$ref": "#/no/where"}, {"type": "nothing"}, 7, None]
    )
    def test_a_schema_that_is_none_complains_of_nothing(self, schema: Any) -> None:
        assert checker({}, schema)("x") == []
        sample({}, schema)

    def test_a_pattern_takes_no_longer_than_the_text_is_long(self) -> None:
        began = time.perf_counter()
        assert checker({}, {"type": "string", "pattern": "^(a+)+$"})("a" * 50_000 + "b") != []
        assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 5, "multipleOf": 4}, {"type": "integer", "exclusiveMinimum": 5}, {"type": "number", "maximum": -3},
        {"type": "string", "minLength": 20}, {"type": "array", "minItems": 3, "items": {"type": "boolean"}}, {"enum": ["a"]},
        {"oneOf": [{"type": "object", "required": ["a"], "properties": {"a": {"const": 1}}}, {"type": "null"}]},
        {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"required": ["b"], "properties": {"b": {"type": "integer"}}}]},
        {"type": ["null", "string"], "format": "uuid"}, {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {"k": {"type": "string"}}, "oneOf": [{"properties": {"v": {"type": "integer"}}, "required": ["v"]}]},
    ],
)  # fmt: skip
def test_what_is_made_fits(schema: dict[str, Any]) -> None:
    assert checker({}, schema)(sample({}, schema)) == []


def test_every_operation_of_the_sample_is_mocked() -> None:
    document = parse(ORDERS)
    for operation in operations(document):
        path = operation.path.replace("{order_id}", "1001")
        found = answer(document, operation.method.upper(), path, {}, "", b"")
        assert found.status < 300 or (operation.method, found.status) == ("post", 400), (operation.path, found)


def test_preferences_and_media_types_that_are_odd() -> None:
    assert preferences('a, status = 404 ; x="y", Example="no \\"stock\\"", status=500') == {
        "a": "",
        "status": "404",
        "example": 'no "stock"',
    }
    assert best(["application/xml", "application/hal+json"], "*/*;q=0.1") == "application/hal+json"
    assert best(["text/*"], "text/plain") == "text/*"
    assert best(["application/json"], "text/html;q=1, application/json;q=0") is None
