"""Gateways push request records; people find them again: every record once, and nobody else's."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import re
import time
from datetime import timedelta
from typing import Any

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from sqlalchemy import func, select

from console.db import now
from console.logs.segments import tables
from console.logs.store import batch, hour, record
from tests.conftest import SignIn, World, at_once, trail

MS = 1_000_000
Values = dict[str, Any]


def a_record(at_ns: int = 0, **values: object) -> Values:
    """One OTLP record in JSON, of a good call of Orders; ``values`` override by the last word of an attribute's name, or add."""
    said = {
        "http.response.status_code": 200, "http.request.method": "GET", "url.path": "/orders/v1/orders",
        "gatewright.version": 1, "gatewright.client_id": "", "gatewright.jti": "", "gatewright.duration_us": 1500,
        "gatewright.backend_us": 1000, "gatewright.request_id": "", "user_agent.original": "curl",
    }  # fmt: skip
    said |= {next((k for k in said if k.endswith(name)), name): value for name, value in values.items()}
    attributes = [{"key": k, "value": {"stringValue": str(v)}} for k, v in said.items()]
    return {"timeUnixNano": str(at_ns or time.time_ns()), "attributes": attributes}


def a_batch(*records: Values) -> Values:
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": list(records)}]}]}


def push(app: Flask, node: str, body: Any, **headers: str) -> Any:
    """Send it as a gateway does; a dictionary as JSON, bytes as protobuf."""
    kind = "application/x-protobuf" if isinstance(body, bytes) else "application/json"
    data = body if isinstance(body, bytes | str) else orjson.dumps(body)
    said = {"Authorization": f"Bearer {node}", "Content-Type": kind} | headers
    return app.test_client().post("/v1/logs", data=data, headers=said)


def stored(app: Flask, column: Any = record.c.path) -> list[Any]:
    """That column of every record, oldest first, whichever table it is in."""
    found: list[Any] = []
    with app.extensions["gatewright"].logs.engine.connect() as connection:
        for t in reversed(tables(connection)):
            found += connection.scalars(select(t.c[column.name]).order_by(t.c.id))
    return found


def protobuf(body: Values) -> bytes:
    from google.protobuf import json_format

    return json_format.ParseDict(body, ExportLogsServiceRequest()).SerializeToString()


