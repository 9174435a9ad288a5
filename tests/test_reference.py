"""The reference in the catalog: every part of an operation, bounded in size and time, safe whatever the document says."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import orjson
import pytest
from flask import Flask

from console.accounts.models import Person
from console.apis import openapi
from console.apis.samples import sample
from console.catalog.documents import MOST_CHARACTERS, Kept, Shelf
from console.catalog.outline import Outline
from console.catalog.reference import Described, describe
from console.catalog.schemas import kind_of, limits
from console.catalog.tree import DEEPEST, Node, Room, tree
from console.db import db, unit_of_work
from console.web.code import json_colours
from console.web.markdown import markdown
from tests.conftest import Cast, SignIn, World, publish

LARGEST_KB, SLOWEST_MS = 500, 300


def of(schemas: dict[str, Any], name: str = "A", **more: Any) -> Node:
    document = {"components": {"schemas": schemas}}
    return tree(document, {"$ref": f"#/components/schemas/{name}"}, **more)


def names(node: Node) -> list[str]:
    return [child.name for child in node.children]


def test_a_schema_that_has_itself_ends_with_a_link_to_its_page() -> None:
    node = of(
        {
            "A": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "parent": {"$ref": "#/components/schemas/A"}},
            }
        }
    )
    assert names(node) == ["name", "parent"]
    parent = node.children[1]
    assert (parent.kind, parent.children, parent.link) == ("A", [], "A")


def test_what_it_is_made_of_is_one_list_of_fields() -> None:
    base = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
    node = of(
        {
            "Base": base,
            "A": {"allOf": [{"$ref": "#/components/schemas/Base"}, {"required": ["b"], "properties": {"b": {}}}]},
        }
    )
    assert [(c.name, c.required) for c in node.children] == [("id", True), ("b", True)]


def test_choices_stand_under_their_heading() -> None:
    cat, dog = {"properties": {"lives": {"type": "integer"}}}, {"properties": {"barks": {"type": "boolean"}}}
    node = of(
        {
            "Cat": cat,
            "Dog": dog,
            "A": {"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}]},
        }
    )
    assert [(group, [c.name for c in children]) for group, children in node.groups] == [("One of", ["Cat", "Dog"])]
    assert names(node.children[0]) == ["lives"]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string", "format": "date-time"}, "date-time"),
        ({"type": ["string", "null"]}, "string or null"),
        ({"type": "string", "nullable": True}, "string or null"),
        ({"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}, "integer[][]"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, "string or integer"),
        ({"type": "array", "items": {"oneOf": [{"type": "string"}, {"type": "integer"}]}}, "(string or integer)[]"),
        ({"enum": ["a"]}, "enum"),
        ({}, "any"),
        (True, "any"),
        (None, "any"),
    ],
)
def test_kinds_are_said_in_a_word(schema: Any, kind: str) -> None:
    assert kind_of({}, schema) == kind


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"minimum": 1, "maximum": 100, "default": 20}, ["1 to 100", "default 20"]),
        ({"minLength": 3, "maxLength": 3}, ["exactly 3 characters"]),
        ({"maxItems": 5, "uniqueItems": True}, ["at most 5 items", "no two the same"]),
        ({"exclusiveMinimum": 0}, ["more than 0"]),
        ({"minimum": 0, "exclusiveMinimum": True}, ["more than 0"]),
        ({"exclusiveMaximum": 9, "minimum": 1}, ["at least 1, less than 9"]),
        ({"pattern": "^a+$", "default": True}, ["matches ^a+$", "default true"]),
        ({"minimum": "x", "default": []}, []),
    ],
)
def test_limits_are_said_in_words(schema: dict[str, Any], said: list[str]) -> None:
    assert limits(schema) == said


def test_what_is_read_only_is_not_sent_and_what_is_write_only_is_not_answered() -> None:
    schema = {"A": {"properties": {"id": {"readOnly": True}, "secret": {"writeOnly": True}, "name": {}}}}
    assert names(of(schema, hide="readOnly")) == ["secret", "name"]
    assert names(of(schema, hide="writeOnly")) == ["id", "name"]


def test_a_page_has_room_for_so_many_lines() -> None:
    wide = {
        f"p{i}": {"properties": {f"q{j}": {"properties": {f"r{k}": {} for k in range(30)}} for j in range(30)}}
        for i in range(30)
    }
    room = Room(100)
    node = of({"A": {"properties": wide}}, room=room)
    assert (len(node.children), room.left <= 0) == (30, True), (
        "the first level is whole, the next as far as there is room"
    )
    deep: dict[str, Any] = {}
    for _ in range(50):
        deep = {"properties": {"a": deep}}
    node, depth = of({"A": deep}), 0
    while node.children:
        node, depth = node.children[0], depth + 1
    assert (depth, node.cut) == (DEEPEST, True)


def test_examples_fit_their_schema() -> None:
    schema = {
        "required": ["a", "b", "c", "d", "e"],
        "properties": {
            "a": {"type": "string", "format": "uuid"}, "b": {"type": "integer", "minimum": 18}, "c": {"enum": ["x", "y"]},
            "d": {"type": "array", "items": {"type": "boolean"}}, "e": {"type": "string", "maxLength": 3}, "f": {"type": "string"},
        },
    }  # fmt: skip
    import jsonschema_rs

    made = sample({}, schema, hide="readOnly")
    assert set(made) == {"a", "b", "c", "d", "e"}
    assert jsonschema_rs.is_valid(schema, made)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain 'n' simple", "<p>plain &#39;n&#39; simple</p>"),
        ("*a* `b`", "<p><em>a</em> <code>b</code></p>\n"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
        ("<b onclick=x>", "<p>&lt;b onclick=x&gt;</p>\n"),
        ("# Title", '<p class="md-h">Title</p>\n'),
        ("[a](https://x.example/)", '<p><a href="https://x.example/" rel="noopener noreferrer nofollow" class="link">a</a></p>\n'),
        ("[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>\n"),
        ("[a](JaVaScRiPt:x)", "<p>[a](JaVaScRiPt:x)</p>\n"),
        ("[a](data:text/html,x)", "<p>[a](data:text/html,x)</p>\n"),
        ("[a](/logout)", "<p>[a](/logout)</p>\n"),
        ("[a](//evil.example)", "<p>[a](//evil.example)</p>\n"),
        ("![a](https://x.example/i.png)", '<p><a href="https://x.example/i.png" rel="noopener noreferrer nofollow" class="link">a</a></p>\n'),
        ("<https://x.example/?a=1&b=2>", '<p><a href="https://x.example/?a=1&amp;b=2" rel="noopener noreferrer nofollow" class="link">https://x.example/?a=1&amp;b=2</a></p>\n'),
        ("", ""),
    ],
)  # fmt: skip
def test_descriptions_are_commonmark_and_nothing_else(text: str, html: str) -> None:
    assert markdown(text) == html


@pytest.mark.parametrize(
    "odd", ["[" * 20_000, "*a " * 10_000, "> " * 5_000, "`" * 19_999, "|a" * 9_000 + "\n" + "|-" * 9_000]
)
def test_no_description_takes_long(odd: str) -> None:
    began = time.process_time()
    markdown(odd)
    assert time.process_time() - began < 1


def test_colours_change_no_letter() -> None:
    text = json.dumps({"a<b": ["x&y", 1, -2.5e3, True, None, '"q\\'], "c": {}}, indent=2)
    plain = re.sub(r"</?span[^>]*>", "", json_colours(text))
    assert plain.replace("&lt;", "<").replace("&amp;", "&").replace("&#34;", '"') == text
    assert json_colours("<b>no json") == "&lt;b&gt;no json"


def test_two_paths_that_look_alike_have_two_addresses() -> None:
    get = {"get": {"responses": {}}}
    outline = Outline.of({"paths": {"/a/{b}": get, "/a/b": get, "/a-b": get, "/": get}})
    assert [e.anchor for e in outline.entries] == ["get-a-b", "get-a-b-2", "get-a-b-3", "get"]
    assert len(outline.by_anchor) == 4


def test_operations_are_found_by_the_beginnings_of_their_words() -> None:
    said = {"operationId": "listPets", "summary": "All of them", "description": "even hidden ones", "responses": {}}
    outline = Outline.of(
        {"paths": {"/pets": {"get": said}, "/cages": {"post": {"summary": "Hidden cage", "responses": {}}}}}
    )
    assert [e.anchor for e in outline.search("hid")] == ["post-cages", "get-pets"]
    assert [e.anchor for e in outline.search("get list")] == ["get-pets"]
    assert outline.search("") == outline.search("...") == []


def test_only_so_much_of_what_was_read_is_kept() -> None:
    shelf, outline = Shelf(), Outline.of({})
    for i in range(5):
        shelf.put((i, 1), Kept(MOST_CHARACTERS // 2, {}, outline))
    assert [i for i in range(5) if shelf.get((i, 1))] == [3, 4]
    shelf.put((9, 1), Kept(MOST_CHARACTERS * 2, {}, outline))
    assert list(shelf.by_key) == [(9, 1)]


LARGE = 1_200


def large_document() -> str:
    fields = {
        f"field{i}": {"type": "string", "description": f"The *{i}th* of many.", "maxLength": i + 1} for i in range(40)
    }
    schemas = {
        f"S{i}": {"type": "object", "properties": fields | {"next": {"$ref": f"#/components/schemas/S{(i + 1) % 50}"}}}
        for i in range(50)
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}}
    replies = {str(s): {"description": "it", **body} for s in (200, 201, 202, 400, 401, 403, 404, 409, 422, 500, 503)}
    paths = {
        f"/things{i}/{{id}}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "post": {
                "tags": ["One" if i % 2 else f"Tag {i % 40}"],
                "summary": f"Do {i}",
                "requestBody": body,
                "responses": replies,
            },
        }
        for i in range(LARGE)
    }
    info = {"title": "Large", "version": "1.0.0", "description": "x " * 30_000}
    return orjson.dumps({"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas}}).decode()


def test_a_document_with_a_thousand_operations_is_read_as_fast_as_a_small_one(
    app: Flask, cast: Cast, sign_in: SignIn
) -> None:
    with app.app_context(), unit_of_work():
        publish(db.session.get_one(Person, cast.alice), ["signed"], large_document(), "/large/v1")
    bob, here = sign_in("bob"), "/catalog/large/1.0.0"
    for path in (
        "",
        "/operations",
        "/operations?tag=One",
        "/operations?q=do",
        "/operations/post-things601-id",
        "/schemas",
        "/schemas/S7",
    ):
        bob.get(here + path)
        times = []
        for _ in range(3):
            began = time.process_time()  # of this thread's work, whatever else the machine does
            answer = bob.get(here + path)
            times.append((time.process_time() - began) * 1000)
        assert answer.status_code == 200, path
        assert len(answer.data) < LARGEST_KB * 1000, (path, len(answer.data))
        assert min(times) < SLOWEST_MS, (path, times)


def test_pages_of_a_long_list_lead_to_each_other(app: Flask, cast: Cast, sign_in: SignIn) -> None:
    with app.app_context(), unit_of_work():
        publish(db.session.get_one(Person, cast.alice), ["signed"], large_document(), "/large/v1")
    bob, path, seen = sign_in("bob"), "/catalog/large/1.0.0/operations?tag=One", list[str]()
    while path:
        text = bob.get(path).text
        seen += re.findall(r'class="row-a" href="[^"]+/operations/([^"]+)"', text)
        following = re.search(r'rel="next" href="([^"]+)"', text)
        path = following[1].replace("&amp;", "&") if following else ""
    assert len(seen) == len(set(seen)) == LARGE / 2


def test_what_is_not_there_is_not_found(sign_in: SignIn, world: World) -> None:
    bob = sign_in("bob")
    for path in ("/operations/get-nothing", "/schemas/Nothing", "/schemas/__class__"):
        assert bob.get(f"/catalog/orders/1.0.0{path}").status_code == 404


def test_drafts_are_read_by_those_who_read_apis(app: Flask, cast: Cast, sign_in: SignIn) -> None:
    from console.apis.actions import import_document
    from tests.conftest import ORDERS

    with app.app_context(), unit_of_work():
        alice = db.session.get_one(Person, cast.alice)
        import_document(ORDERS, alice.teams[0], by=alice)
    path = "/catalog/orders/1.0.0/operations/get-orders"
    assert "It can be tried once it is published" in sign_in("alice").get(path).text
    assert sign_in("bob").get(path).status_code == 404
    assert sign_in("bob").get("/catalog/orders/1.0.0/schemas/Order").status_code == 404


def test_nothing_in_a_document_becomes_markup(app: Flask, cast: Cast, sign_in: SignIn) -> None:
    evil = "<img src=x onerror=alert(1)>\"'{{7777*7}}"
    schema = {"type": "string", "enum": [evil], "description": evil, "example": evil, "pattern": evil, "default": evil}
    operation = {
        "summary": evil, "description": evil, "tags": [evil], "operationId": evil,
        "parameters": [{"name": evil, "in": "query", "required": True, "description": evil, "schema": schema}],
        "requestBody": {"description": evil, "content": {"application/json": {"schema": {"properties": {evil: schema}}, "example": {evil: evil}}}},
        "responses": {"200": {"description": evil, "headers": {"X-A": {"description": evil, "schema": schema}}}},
    }  # fmt: skip
    info = {"title": "Evil", "version": "1.0.0", "description": evil, "summary": evil}
    document = {
        "openapi": "3.1.0",
        "info": info,
        "tags": [{"name": evil, "description": evil}],
        "paths": {"/a": {"post": operation}},
    }
    with app.app_context(), unit_of_work():
        publish(db.session.get_one(Person, cast.alice), ["open"], orjson.dumps(document).decode(), "/evil/v1")
    bob = sign_in("bob")
    for path in (
        "/catalog?q=img",
        "/catalog/evil/1.0.0",
        "/catalog/evil/1.0.0/operations",
        "/catalog/evil/1.0.0/operations/post-a",
    ):
        text = bob.get(path).text
        assert "<img" not in text, path
        assert "54439" not in text, path


def described(operation: dict[str, Any]) -> Described:
    document = {"paths": {"/a": {"post": operation}}}
    return describe(document, openapi.operations(document)[0])


def test_the_documents_own_examples_win() -> None:
    media = {
        "schema": {"properties": {"a": {}}},
        "examples": {"one": {"value": {"a": 1}}, "two": {"summary": "Second", "value": {"a": 2}}},
    }
    body = described({"requestBody": {"content": {"text/csv": {}, "application/json": media}}, "responses": {}}).body
    assert body is not None
    assert (body.media, [(e.name, e.value) for e in body.examples]) == (
        "application/json",
        [("one", {"a": 1}), ("Second", {"a": 2})],
    )
