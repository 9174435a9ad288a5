"""Bodies of calls: kept where a version says so, never with a secret, beside their records, as long as these."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask
from sqlalchemy import inspect, select, text

from console.accounts.models import Person
from console.apis.actions import Choices, import_document, publish_version
from console.apis.models import ApiVersion
from console.apis.sunset import retire_version
from console.db import db, now, unit_of_work
from console.logs import segments
from console.logs.body_tables import bodies_of, body_table
from console.logs.segments import catalogue
from console.logs.store import id_at
from tests.conftest import Cast, SignIn, World, subscribed, trail
from tests.homes import SERVER
from tests.ingested import apisix, kong, letters, nginx, send, stored, tyk
from tests.test_logs import a_batch, a_record, protobuf, push
from tests.test_sensitive import DOCUMENT

S = "s3cr3t"
SAID = {"name": "Ann", "ssn": f"{S}-1", "password": f"{S}-2", "friends": [{"Diagnosis": f"{S}-3"}]}
KEPT = {"name": "Ann", "ssn": "[scrubbed]", "password": "[scrubbed]", "friends": [{"Diagnosis": "[scrubbed]"}]}
JSON = orjson.dumps(SAID).decode()
TYPE = {"content-type": "application/json; charset=utf-8"}
PATH = "/p/v1/people/1/orders"


def data(body: str, kind: str = "application/json") -> str:
    """As a node of ours writes it."""
    return f"data:{kind};base64,{base64.b64encode(body.encode()).decode()}"


def publish(app: Flask, cast: Cast, most: int = 2048, on: bool = True) -> World:
    """An API that keeps bodies, and Bob's application that uses it."""
    with app.app_context(), unit_of_work():
        alice, bob = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.bob)
        version = import_document(DOCUMENT, alice.teams[0], by=alice)
        choices = Choices("http://127.0.0.1:9", "/p/v1", ["key"], 900, log_bodies=on, log_body_bytes=most)
        publish_version(version, choices, edits=version.edits, by=alice)
        application = subscribed(version, bob, alice)
        return World(version.id, application.id, application.client_id, version.audience)


@pytest.fixture
def people(app: Flask, cast: Cast) -> World:
    return publish(app, cast)


def kept(app: Flask) -> list[tuple[str, str, str, str]]:
    """The bodies of every record, oldest first: note and text of the request, then of the response."""
    with app.extensions["gatewright"].logs.engine.connect() as connection:
        return [(*a, *b) for r in stored(app) for a, b in [bodies_of(connection, r.id)]]


def tables(app: Flask) -> list[str]:
    logs = app.extensions["gatewright"].logs
    return [name for name in inspect(logs.engine).get_table_names() if name.endswith("_body")]


def senders() -> list[tuple[str, Any]]:
    """Every way in, with bodies as its sender writes them."""
    message = {"headers": TYPE, "body": JSON}
    flat = {"request_body": JSON, "resp_body": JSON, "http_content_type": TYPE["content-type"]}
    ecs = {"http.request.body.content": JSON, "http.response.body.content": SAID}
    ours = {"gatewright.request_body": data(JSON), "gatewright.response_body": data(JSON)}
    event = {
        "request_url": PATH,
        "request_method": "GET",
        "response_status": 200,
        "request_body": JSON,
        "response_body": JSON,
    }
    k, a = kong(PATH), apisix(PATH)
    return [
        ("/ingest/kong", k | {side: k[side] | message for side in ("request", "response")}),
        ("/ingest/apisix", a | {side: a[side] | message | {"headers": {}} for side in ("request", "response")}),
        ("/ingest/json", nginx(PATH) | flat),
        ("/ingest/json", {"log": orjson.dumps(nginx(PATH) | ecs).decode()}),
        ("/ingest/hec", {"event": nginx(PATH) | flat}),
        ("/ingest/hec", {"event": event, "time": now().timestamp()}),
        ("/v1/logs", a_batch(a_record(path=PATH, version="0", **ours))),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(7))
def test_whoever_sends_them(app: Flask, node: str, people: World, number: int) -> None:
    path, said = senders()[number]
    assert send(app, node, path, said).status_code == 200
    ((_, request, _, response),) = kept(app)
    assert [orjson.loads(body) for body in (request, response)] == [KEPT, KEPT]


@pytest.mark.parametrize("number", range(7))
def test_nothing_is_kept_unless_the_version_says_so(app: Flask, node: str, cast: Cast, number: int) -> None:
    publish(app, cast, on=False)
    path, said = senders()[number]
    assert send(app, node, path, said).status_code == 200
    assert (kept(app), tables(app)) == ([("", "", "", "")], [])


