"""What a document marks `x-sensitive` is in no path that is kept, however the call was written."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from flask import Flask

from console.accounts.models import Person
from console.apis.actions import import_document
from console.apis.models import ApiVersion
from console.apis.openapi import parse
from console.apis.sensitive import Sensitive
from console.apis.working import set_document
from console.db import db, unit_of_work
from tests.conftest import Cast, publish
from tests.ingested import kong, letters, nginx, send, stored
from tests.test_logs import a_batch, a_record, push

DOCUMENT = """
openapi: 3.1.0
info: {title: People, version: 1.0.0}
components:
  parameters:
    ssn: {name: ssn, in: path, required: true, schema: {$ref: '#/components/schemas/Ssn'}}
  schemas:
    Ssn: {type: string, x-sensitive: true}
    Person:
      type: object
      properties:
        ssn: {$ref: '#/components/schemas/Ssn'}
        phones: {type: array, items: {type: string, x-sensitive: true}}
        Diagnosis: {anyOf: [{type: 'null'}, {type: string, x-sensitive: true}]}
        name: {type: string}
        friends: {type: array, items: {$ref: '#/components/schemas/Person'}}
paths:
  /people/{ssn}/orders:
    parameters: [{$ref: '#/components/parameters/ssn'}]
    get:
      parameters:
        - {name: X-Ward, in: header, x-sensitive: true, schema: {type: string}}
        - {name: born, in: query, schema: {type: string, x-sensitive: true}}
        - {name: page, in: query, schema: {type: integer}}
      responses: {'200': {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Person'}}}}}
  /people/{ssn}/orders/{id}:
    parameters: [{$ref: '#/components/parameters/ssn'}, {name: id, in: path, required: true, schema: {}}]
    get: {responses: {'200': {description: ok}}}
  /people/me/orders:
    get: {responses: {'200': {description: ok}}}
  /files/{name}.{kind}:
    parameters:
      - {name: name, in: path, required: true, x-sensitive: true, schema: {}}
      - {name: kind, in: path, required: true, schema: {}}
    get: {responses: {'200': {description: ok}}}
  /notes:
    post:
      requestBody: {content: {text/plain: {schema: {type: string, x-sensitive: true}}}}
      responses: {'201': {description: ok}}
"""
SSN = "078-05-1120"
KEPT = "/p/v1/people/[scrubbed]/orders"


@pytest.fixture
def people(app: Flask, cast: Cast) -> int:
    with app.app_context(), unit_of_work():
        return publish(db.session.get_one(Person, cast.alice), ["signed"], DOCUMENT, "/p/v1").id


def test_what_counts_as_marked() -> None:
    found = Sensitive.of(parse(DOCUMENT))
    assert found.names == {"ssn", "phones", "diagnosis"}
    assert found.parameters == {"x-ward", "born"}
    assert found.whole == {("POST", "/notes", "request")}
    assert found.paths == {
        "/people/{ssn}/orders": {"ssn"},
        "/people/{ssn}/orders/{id}": {"ssn"},
        "/files/{name}.{kind}": {"name"},
    }


def test_a_document_without_marks_has_none() -> None:
    assert Sensitive.of(parse(DOCUMENT.replace("x-sensitive: true", "x-sensitive: false"))) == Sensitive()


def test_schemas_that_refer_to_each_other_come_to_an_end() -> None:
    circle = {"allOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B"}] * 20}
    schemas: dict[str, Any] = {"A": circle, "B": circle, "C": {"properties": {"x": circle}, "x-sensitive": True}}
    assert Sensitive.of({"paths": {}, "components": {"schemas": schemas}}) == Sensitive()


@pytest.mark.parametrize(
    ("method", "path", "kept"),
    [
        ("GET", f"/p/v1/people/{SSN}/orders", KEPT),
        ("GET", f"/p/v1/people/{SSN}/orders/", KEPT),
        ("GET", f"/p/v1/people/{SSN}/orders/17", f"{KEPT}/17"),
        ("GET", "/p/v1/people/me/orders", "/p/v1/people/me/orders"),
        ("GET", f"/p/v1/files/{SSN}.pdf", "/p/v1/files/[scrubbed].[scrubbed]"),
        ("GET", f"/p/v1/other/{SSN}", f"/p/v1/other/{SSN}"),  # nothing says that this is one
        ("GET", "/p/v1", "/p/v1"),
        # what the document does not describe: another method, more of a path, less of it
        ("DELETE", f"/p/v1/people/{SSN}/orders", KEPT),
        ("GET", f"/p/v1/people/{SSN}/oders", "/p/v1/people/[scrubbed]/oders"),
        ("GET", f"/p/v1/people/{SSN}", "/p/v1/people/[scrubbed]"),
        ("GET", f"/p/v1/people/{SSN}/orders/17/lines", f"{KEPT}/17/lines"),
        # and other spellings, that a backend may read all the same
        ("GET", f"/p/v1//people/{SSN}/orders", KEPT),
        ("GET", f"//p/v1/x/../people/./{SSN}/orders", KEPT),
        ("GET", f"/p/v1/People/{SSN}/orders", "/p/v1/People/[scrubbed]/orders"),
        ("GET", f"/p/v1/peopl%65/{SSN}/orders", KEPT),
    ],
)
def test_a_path_is_kept_without_it(app: Flask, node: str, people: int, method: str, path: str, kept: str) -> None:
    push(app, node, a_batch(a_record(version=str(people), path=path, method=method)))
    send(app, node, "/ingest/json", nginx(path, request=f"{method} {path} HTTP/1.1", **{"gatewright.version": people}))
    rows = stored(app)
    assert [row.path for row in rows] == [kept, kept]
    assert rows[0].operation == rows[1].operation


def test_of_a_draft_that_is_mocked(app: Flask, node: str, cast: Cast) -> None:
    """By what it says at that moment: no machine is told when a draft is edited."""
    with app.app_context(), unit_of_work():
        alice = db.session.get_one(Person, cast.alice)
        draft = import_document(DOCUMENT.replace("x-sensitive: true", "x-other: true"), alice.teams[0], by=alice)
        draft.gateway_path, draft.mocked = "/p/v1", True
        db.session.flush()
        number = draft.id
    path = f"/p/v1/people/{SSN}/orders"
    send(app, node, "/ingest/json", nginx(path, request=f"GET {path}?n=1 HTTP/1.1", **{"gatewright.version": number}))
    with app.app_context(), unit_of_work():
        set_document(db.session.get_one(ApiVersion, number), DOCUMENT, parse(DOCUMENT))
    send(app, node, "/ingest/json", nginx(path, request=f"GET {path}?n=2 HTTP/1.1", **{"gatewright.version": number}))
    assert sorted(row.path for row in stored(app)) == sorted([path, KEPT])
    assert {row.operation for row in stored(app)} == {"/people/{ssn}/orders"}


def test_of_another_gateway(app: Flask, node: str, people: int) -> None:
    send(app, node, "/ingest/kong", orjson.dumps(kong(f"/p/v1/people/{SSN}/orders?born=1")))
    assert [(row.version_id, row.path) for row in stored(app)] == [(people, KEPT)]


@pytest.mark.parametrize("form", ["kong", "json", "otlp", "line", "text"])
def test_nor_in_what_is_rejected(app: Flask, node: str, people: int, form: str) -> None:
    path, query = f"/p/v1/people/{SSN}/orders", f"born={SSN}&page=7"
    headers = {"X-Ward": SSN, "Accept": "*/*"}
    if form == "kong":
        said = kong(f"{path}?{query}", response={"status": "x"}, note={"phones": [SSN], "name": "Ann"})
        send(app, node, "/ingest/kong", said | {"request": said["request"] | {"headers": headers}})
    elif form == "json":
        send(app, node, "/ingest/json", nginx(f"{path}?{query}", status="x", http_x_ward="a", ssn=SSN, name="Ann"))
    elif form == "line":
        send(
            app,
            node,
            "/ingest/json",
            {"log": orjson.dumps(nginx(f"{path}?{query}", status="x", ssn=SSN, name="Ann")).decode()},
        )
    elif form == "otlp":
        push(app, node, a_batch(a_record(code="x", path=f"{path}?{query}", diagnosis=SSN, name="Ann")))
    else:
        send(app, node, "/ingest/json", f'{{}}\n{{"uri":"{path}?{query}","ssn":"{SSN}","name":"Ann"')
    letter = next(one for one in letters(app) if one.text != "{}")
    assert SSN not in letter.text
    assert "people/[scrubbed]/orders" in letter.text
    assert "Ann" in letter.text


def test_what_is_rejected_of_other_apis_is_kept_as_it_is(app: Flask, node: str, people: int) -> None:
    send(app, node, "/ingest/json", nginx("/other/v1/people/7/orders", status="x", ssn="visible"))
    assert ("visible" in letters(app)[0].text, "people/7/orders" in letters(app)[0].text) == (True, True)
