"""Each sender's own bodies become rows: the same columns whoever sent them, the version found by its path."""

from __future__ import annotations

import gzip
import time
from typing import Any

import orjson
import pytest
from backports import zstd
from flask import Flask

from tests.conftest import World
from tests.ingested import Values, apisix, batches, caddy, envoy, kong, letters, ms, nginx, send, stored, tyk


def lines(*said: Values) -> bytes:
    return b"\n".join(orjson.dumps(s) for s in said) + b"\n"


def close_to_now(row: Any) -> bool:
    from console.logs.store import moment_of

    return abs(moment_of(row.id).timestamp() - ms() / 1000) < 5


class TestKong:
    def test_a_record(self, app: Flask, node: str, world: World) -> None:
        answer = send(app, node, "/ingest/kong", kong())
        assert (answer.status_code, answer.json) == (200, {"stored": 1, "rejected": 0})
        (row,) = stored(app)
        assert close_to_now(row)
        assert row[1:] == (
            1, world.version_id, "app-0123456789abcdef", "key", "", "GET", "/orders/v1/orders", 200, 173_000, 171_000,
            138, 9982, "6e8f6b1a3f9d4c1b8a7e5d2c4b3a2f1e", "203.0.113.7", "curl/8.5.0", "", "", "/orders", "",
        )  # fmt: skip

    def test_more_than_one_are_an_array(self, app: Flask, node: str) -> None:
        assert send(app, node, "/ingest/kong", [kong(), kong(), kong()]).json == {"stored": 3, "rejected": 0}

    def test_without_a_backend(self, app: Flask, node: str) -> None:
        said = kong(latencies={"kong": 1, "request": 2, "proxy": -1, "receive": 0}, source="exit")
        del said["tries"], said["upstream_status"], said["consumer"], said["authenticated_entity"]
        said["trace_id"] = {"w3c": "4bf92f3577b34da6a3ce929d0e0e4736"}
        send(app, node, "/ingest/kong", said)
        (row,) = stored(app)
        assert row.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert (row.duration_us, row.backend_us, row.client_id, row.credential) == (2000, -1, "", "")

    def test_what_is_not_kongs_is_rejected(self, app: Flask, node: str) -> None:
        assert send(app, node, "/ingest/kong", [nginx(), kong()]).json == {"stored": 1, "rejected": 1}
        assert [letter.reason for letter in letters(app)] == ["this is no record of Kong's http-log"]


class TestApisix:
    @pytest.mark.parametrize("body", [lines, lambda s: orjson.dumps([s]), orjson.dumps])
    def test_a_record(self, app: Flask, node: str, world: World, body: Any) -> None:
        assert send(app, node, "/ingest/apisix", body(apisix()), Content_Type="text/plain").json["stored"] == 1
        (row,) = stored(app)
        assert close_to_now(row)
        assert row[1:] == (
            1, world.version_id, "shop", "", "", "POST", "/orders/v1/orders", 503, 103_000, 101_000, 85, 118, "",
            "203.0.113.8", "curl/8.5.0", "", "", "/orders", "",
        )  # fmt: skip

    def test_a_log_format_of_ones_own(self, app: Flask, node: str) -> None:
        said = {"host": "api", "@timestamp": nginx()["time_iso8601"], "client_ip": "203.0.113.8", "status": 201}
        send(app, node, "/ingest/apisix", [said | {"request_uri": "/a?b=1", "route_id": "1"}])
        (row,) = stored(app)
        assert (row.path, row.status, row.client_address) == ("/a", 201, "203.0.113.8")