def test_nor_of_a_path_that_no_api_has_nor_of_a_retired_one(app: Flask, node: str, people: World, cast: Cast) -> None:
    send(app, node, "/ingest/json", nginx("/x", request_body=JSON))
    with app.app_context(), unit_of_work():
        found = db.session.get_one(ApiVersion, people.version_id)
        retire_version(found, by=db.session.get_one(Person, cast.alice))
    app.extensions["gatewright"].checked_at = -1.0
    send(app, node, "/ingest/json", nginx(PATH, request_body=JSON))
    assert (len(stored(app)), tables(app)) == (2, [])


def test_each_record_gets_its_own(app: Flask, node: str, people: World) -> None:
    """However many there are in a batch, in whatever order, and however many have none."""
    chosen = [i for i in range(50) if i % 7 == 0]
    at = int(now().timestamp() * 1000)
    batch = [
        nginx(f"/p/v1/{i}", time_iso8601=at - 10 * i) | ({"request_body": f"n={i}"} if i in chosen else {})
        for i in range(50)
    ]
    assert send(app, node, "/ingest/json", batch).json["stored"] == 50
    found = {row.path: said[1] for row, said in zip(stored(app), kept(app), strict=True)}
    assert found == {f"/p/v1/{i}": f"n={i}" if i in chosen else "" for i in range(50)}


def test_also_when_more_come_in_a_microsecond_than_it_has_numbers(app: Flask, node: str, people: World) -> None:
    at = int(now().timestamp())
    batch = [
        nginx(f"/p/v1/{i}", time_iso8601=at) | ({"request_body": f"n={i}"} if i % 999 == 0 else {}) for i in range(5000)
    ]
    assert send(app, node, "/ingest/json", batch).json["stored"] == 5000
    with app.extensions["gatewright"].logs.engine.connect() as connection:
        found = {row.path: bodies_of(connection, row.id)[0].text for row in stored(app) if int(row.path[6:]) % 999 == 0}
    assert found == {f"/p/v1/{i}": f"n={i}" for i in range(0, 5000, 999)}


def test_a_repeated_batch_keeps_them_once(app: Flask, node: str, people: World) -> None:
    body = orjson.dumps(nginx(PATH, request_body=JSON))
    for _ in "12":
        assert send(app, node, "/ingest/json", body).status_code == 200
    (segment,) = tables(app)
    with app.extensions["gatewright"].logs.engine.connect() as connection:
        assert len(list(connection.execute(select(body_table(segment.removesuffix("_body")))))) == 1


def test_a_body_that_is_marked_as_a_whole(app: Flask, node: str, people: World) -> None:
    said = {"request_body": f"all of it {S}", "response_body": "fine", "request": "POST /p/v1/notes HTTP/1.1"}
    send(app, node, "/ingest/json", nginx() | said)
    assert kept(app) == [("text", "[scrubbed]", "text", "fine")]


def test_large_ones_are_cut(app: Flask, node: str, cast: Cast) -> None:
    publish(app, cast, most=20)
    send(app, node, "/ingest/json", nginx(PATH, request_body='{"a":"' + "x" * 100 + '"}', response_body="y" * 21))
    assert kept(app) == [
        ("JSON, the first 20 of 108 bytes", '{"a":"xxxxxxxxxxxxxx', "text, the first 20 of 21 bytes", "y" * 20)
    ]  # fmt: skip


def test_strange_ones_fail_nothing(app: Flask, node: str, people: World) -> None:
    strange: list[Any] = [{}, [], 0, False, 3.5, [[[]]] * 9, {"a": {"b": None}}, "\x00\ud800", "[" * 5000, {"body": 1}]
    for path, made in (("/ingest/kong", kong(PATH)), ("/ingest/apisix", apisix(PATH))):
        batch = [made | {"request": made["request"] | {"body": said}} for said in strange]
        assert send(app, node, path, "\n".join(map(json.dumps, batch))).json == {"stored": 10, "rejected": 0}
    batch = [nginx(PATH) | {"request_body": said, "http_content_type": said} for said in strange]
    assert send(app, node, "/ingest/json", "\n".join(map(json.dumps, batch))).json == {"stored": 10, "rejected": 0}
    for said in ("data:", "data:;base64,====", "data:a/b;base64,\x00", "data:text/plain;base64," + "A" * 99999):
        body = a_batch(a_record(path=PATH, version=str(people.version_id), **{"gatewright.request_body": said}))
        assert push(app, node, body).status_code == 200
    assert (len(stored(app)), letters(app)) == (34, [])


