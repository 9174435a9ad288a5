"""Bodies that no honest sender would send, and those of one that was cut off: nothing falls over, nothing else is lost."""

from __future__ import annotations

import gzip
import queue
import time
from typing import Any

import orjson
import pytest
from backports import zstd
from flask import Flask

from console.logs import endpoints
from console.logs import letters as dead
from console.logs.bodies import LARGEST_BYTES, TooLarge, Undecodable, documents, inflate
from console.logs.fields import Bad, microseconds
from console.logs.scrub import scrub_text
from tests.clickhouse import CLICKHOUSE
from tests.ingested import apisix, caddy, kong, letters, nginx, send, stored, tyk
from tests.test_logs import a_batch, a_record, protobuf, push

PATHS = ("/ingest/kong", "/ingest/apisix", "/ingest/hec", "/ingest/json", "/v1/logs", "/services/collector/event")
PACK = {"gzip": lambda body: gzip.compress(body, 1), "zstd": lambda body: zstd.compress(body, 1)}


@pytest.mark.parametrize("path", PATHS)
class TestEveryRoute:
    @pytest.mark.parametrize("credential", ["", "x", "gwn_" + "a" * 43 + "_000000"])
    def test_a_bad_credential_is_refused(self, app: Flask, node: str, path: str, credential: str) -> None:
        for scheme in ("Bearer", "Splunk", "Basic"):
            assert send(app, node, path, nginx(), Authorization=f"{scheme} {credential}").status_code == 401
        assert (stored(app), letters(app)) == ([], [])

    @pytest.mark.parametrize("encoding", PACK)
    def test_a_bomb_stops(self, app: Flask, node: str, path: str, encoding: str) -> None:
        bomb = PACK[encoding](bytes(200_000_000))
        started = time.process_time()
        answer = send(app, node, path, bomb, Content_Encoding=encoding)
        assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/problem+json")
        assert time.process_time() - started < 1

    @pytest.mark.parametrize("encoding", PACK)
    @pytest.mark.parametrize("keep", [0.5, 0.99])
    def test_a_torn_body_is_refused_whole(self, app: Flask, node: str, path: str, encoding: str, keep: float) -> None:
        packed = PACK[encoding](b"\n".join(orjson.dumps(nginx(f"/{i}")) for i in range(50)))
        assert send(app, node, path, packed[: int(len(packed) * keep)], Content_Encoding=encoding).status_code == 400
        assert stored(app) == []
        assert [letter.reason for letter in letters(app)] == [f"The body is not {encoding}, or was cut short."]

    @pytest.mark.parametrize(
        "body", [b"\x82\xa4date\xcb", b"[" * 100_000, b'{"a":' * 100_000, b"NaN", b"\xff\xfe", b"<xml/>", b"[{]"]
    )
    def test_what_cannot_be_read_at_all_is_refused_and_seen(
        self, app: Flask, node: str, path: str, body: bytes
    ) -> None:
        started = time.process_time()
        answers = [send(app, node, path, body).status_code for _ in "12"]
        assert (answers, stored(app)) == ([400, 400], [])
        assert (len(letters(app)), letters(app)[0].text) == (1, f"a body of {len(body)} bytes, application/json")
        assert time.process_time() - started < 3

    def test_another_encoding_is_refused(self, app: Flask, node: str, path: str) -> None:
        assert send(app, node, path, b"x", Content_Encoding="snappy").status_code == 400

    def test_a_large_one_is_refused(self, app: Flask, node: str, path: str) -> None:
        assert send(app, node, path, bytes(LARGEST_BYTES + 1)).status_code == 413

    def test_nothing_is_fine(self, app: Flask, node: str, path: str) -> None:
        nothing = (b"{}", b"{}") if path == "/v1/logs" else (b"", b"[]")
        assert [send(app, node, path, body).status_code for body in nothing] == [200, 200]