class TestHec:
    PATHS = ("/ingest/hec", "/services/collector", "/services/collector/event", "/services/collector/event/1.0")

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("scheme", ["Splunk", "Bearer"])
    def test_tyk_pump(self, app: Flask, node: str, world: World, path: str, scheme: str) -> None:
        answer = send(app, node, path, tyk(), Authorization=f"{scheme} {node}")
        assert (answer.status_code, answer.json) == (200, {"text": "Success", "code": 0})
        (row,) = stored(app)
        assert close_to_now(row)
        assert row[1:] == (
            1, world.version_id, "shop", "", "", "GET", "/orders/v1/orders", 404, 12_000, 11_000, 0, 0, "",
            "203.0.113.9", "Go-http-client/1.1", "", "", "/orders", "",
        )  # fmt: skip

    def test_events_have_nothing_between_them(self, app: Flask, node: str) -> None:
        body = b"".join(orjson.dumps(tyk(f"/{i}")) for i in range(5))
        send(app, node, "/ingest/hec", body)
        assert [row.path for row in stored(app)] == ["/0", "/1", "/2", "/3", "/4"]

    def test_apisix(self, app: Flask, node: str) -> None:
        event = {
            "request_url": "http://api:9080/orders/v1/x?apikey=1", "request_method": "PUT", "request_headers": {},
            "request_query": {}, "request_size": 90, "response_headers": {}, "response_status": 200,
            "response_size": 100, "latency": 5.5, "upstream": "10.0.0.5:1980",
        }  # fmt: skip
        said = {"time": ms() / 1000, "host": "gw", "source": "apache-apisix-splunk-hec-logging", "event": event}
        send(app, node, "/ingest/hec", said, Authorization=f"Splunk {node}")
        (row,) = stored(app)
        assert (row.path, row.method, row.duration_us, row.response_bytes) == ("/orders/v1/x", "PUT", 5500, 100)

    def test_an_event_may_be_a_line(self, app: Flask, node: str) -> None:
        said = [{"time": ms() / 1000, "event": orjson.dumps(caddy("/1")).decode()}]
        said += [{"time": ms() / 1000, "event": {"message": orjson.dumps(caddy("/2")).decode()}}]
        said += [{"time": ms() / 1000, "event": "handled request"}]
        assert send(app, node, "/ingest/hec", said).status_code == 200
        assert sorted(row.path for row in stored(app)) == ["/1", "/2"]
        assert [letter.reason for letter in letters(app)] == ["the event is no JSON object"]

    def test_splunks_scheme_is_for_hec_only(self, app: Flask, node: str) -> None:
        assert send(app, node, "/ingest/json", nginx(), Authorization=f"Splunk {node}").status_code == 401

    def test_vector_asks_for_its_health(self, app: Flask) -> None:
        assert app.test_client().get("/services/collector/health/1.0").status_code == 200


class TestJson:
    def test_nginx(self, app: Flask, node: str, world: World) -> None:
        send(app, node, "/ingest/json", lines(nginx()), Content_Type="application/x-ndjson")
        (row,) = stored(app)
        assert close_to_now(row)
        assert row[1:] == (
            1, world.version_id, "", "", "", "GET", "/orders/v1/orders", 200, 12_000, 10_000, 512, 1024,
            "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "203.0.113.12", "curl/8.5.0", "", "", "/orders", "",
        )  # fmt: skip

    def test_caddy(self, app: Flask, node: str, world: World) -> None:
        send(app, node, "/ingest/json", lines(caddy()), Content_Type="text/plain")
        (row,) = stored(app)
        assert close_to_now(row)
        assert row[1:] == (
            1, world.version_id, "", "", "", "GET", "/orders/v1/orders", 200, 930, -1, 3, 10900, "", "203.0.113.11",
            "curl/8.5.0", "", "", "/orders", "",
        )  # fmt: skip

    def test_envoy(self, app: Flask, node: str) -> None:
        send(app, node, "/ingest/json", [envoy()])
        (row,) = stored(app)
        assert (row.duration_us, row.backend_us, row.request_bytes, row.response_bytes) == (12_000, 9000, 5, 7)
        assert (row.reason, row.request_id, row.client_address) == ("via_upstream", "d7c2", "203.0.113.13")

    def test_our_own_names(self, app: Flask, node: str) -> None:
        said = {"http.response.status_code": 204, "url.path": "/x", "http.request.method": "DELETE", "ts": ms()}
        said |= {"gatewright.version": 7, "gatewright.jti": "j", "gatewright.credential": "jwe", "duration_us": 5}
        send(app, node, "/ingest/json", said)
        (row,) = stored(app)
        assert (row.version_id, row.jti, row.credential, row.duration_us) == (7, "j", "jwe", 5)

    def test_lines_as_shippers_wrap_them(self, app: Flask, node: str) -> None:
        """Fluent Bit without a parser, Vector's file source, syslog-ng's $MESSAGE; and one behind another."""
        inner = nginx("/n")
        del inner["time_iso8601"]
        wrapped = [
            {"date": ms() / 1000, "log": orjson.dumps(caddy("/c")).decode()},
            {"file": "/var/log/a", "host": "h", "message": orjson.dumps(inner).decode(), "timestamp": "2026-01-01T00:00:00Z"},
            {"MESSAGE": {"log": orjson.dumps(nginx("/m")).decode()}},
        ]  # fmt: skip
        wrapped[1]["timestamp"] = nginx()["time_iso8601"]
        assert send(app, node, "/ingest/json", wrapped).json == {"stored": 3, "rejected": 0}
        assert {row.path for row in stored(app)} == {"/c", "/n", "/m"}

    def test_fluent_bit_with_a_parser_keeps_the_time_under_date(self, app: Flask, node: str) -> None:
        said = {k: v for k, v in caddy("/c").items() if k != "ts"}
        send(app, node, "/ingest/json", [{"date": ms() / 1000} | said])
        assert close_to_now(stored(app)[0])

    @pytest.mark.parametrize(
        "form",
        ["{ms}", "{s}", "{ms}000", "{ms}000000", '"{s}"', '"{ms}"', '"{iso}Z"', '"{iso}.123456789Z"', '"{iso}"'],
    )
    def test_times(self, app: Flask, node: str, form: str) -> None:
        at, iso = ms(), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        body = '{"status":200,"time":' + form.format(ms=at, s=at / 1000, iso=iso) + "}"
        assert send(app, node, "/ingest/json", body).json["stored"] == 1
        assert close_to_now(stored(app)[0])

    def test_nginx_time_local(self, app: Flask, node: str) -> None:
        at = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        send(app, node, "/ingest/json", {"status": 200, "time_local": at})
        assert close_to_now(stored(app)[0])


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress, lambda b: gzip.compress(b[:700]) + gzip.compress(b[700:]),
                                  lambda b: zstd.compress(b[:700]) + zstd.compress(b[700:])])  # fmt: skip