class TestStored:
    def test_they_go_with_their_day(self, app: Flask, node: str, people: World) -> None:
        send(app, node, "/ingest/json", [nginx(PATH, request_body=JSON), nginx(PATH, request_body=JSON, time_iso8601=(now() - timedelta(days=2)).timestamp())])  # fmt: skip
        assert len(tables(app)) == 2
        logs = app.extensions["gatewright"].logs
        with logs.writing() as connection:
            assert segments.drop(connection, catalogue(connection)[0]) == 1
        assert tables(app) == [f"log_d{now():%Y%m%d}_body"]
        assert [bool(said[1]) for said in kept(app)] == [True]

    def test_their_size_counts(self, app: Flask, node: str, people: World) -> None:
        logs = app.extensions["gatewright"].logs
        with logs.engine.connect() as connection:
            before = segments.size_bytes(connection)
        send(app, node, "/ingest/json", [nginx(PATH, request_body="".join(f"{i:x}" for i in range(600)))] * 500)
        with logs.engine.connect() as connection:
            assert segments.size_bytes(connection) - before > 400_000

    def test_a_batch_that_fails_leaves_none(self, app: Flask, node: str, people: World, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
        def fail(*_: object) -> None:
            raise OSError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr("console.logs.letters.keep", fail)
            assert send(app, node, "/ingest/json", nginx(PATH, request_body=JSON)).status_code == 503
        assert (stored(app), tables(app)) == ([], [])

    def test_a_record_of_another_segment_has_none(self, app: Flask, node: str, people: World) -> None:
        with app.extensions["gatewright"].logs.engine.connect() as connection:
            assert bodies_of(connection, id_at(now())) == (("", ""), ("", ""))


def test_no_secret_is_anywhere_on_disk(app: Flask, node: str, people: World, tmp_path: Path) -> None:
    """Good and bad records, in every format; those that are rejected are kept as letters."""
    for path, said in senders():
        assert send(app, node, path, said).status_code == 200
        assert push(app, node, protobuf(said)).status_code == 200 if path == "/v1/logs" else True
    for path, said in senders():
        status = rb'(\\?")(status|response_status|stringValue)\\?":(?:\\?")?\d{3}(?:\\?")?(?=[,}])'
        broken = re.sub(status, rb"\1\2\1:\1x\1", orjson.dumps(said))
        send(app, node, path, broken)
    cut = [nginx(PATH, request_body=JSON[:end], response_body=JSON[:end]) for end in range(1, len(JSON))]
    send(app, node, "/ingest/json", cut)
    send(app, node, "/ingest/hec", tyk(PATH))
    assert len(letters(app)) == 7
    assert len(stored(app)) == 8 + len(cut) + 1
    assert '"name":"Ann"' in str(kept(app))
    logs = app.extensions["gatewright"].logs
    if SERVER:
        with logs.engine.connect() as connection:
            names = [f"{one.name}_body" for one in catalogue(connection)] + ["log_record", "log_rejected"]
            there = [str(row) for name in names for row in connection.execute(text(f"SELECT * FROM {name}"))]
    else:
        there = [file.read_bytes().decode("latin-1") for file in (tmp_path / "home").glob("*.db*")]
    assert [said[max(0, said.index(S) - 200) :][:400] for said in there if S in said] == []


class TestPage:
    @pytest.fixture
    def number(self, app: Flask, node: str, people: World) -> int:
        push(app, node, a_batch(a_record(path=PATH, client_id=people.client_id, version=str(people.version_id), **{
            "gatewright.request_body": data(JSON), "gatewright.response_body": "data:image/png,", "http.response.body.size": 1234,
        })))  # fmt: skip
        return int(stored(app)[0].id)

    def test_shows_them(self, sign_in: SignIn, number: int) -> None:
        page = sign_in("dora").get(f"/logs/{number}").text
        assert "Request body" in page
        assert "&#34;name&#34;: &#34;Ann&#34;" in page
        assert "binary, 1,234 bytes, image/png" in page
        assert S not in page

    def test_to_the_team_of_the_application(self, sign_in: SignIn, number: int, people: World) -> None:
        here = f"/applications/{people.application_id}/logs/{number}"
        assert "Request body" in sign_in("bob").get(here).text
        assert sign_in("carol").get(here).status_code == 404
        assert sign_in("carol").get(f"/logs/{number}").status_code == 403

    def test_says_nothing_where_there_are_none(self, app: Flask, node: str, sign_in: SignIn, world: World) -> None:
        push(app, node, a_batch(a_record(**{"gatewright.request_body": data(JSON)})))
        assert "Request body" not in sign_in("dora").get(f"/logs/{stored(app)[0].id}").text

    def test_a_body_is_no_markup(self, app: Flask, node: str, sign_in: SignIn, people: World) -> None:
        send(app, node, "/ingest/json", nginx(PATH, request_body="<script>x</script>"))
        page = sign_in("dora").get(f"/logs/{stored(app)[0].id}").text
        assert "&lt;script&gt;" in page
        assert "<script>x" not in page

    def test_reading_one_is_in_the_trail(self, app: Flask, sign_in: SignIn, number: int) -> None:
        sign_in("dora").get(f"/logs/{number}")
        assert trail(app)[-1] == "logs.read"

    @pytest.mark.parametrize("form", ["csv", "ndjson"])
    def test_exports_leave_them_out(self, sign_in: SignIn, number: int, form: str) -> None:
        said = sign_in("dora").get(f"/logs/export?format={form}").text
        assert str(number) in said
        assert "Ann" not in said