class TestPush:
    @pytest.mark.parametrize("form", [orjson.dumps, protobuf])
    @pytest.mark.parametrize("packed", [False, True])
    def test_stored_before_it_is_answered(self, app: Flask, node: str, form: Any, packed: bool) -> None:
        body = form(a_batch(a_record(path="/a?token=1"), a_record(path="/b", code=503)))
        kind = "application/json" if form is orjson.dumps else "application/x-protobuf"
        headers = {"Content-Type": kind} | ({"Content-Encoding": "gzip"} if packed else {})
        answer = push(app, node, gzip.compress(body) if packed else body, **headers)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
        assert stored(app) == ["/a", "/b"]  # no query string: it may hold secrets
        assert stored(app, record.c.status) == [200, 503]

    @pytest.mark.parametrize("credential", ["", "x", "gwn_" + "a" * 43 + "_000000", "gws_x_y"])
    def test_a_bad_credential_is_refused(self, app: Flask, node: str, credential: str) -> None:
        answer = push(app, credential, a_batch(a_record()))
        assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")
        assert stored(app) == []

    def test_a_removed_node_is_refused(self, app: Flask, node: str, sign_in: SignIn) -> None:
        assert push(app, node, a_batch(a_record())).status_code == 200
        sign_in("alice").post("/nodes/1/remove")
        time.sleep(0.3)
        assert push(app, node, a_batch(a_record())).status_code == 401

    @pytest.mark.parametrize(
        "bad", [{"code": ""}, {"code": "abc"}, {"code": -1}, {"code": 1000}, {"us": "x"}, {"at_ns": 10_000}]
    )
    def test_one_bad_record_does_not_fail_the_others(self, app: Flask, node: str, bad: Values) -> None:
        bad = {"duration_us" if k == "us" else k: v for k, v in bad.items()}
        body = a_batch(a_record(path="/1"), a_record(path="/bad", **bad), a_record(path="/2"))
        answer = push(app, node, body)
        assert (answer.status_code, answer.json) == (200, {"partialSuccess": {"rejectedLogRecords": "1"}})
        assert stored(app) == ["/1", "/2"]

    def test_protobuf_answers_count_the_bad_ones_too(self, app: Flask, node: str) -> None:
        answer = push(app, node, protobuf(a_batch(a_record(code="x"))))
        assert ExportLogsServiceResponse.FromString(answer.data).partial_success.rejected_log_records == 1

    @pytest.mark.parametrize("body", [b"\xff\xff", b"\x0a\xff", "{", '{"resourceLogs": 3}', "[" * 5000])
    def test_what_is_no_batch_is_refused(self, app: Flask, node: str, body: Any) -> None:
        assert push(app, node, body).status_code == 400

    def test_nothing_is_fine(self, app: Flask, node: str) -> None:
        assert [push(app, node, body).status_code for body in ({}, b"")] == [200, 200]

    def test_a_gzip_bomb_stops(self, app: Flask, node: str) -> None:
        bomb = gzip.compress(bytes(200_000_000), 1)
        started = time.process_time()
        answer = push(app, node, bomb, **{"Content-Encoding": "gzip"})
        assert answer.status_code == 413
        assert time.process_time() - started < 1

    @pytest.mark.parametrize("broken", [b"no gzip", b"\x1f\x8b"])
    def test_broken_gzip_is_refused(self, app: Flask, node: str, broken: bytes) -> None:
        assert push(app, node, broken, **{"Content-Encoding": "gzip"}).status_code == 400
        assert push(app, node, broken, **{"Content-Encoding": "br"}).status_code == 400

    def test_half_a_batch_is_refused(self, app: Flask, node: str) -> None:
        half = protobuf(a_batch(a_record(path="/1")))
        packed = gzip.compress(half + protobuf(a_batch(a_record(path="/2"))), 0)
        cut = packed[: 10 + 5 + len(half)]  # behind the first resource, where protobuf alone sees no fault
        assert push(app, node, cut, **{"Content-Encoding": "gzip"}).status_code == 400
        assert stored(app) == []

    def test_the_same_batch_twice_is_stored_once(self, app: Flask, node: str) -> None:
        body = a_batch(a_record(), a_record())
        assert [push(app, node, body).status_code for _ in "123"] == [200] * 3
        assert len(stored(app)) == 2
        with app.extensions["gatewright"].logs.engine.connect() as connection:
            assert connection.scalars(select(batch.c.records)).all() == [2]

    def test_the_same_batch_at_once_is_stored_once(self, app: Flask, node: str) -> None:
        body = a_batch(a_record(), a_record())
        assert {a.status_code for a in at_once(*[lambda: push(app, node, body)] * 6)} == {200}
        assert len(stored(app)) == 2

    def test_several_pushers_lose_and_double_nothing(self, app: Flask, node: str) -> None:
        def pusher(number: int) -> set[int]:
            sent = ([a_record(path=f"/{number}/{i}/{j}") for j in range(20)] for i in range(5))
            return {push(app, node, a_batch(*records)).status_code for records in sent}

        assert at_once(*[lambda n=n: pusher(n) for n in range(6)]) == [{200}] * 6
        wanted = {f"/{n}/{i}/{j}" for n, i, j in itertools.product(range(6), range(5), range(20))}
        assert (len(stored(app)), set(stored(app))) == (600, wanted)
        with app.extensions["gatewright"].logs.engine.connect() as connection:
            assert connection.scalar(select(func.sum(hour.c.requests))) == 600

    def test_one_moment_holds_more_records_than_it_has_numbers(self, app: Flask, node: str) -> None:
        at = time.time_ns() // 1000 * 1000
        assert push(app, node, a_batch(*[a_record(at) for _ in range(5000)])).status_code == 200
        assert len(set(stored(app, record.c.id))) == 5000

    def test_another_worker_may_have_taken_the_number(self, app: Flask, node: str) -> None:
        writer, at = app.extensions["gatewright"].writer, time.time_ns() // 1000 * 1000
        for path in ("/1", "/2"):
            writer.sequence = itertools.count(7)  # as two processes may
            assert push(app, node, a_batch(a_record(at, path=path))).status_code == 200
        assert sorted(stored(app)) == ["/1", "/2"]