def test_compressed(app: Flask, node: str, pack: Any) -> None:
    """Also in several members, none of which may be lost."""
    packed = pack(lines(*[nginx(f"/{i}") for i in range(20)]))
    encoding = "gzip" if packed.startswith(b"\x1f\x8b") else "zstd"
    assert send(app, node, "/ingest/json", packed, Content_Encoding=encoding).json == {"stored": 20, "rejected": 0}


class TestVersions:
    @pytest.mark.parametrize(
        ("path", "found"),
        [("/orders/v1", True), ("/orders/v1/", True), ("/orders/v1/a/b?c=1", True), ("/orders/v10/a", False),
         ("/orders", False), ("/", False), ("", False), ("/orders/v2/a", False), ("http://h/orders/v1/a", True)],
    )  # fmt: skip
    def test_by_path(self, app: Flask, node: str, world: World, path: str, found: bool) -> None:
        send(app, node, "/ingest/json", nginx(path, request_uri=path))
        assert [row.version_id for row in stored(app)] == [world.version_id if found else 0]

    def test_the_longest_wins_and_news_is_noticed(self, app: Flask, node: str, world: World) -> None:
        from console.accounts.models import Person
        from console.db import db, unit_of_work
        from tests.conftest import ORDERS, publish

        send(app, node, "/ingest/json", nginx("/orders/v1/eu/1"))
        with app.app_context(), unit_of_work():
            alice = db.session.get_one(Person, 1)
            text = ORDERS.replace("version: 1.0.0", "version: 1.5.0")
            longer = publish(alice, ["key"], text, "/orders/v1/eu").id
        time.sleep(0.3)
        send(app, node, "/ingest/json", nginx("/orders/v1/eu/2"))
        assert [row.version_id for row in stored(app)] == [world.version_id, longer]


class TestOnce:
    @pytest.mark.parametrize(("form", "said"), [("kong", kong), ("apisix", apisix), ("hec", tyk), ("json", caddy)])
    def test_a_repeated_batch(self, app: Flask, node: str, form: str, said: Any) -> None:
        body, path = orjson.dumps(said()), f"/ingest/{form}"
        packed = [send(app, node, path, gzip.compress(body, level), Content_Encoding="gzip") for level in (1, 9)]
        assert [a.status_code for a in (send(app, node, path, body), *packed)] == [200] * 3
        assert (len(stored(app)), len(batches(app))) == (1, 1)

    def test_by_the_senders_own_word(self, app: Flask, node: str) -> None:
        for key in ("a", "a", "b"):
            assert send(app, node, "/ingest/json", nginx(), Idempotency_Key=key).status_code == 200
        assert len(stored(app)) == 2

    def test_by_node(self, app: Flask, node: str) -> None:
        from console.db import unit_of_work
        from console.gateway.actions import enrol_node

        with app.app_context(), unit_of_work():
            other = enrol_node("gw-2")[1]
        body = orjson.dumps(nginx())
        for credential in (node, other):
            send(app, credential, "/ingest/json", body)
        assert [row.node_id for row in stored(app)] == [1, 2]