class TestBadRows:
    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            ({"status": None}, "there is no status"), ({"status": "abc"}, "the status is no number"),
            ({"status": [200]}, "there is no status"), ({"status": {}}, "the status is no number"),
            ({"status": True}, "the status is no number"), ({"status": 1000}, "the status is none of HTTP's"),
            ({"status": -1}, "the status is none of HTTP's"), ({"status": 200.5}, "the status is none of HTTP's"),
            ({"status": 1e300}, "the status is none of HTTP's"), ({"status": "9" * 400}, "the status is no number"),
            ({"status": "NaN"}, "the status is no number"), ({"status": "inf"}, "the status is no number"),
            ({"request_time": "x"}, "request_time is no number"), ({"request_time": {"a": 1}}, "request_time is no number"),
            ({"bytes_sent": [1]}, "the size of the response is no number"),
            ({"time_iso8601": None}, "there is no time"), ({"time_iso8601": "yesterday"}, "the time cannot be read"),
            ({"time_iso8601": 1}, "the time is more than 400 days ago"), ({"time_iso8601": -1}, "the time is before 1970"),
            ({"time_iso8601": "1969-01-01T00:00:00Z"}, "the time is more than 400 days ago"),
            ({"time_iso8601": "2999-01-01T00:00:00Z"}, "the time is in the future"),
            ({"time_iso8601": 1e300}, "the time is in the future"), ({"time_iso8601": []}, "there is no time"),
            ({"time_iso8601": True}, "the time is no number"),
            ({"time_iso8601": "0001-01-01T00:00:00+14:00"}, "the time is more than 400 days ago"),
        ],
    )  # fmt: skip
    def test_fail_alone_and_say_why(self, app: Flask, node: str, bad: dict[str, Any], reason: str) -> None:
        body = [nginx("/1"), nginx("/bad", **bad), nginx("/2")]
        assert send(app, node, "/ingest/json", body).json == {"stored": 2, "rejected": 1}
        assert ([row.path for row in stored(app)], [letter.reason for letter in letters(app)]) == (
            ["/1", "/2"],
            [reason],
        )

    @pytest.mark.parametrize(
        "line", [b"{", b'{"status": NaN}', b"[", b"x", b'{"a":' * 5000, b"null", b"3", b'"x"', b"[[1]]"]
    )
    def test_a_bad_line_fails_alone(self, app: Flask, node: str, line: bytes) -> None:
        body = b"\n".join([orjson.dumps(nginx("/1")), line, orjson.dumps(nginx("/2"))])
        answer = send(app, node, "/ingest/json", body)
        assert (answer.status_code, answer.json["stored"], answer.json["rejected"]) == (200, 2, 1)
        assert len(letters(app)) == 1

    @pytest.mark.parametrize(("form", "said"), [("kong", kong), ("apisix", apisix), ("hec", tyk), ("json", caddy)])
    @pytest.mark.parametrize("wrong", [None, [], {}, "x", 3, [[]], [{}], {"a": {}}, True, -1, 1e400, "\x00\ud800"])
    def test_wrong_types_anywhere(self, app: Flask, node: str, form: str, said: Any, wrong: Any) -> None:
        """Each member of each record in turn, and a good record after it, which is always kept."""
        import json

        whole = said()
        inner = whole["event"] if form == "hec" else whole
        records = []
        for name in inner:
            changed = inner | {name: wrong}
            records.append(json.dumps(whole | {"event": changed} if form == "hec" else changed))
        records += [json.dumps(said()), json.dumps(wrong)]
        answer = send(app, node, f"/ingest/{form}", "\n".join(records))
        assert (answer.status_code, bool(stored(app))) == (200, True)
        assert len(stored(app)) + len(letters(app)) == len(records)

    def test_letters_that_no_database_takes(self, app: Flask, node: str) -> None:
        body = r'{"status":200,"time":NOW,"uri":"/a\u0000\ud800b","request_id":"\udfff","user_agent":"\u0000"}'
        body = body.replace("NOW", str(time.time()))
        body += "\n" + r'{"status":"\u0000\ud800","uri":"\u0000"}'
        assert send(app, node, "/ingest/json", body).json == {"stored": 1, "rejected": 1}
        assert [row.path for row in stored(app)] == ["/a\ufffd\ufffdb"]

    def test_text_that_is_not_utf_8(self, app: Flask, node: str) -> None:
        """As nginx writes what a caller sent."""
        body = orjson.dumps(nginx("/1")) + b"\n" + orjson.dumps(nginx("/x")).replace(b"curl", b"\xff\xfe") + b"\n"
        assert send(app, node, "/ingest/json", body).json == {"stored": 2, "rejected": 0}

    def test_numbers_that_are_too_large_are_cut(self, app: Flask, node: str) -> None:
        said = nginx(bytes_sent=10**18, request_time=1e30, request_length=-5, upstream_response_time="1e308")
        assert send(app, node, "/ingest/json", said).json["stored"] == 1
        (row,) = stored(app)
        assert (row.response_bytes, row.duration_us, row.request_bytes) == (2**31 - 1, 2**31 - 1, 0)