@pytest.fixture
def traffic(app: Flask, node: str, world: World) -> list[str]:
    """Two hundred calls of Orders by Bob's application and by nobody, one a second, newest last."""
    start = time.time_ns() // MS * MS - 300 * 1000 * MS
    made = []
    for i in range(200):
        values: Values = {
            "path": f"/orders/v1/orders/{i}",
            "request_id": f"request-{i}",
            "code": (200, 404, 503, 201)[i % 4],
        }
        values |= {"client_id": world.client_id if i % 2 else "", "method": "POST" if i % 4 == 3 else "GET"}
        made.append(a_record(start + i * 1000 * MS, **values))
    assert push(app, node, a_batch(*made)).status_code == 200
    return [f"/orders/v1/orders/{i}" for i in range(200)]


def shown(page: Any) -> list[str]:
    """The paths of the rows on a page, top down."""
    assert page.status_code == 200
    return re.findall(r"/orders/v1/orders/\d+(?=<)", page.text)


class TestSearch:
    def test_pages_hold_every_record_once(self, sign_in: SignIn, traffic: list[str]) -> None:
        alice, found, path = sign_in("alice"), [], "/logs"
        while path:
            page = alice.get(path)
            found += shown(page)
            older = re.search(r'href="(/logs\?[^"]*before=\d+[^"]*)"', page.text)
            path = older.group(1).replace("&amp;", "&") if older else ""
        assert found == traffic[::-1]

    def test_what_arrives_meanwhile_shifts_no_page(
        self, app: Flask, node: str, sign_in: SignIn, traffic: list[str]
    ) -> None:
        alice = sign_in("alice")
        first = alice.get("/logs")
        push(app, node, a_batch(*[a_record(path=f"/orders/v1/orders/{1000 + i}") for i in range(60)]))
        older = re.search(r"before=(\d+)", first.text).group(1)  # type: ignore[union-attr]
        assert shown(first) + shown(alice.get(f"/logs?before={older}")) == traffic[:99:-1]

    @pytest.mark.parametrize(
        ("query", "wanted"),
        [
            ("status=5xx", lambda i: i % 4 == 2),
            ("status=4xx&status=5xx", lambda i: i % 4 in (1, 2)),
            ("status=2xx&method=POST", lambda i: i % 4 == 3),
            ("method=post", lambda i: i % 4 == 3),
            ("path=orders/19", lambda i: i in (19, *range(190, 200))),
            ("request_id=request-7", lambda i: i == 7),
            ("request_id=request", lambda i: False),
            ("api=orders@1.0.0&path=/42", lambda i: i == 42),
            ("api=none@9", lambda i: False),
            ("application=app-none", lambda i: False),
            ("range=15m", lambda i: True),
            ("path=%25", lambda i: False),
            ("path=orders_", lambda i: False),
            ("path=\\", lambda i: False),
        ],
    )
    def test_filters(self, sign_in: SignIn, traffic: list[str], query: str, wanted: Any) -> None:
        expected = [path for i, path in enumerate(traffic) if wanted(i)][::-1]
        assert shown(sign_in("alice").get(f"/logs?{query}")) == expected[:50]

    def test_wildcards_are_letters(self, app: Flask, node: str, sign_in: SignIn) -> None:
        push(app, node, a_batch(a_record(path="/orders/v1/orders/100%_a"), a_record(path="/orders/v1/orders/100xya")))
        page = sign_in("alice").get("/logs", query_string={"path": "100%_"}).text
        assert "orders/100%_a" in page
        assert "orders/100xya" not in page

    def test_between_two_moments(self, sign_in: SignIn, traffic: list[str]) -> None:
        ago = {
            name: f"{now() - timedelta(seconds=s):%Y-%m-%dT%H:%M:%S}" for name, s in (("since", 230), ("until", 190))
        }
        found = shown(sign_in("alice").get("/logs", query_string=ago))
        assert 38 <= len(found) <= 42
        assert found == sorted(found, key=lambda p: -int(p.rsplit("/")[-1]))

    def test_a_moment_of_another_zone_stays_the_same_moment(self, sign_in: SignIn, traffic: list[str]) -> None:
        page = sign_in("alice").get("/logs?since=2026-01-01T12:00:00%2B02:00").text
        assert "since=2026-01-01T10%3A00%3A00" in page
        assert "since=2026-01-01T12%3A00%3A00" not in page

    @pytest.mark.parametrize(
        "query", ["since=9999-12-31", "until=9999-12-31", "until=2099-01-01", "since=0001-01-01", "range=x"]
    )
    @pytest.mark.parametrize("before", ["", "1", "99999999999999999999999", "x", "-1"])
    def test_strange_questions_are_answered(self, sign_in: SignIn, traffic: list[str], query: str, before: str) -> None:
        assert sign_in("alice").get(f"/logs?{query}&before={before}").status_code in (200, 400)

    def test_no_time_is_refused(self, sign_in: SignIn, traffic: list[str]) -> None:
        answer = sign_in("alice").get("/logs?since=yesterday")
        assert (answer.status_code, "yesterday is no time" in answer.text) == (409, True)

    def test_a_record_is_told(self, app: Flask, sign_in: SignIn, traffic: list[str]) -> None:
        number = stored(app, record.c.id)[42]
        page = sign_in("dora").get(f"/logs/{number}")
        assert "The backend took 1.0 ms, the gateway 0.5 ms." in page.text
        assert sign_in("dora").get("/logs/1").status_code == 404

    def test_the_histogram_counts_all_of_them(self, app: Flask, traffic: list[str]) -> None:
        from console.logs.histogram import histogram
        from console.logs.question import Question

        with app.app_context():
            until = now()
            hourly = histogram(Question(), until - timedelta(days=7), until + timedelta(hours=1))
            buckets = histogram(Question(), until - timedelta(minutes=15), until)
        assert sum(b.total for b in buckets) == sum(b.total for b in hourly) == 200
        assert [sum(getattr(b, k) for b in buckets) for k in ("ok", "refused", "failed")] == [100, 50, 50]