def test_documents_however_they_are_put_together() -> None:
    for body in (
        b'[{"a":1},{"a":2}]',
        b'{"a":1}\n{"a":2}',
        b'{"a":1}{"a":2}',
        b'{"a":1} {"a":2}\r\n',
        b'\n{\n"a":1\n}\n{"a":\n2}',
    ):
        assert [value for value, _ in documents(body)] == [{"a": 1}, {"a": 2}], body


def test_windows_larger_than_http_allows_are_refused() -> None:
    """Each would cost its size in memory, whatever is in it."""
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.enable_long_distance_matching: 1}
    with pytest.raises(Undecodable):
        inflate(zstd.compress(bytes(range(256)) * 70_000, options=options), "zstd")
    with pytest.raises(TooLarge):
        inflate(zstd.compress(bytes(LARGEST_BYTES + 1)), "zstd")
    assert len(inflate(zstd.compress(bytes(LARGEST_BYTES), 19), "zstd")) == LARGEST_BYTES


@pytest.mark.parametrize(
    "value", ["", "-", "1e5x", "２０２６", "2026-13-01", "9" * 5000, "-5", float("nan"), float("inf"), {}]
)
def test_times_that_are_none(value: Any) -> None:
    with pytest.raises(Bad):
        microseconds(value)


@pytest.mark.parametrize(
    "text",
    ["\\" * 4000 + '"', '"key' * 1000, "key" * 1400, "?" * 4000, "Bearer " * 600, "eyJ" * 1300, "[" * 4000,
     '"token":[' * 400, "://" * 1300, "a " * 2000, "%3F" * 1300, "'" * 4000, '"token":"' + "\\" * 3900],
)  # fmt: skip
def test_scrubbing_takes_no_time(text: str) -> None:
    started = time.process_time()
    scrub_text(text)
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize("path", PATHS)
def test_too_much_at_once_is_said_before_any_work(
    app: Flask, node: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = app.extensions["gatewright"].writer
    with monkeypatch.context() as patch:
        patch.setattr(writer, "queue", queue.Queue(1))
        writer.queue.put(object())
        patch.setattr(endpoints, "take", lambda *_: pytest.fail("the batch was taken"))
        answer = send(app, node, path, tyk())
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert (stored(app), letters(app)) == ([], [])
    assert send(app, node, path, b"{}" if path == "/v1/logs" else tyk()).status_code == 200


def test_a_batch_that_cannot_be_written_is_not_answered_with_200(
    app: Flask, node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is stored when it is sent again: its digest was undone with it."""
    body = orjson.dumps([nginx(), nginx(status="x")])
    with monkeypatch.context() as patch:
        patch.setattr(dead, "keep", fail)
        answer = send(app, node, "/ingest/json", body)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert CLICKHOUSE or stored(app) == []  # there it is completed, not undone
        assert letters(app) == []
    assert send(app, node, "/ingest/json", body).status_code == 200
    assert (len(stored(app)), len(letters(app))) == (1, 1)


def fail(*_: object) -> None:
    raise OSError("the disk is full")


class TestTextsThatAreNone:
    """What a caller sends as its User-Agent is in the record as it came; nobody can erase the calls beside its own."""

    @pytest.mark.parametrize("odd", [b"caf\xe9", b"\xff\xfe\x80\x81", "agent é".encode()[:-1] + b"."])
    def test_lose_no_record(self, app: Flask, node: str, odd: bytes) -> None:
        body = protobuf(a_batch(a_record(path="/1"), a_record(path="/2", original="@" * len(odd)), a_record(path="/é")))
        broken = body.replace(b"@" * len(odd), odd)
        assert push(app, node, broken).status_code == 200
        assert [row.path for row in stored(app)] == ["/1", "/2", "/é"]
        assert stored(app)[1].user_agent == odd.decode(errors="replace")
        assert letters(app) == []

    def test_also_in_what_is_not_kept(self, app: Flask, node: str) -> None:
        said = a_batch(a_record(body_of="@@@@", trace="1"))
        said["resourceLogs"][0]["resource"] = {
            "attributes": [{"key": "####", "value": {"arrayValue": {"values": [{"stringValue": "@@@@"}]}}}]
        }
        said["resourceLogs"][0]["schemaUrl"] = "@@@@"
        said["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0] |= {
            "traceId": "/" * 22 + "//",
            "body": {"stringValue": "@@@@"},
        }
        body = protobuf(said).replace(b"@@@@", b"\xff\xff\xff\xff").replace(b"####", b"\xfe\xfe\xfe\xfe")
        assert push(app, node, body).status_code == 200
        assert len(stored(app)) == 1