class TestDeveloper:
    def test_sees_her_applications_rows_only(self, sign_in: SignIn, world: World, traffic: list[str]) -> None:
        bob, path = sign_in("bob"), f"/applications/{world.application_id}/logs"
        assert shown(bob.get(path)) == traffic[::-1][::2][:50]
        assert shown(bob.get(f"{path}?application=&api=orders@1.0.0&path=/2")) == shown(bob.get(f"{path}?path=/2"))
        assert bob.get("/logs").status_code == 403

    def test_opens_her_records_only(self, app: Flask, sign_in: SignIn, world: World, traffic: list[str]) -> None:
        bob, path, numbers = sign_in("bob"), f"/applications/{world.application_id}/logs", stored(app, record.c.id)
        assert bob.get(f"{path}/{numbers[1]}").status_code == 200
        assert bob.get(f"{path}/{numbers[0]}").status_code == 404
        assert bob.get(f"/logs/{numbers[1]}").status_code == 403
        assert sign_in("carol").get(f"{path}/{numbers[1]}").status_code == 404


class TestExport:
    def test_csv_holds_what_is_filtered(self, app: Flask, sign_in: SignIn, traffic: list[str]) -> None:
        answer = sign_in("dora").get("/logs/export?status=5xx&format=csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row["path"] for row in rows] == traffic[2::4][::-1]
        assert (rows[0]["api"], rows[0]["node"]) == ("Orders 1.0.0", "gw-1")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="requests.csv"'
        assert trail(app)[-1] == "logs.exported"

    def test_ndjson_holds_all(self, sign_in: SignIn, traffic: list[str]) -> None:
        rows = [orjson.loads(line) for line in sign_in("alice").get("/logs/export?format=ndjson").data.splitlines()]
        assert [row["path"] for row in rows] == traffic[::-1]
        assert {row["application"] for row in rows} == {"", "Shop"}
        assert isinstance(rows[0]["id"], str)

    def test_formulas_are_text(self, app: Flask, node: str, sign_in: SignIn) -> None:
        agents = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "plain"]
        push(app, node, a_batch(*[a_record(original=agent) for agent in agents]))
        rows = csv.DictReader(io.StringIO(sign_in("alice").get("/logs/export").text, newline=""))
        assert sorted(row["user_agent"] for row in rows) == sorted([f"'{a}" for a in agents[:-1]] + ["plain"])

    @pytest.mark.parametrize("path", ["/logs/export", "/audit/export"])
    @pytest.mark.parametrize("form", ["", "xls", 'csv"; x="', "csv\r\nX-Evil: 1"])
    def test_another_format_is_csv(self, sign_in: SignIn, traffic: list[str], path: str, form: str) -> None:
        answer = sign_in("alice").get(path, query_string={"format": form})
        assert (answer.status_code, answer.mimetype) == (200, "text/csv")
        assert answer.headers["Content-Disposition"].endswith('.csv"')
        assert "X-Evil" not in answer.headers

    def test_bob_exports_nothing(self, client: FlaskClient, sign_in: SignIn, traffic: list[str]) -> None:
        assert sign_in("bob").get("/logs/export").status_code == 403
