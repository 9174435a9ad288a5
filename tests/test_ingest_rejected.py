"""What could not be stored is kept for people to see, without its secrets; and no secret is kept anywhere."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask
from sqlalchemy import text

from console.logs import letters as dead
from console.logs.scrub import scrub, scrub_text
from tests.clickhouse import CLICKHOUSE
from tests.conftest import SignIn, at_once
from tests.homes import SERVER
from tests.ingested import HEADERS, SECRETS, Values, apisix, caddy, kong, letters, nginx, send, stored, tyk
from tests.test_logs import a_batch, a_record, protobuf, push

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzM2NyM3QifQ.c2lnbmF0dXJl"
KEY = "gwk_" + "A1b2" * 10 + "abc_1A2b3C"


def test_a_bad_record_is_kept_with_its_reason(app: Flask, node: str) -> None:
    send(app, node, "/ingest/kong", [kong(), kong(response={"status": "x", "size": 1})])
    (letter,) = letters(app)
    assert (letter.node_id, letter.format, letter.reason) == (1, "kong", "the status is no number")
    assert orjson.loads(letter.text[: letter.text.index(',"source"')] + "}")["response"] == {"status": "x", "size": 1}


@pytest.mark.parametrize("form", [orjson.dumps, protobuf])
def test_otlp_too(app: Flask, node: str, form: Any) -> None:
    body = form(a_batch(a_record(), a_record(code="x", path="/bad?token=s3cr3t-query")))
    push(app, node, body, **({"Content-Type": "application/json"} if form is orjson.dumps else {}))
    (letter,) = letters(app)
    assert (letter.format, letter.reason) == ("otlp", "a value is no number")
    assert "/bad" in letter.text


def test_a_repeated_batch_is_rejected_once(app: Flask, node: str) -> None:
    body = orjson.dumps([nginx(), nginx(status="x")])
    answers = [send(app, node, "/ingest/json", body) for _ in "123"]
    assert [a.status_code for a in answers] == [200] * 3
    assert (len(stored(app)), len(letters(app))) == (1, 1)


def test_they_are_bounded(app: Flask, node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead, "MOST_KEPT", 30)
    monkeypatch.setattr(dead, "MOST_OF_BATCH", 20)
    for turn in range(3):
        body = [nginx(f"/{turn}/{i}", status="x") for i in range(25)]
        assert send(app, node, "/ingest/json", body).json == {"stored": 0, "rejected": 25}
    kept = [orjson.loads(letter.text)["request"].split()[1] for letter in letters(app)]
    assert kept == [f"/1/{i}" for i in range(10, 20)] + [f"/2/{i}" for i in range(20)]


def test_several_senders_at_once_wait_for_each_other_in_one_order(
    app: Flask, node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead, "MOST_KEPT", 20)

    def pusher(number: int) -> set[int]:
        sent = ([nginx(f"/{number}/{i}/{j}", status="x" if j % 2 else 200) for j in range(10)] for i in range(5))
        return {send(app, node, "/ingest/json", body).status_code for body in sent}

    assert at_once(*[lambda n=n: pusher(n) for n in range(6)]) == [{200}] * 6
    assert (len(stored(app)), len(letters(app))) == (150, 20)


def test_a_long_one_is_cut(app: Flask, node: str) -> None:
    send(app, node, "/ingest/json", [nginx(status="x", more="a" * 100_000), nginx(status="x", many=[1] * 100_000)])
    assert [len(letter.text) for letter in letters(app)] == [2000, len(letters(app)[1].text)]
    assert max(len(letter.text) for letter in letters(app)) <= 2000


def bad(said: Values) -> Values:
    """The same record, so that it is rejected."""
    return said | ({"response": {"status": "x"}} if "response" in said else {"status": "x"})


def everything_with_secrets() -> list[tuple[str, Any]]:
    """Good and bad records of every sender, with every secret in every place that a sender is known to put one."""
    escaped = orjson.dumps(caddy(status="x")).decode()
    line = orjson.dumps(kong()).decode()
    headers = "\r\n".join(f"{name}: {value}" for name, value in HEADERS.items())
    return [
        ("/ingest/kong", [kong(), bad(kong())]), ("/ingest/apisix", [apisix(), bad(apisix())]),
        ("/ingest/hec", [tyk(), tyk(response_code="x")]), ("/ingest/json", [caddy(), bad(caddy()), nginx(), bad(nginx())]),
        ("/ingest/json", [{"log": escaped}, {"message": {"log": escaped}}]),
        ("/ingest/json", [{"note": f"GET /?token=s3cr3t-query HTTP/1.1\r\n{headers}\r\n\r\npin=s3cr3t-body"}]),
        ("/ingest/json", [{"pairs": [{"name": "X-Api-Key", "value": "s3cr3t-apikey"}]}]),
        # cut in the middle of any of them, as text that is no JSON any more
        *(("/ingest/json", orjson.dumps(nginx()) + b"\n" + line[: line.index(secret) + len(secret)].encode()) for secret in SECRETS if secret in line),
        ("/ingest/json", orjson.dumps(nginx()) + b"\n" + line.replace('"', '\\"').encode()[:-1]),
        ("/ingest/json", orjson.dumps(nginx()) + b"\n" + f'1.2.3.4 - - "GET /x?{"api_key=s3cr3t-query"} HTTP/1.1" 200'.encode()),
        ("/ingest/json", orjson.dumps(nginx()) + b"\nhttp://user:s3cr3t-basic@host/?sig=s3cr3t-query"),
        ("/v1/logs", a_batch(a_record(path="/a?token=s3cr3t-query"), a_record(code="x", path="/b?token=s3cr3t-query"))),
    ]  # fmt: skip


def test_no_secret_is_in_the_database_files(app: Flask, node: str, config: Any) -> None:
    for path, body in everything_with_secrets():
        assert send(app, node, path, body).status_code == 200
    assert len(stored(app)) > 10
    assert len(letters(app)) > 10
    with app.extensions["gatewright"].logs.writing() as connection:
        if not SERVER:
            connection.execute(text("SELECT 1"))
    found = dump(app, config.home)
    assert b"203.0.113.7" in found, "the dump is one"
    assert [secret for secret in (*SECRETS, node) if secret.encode() in found] == []


def dump(app: Flask, home: Path) -> bytes:
    """Every file beside the database, journals included; on a server every row."""
    rows = repr([*stored(app), *letters(app)]).encode() if SERVER or CLICKHOUSE else b""
    return rows + b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    ("said", "clean"),
    [
        ("Authorization: Bearer abcdefgh", "Authorization: [scrubbed]"),
        ("GET /a?page=2&api_key=abc&x=1 HTTP/1.1", "GET /a?page=2&api_key=[scrubbed]&x=1 HTTP/1.1"),
        ("/a?token=abc%2Fdef", "/a?token=[scrubbed]"), ("/a%3Ftoken=abc", "/a%3Ftoken=[scrubbed]"),
        ('{"apikey":"abc","a":1', '{"apikey":[scrubbed],"a":1'), ('{"cookie":["a","b"],"a":1', '{"cookie":[scrubbed],"a":1'),
        ('{\\"x-api-key\\":\\"abc\\",\\"a\\":1', '{\\"x-api-key\\":[scrubbed],\\"a\\":1'),
        (f"got {JWT} there", "got [scrubbed] there"), (f"key {KEY}!", "key [scrubbed]!"),
        ("https://u:p@h/", "https://[scrubbed]@h/"), ("plain words stay, 3 of them: a, b", "plain words stay, 3 of them: a, b"),
    ],
)  # fmt: skip
def test_text(said: str, clean: str) -> None:
    assert scrub_text(said) == clean


def test_records() -> None:
    said = {"status": 200, "code": 404, "path": "/a", "headers": {"Authorization": ["x"], "host": "h", "X-Auth": "x"}}
    said |= {"raw_request": "x", "request": {"body": "x", "uri": "/a"}, "querystring": {"code": "x", "page": "2"}}
    said |= {"attributes": [{"key": "http.request.header.cookie", "value": {"stringValue": "x"}}]}
    assert scrub(said) == {
        "status": 200, "code": 404, "path": "/a",
        "headers": {"Authorization": "[scrubbed]", "host": "h", "X-Auth": "[scrubbed]"}, "raw_request": "[left out]",
        "request": {"body": "[left out]", "uri": "/a"}, "querystring": {"code": "[scrubbed]", "page": "2"},
        "attributes": [{"key": "http.request.header.cookie", "value": "[scrubbed]"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    "path", [f"/reset/{JWT}", f"/k/{KEY}", "/a;jsessionid=abc", "/a?b", "/a%3Ftoken=x", "http://u:p@h/a?x"]
)
def test_stored_paths_hold_none(app: Flask, node: str, path: str) -> None:
    send(app, node, "/ingest/json", nginx(request_uri=path, http_user_agent=f"x Bearer {JWT}"))
    (row,) = stored(app)
    assert row.path in ("/reset/[scrubbed]", "/k/[scrubbed]", "/a")
    assert JWT not in row.user_agent


class TestPage:
    def test_those_who_read_logs_see_what_was_rejected(self, app: Flask, node: str, sign_in: SignIn) -> None:
        send(app, node, "/ingest/kong", [kong(response={"status": "<b>x</b>", "size": 1})])
        for name in ("alice", "dora"):
            browser = sign_in(name)
            assert 'href="/logs/rejected"' in browser.get("/logs").text
            page = browser.get("/logs/rejected").text
            assert "the status is no number" in page
            assert re.search(r'href="/logs"[^>]*aria-current="page"', page)
            assert "gw-1" in page
            assert "<b>x" not in page
            assert not [secret for secret in SECRETS if secret in page]
        assert sign_in("bob").get("/logs/rejected").status_code == 403

    def test_the_link_is_there_when_there_is_something_to_see(
        self, app: Flask, node: str, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alice = sign_in("alice")
        assert "/logs/rejected" not in alice.get("/logs").text
        assert "Nothing was rejected." in alice.get("/logs/rejected").text
        send(app, node, "/ingest/json", [nginx(status="x")])
        assert "1 rejected record<" in alice.get("/logs").text
        tomorrow = time.time_ns() + 86_400 * 10**9
        monkeypatch.setattr(dead.time, "time_ns", lambda: tomorrow)
        assert "/logs/rejected" not in alice.get("/logs").text

    def test_pages_hold_every_one_once(self, app: Flask, node: str, sign_in: SignIn) -> None:
        send(app, node, "/ingest/json", [nginx(f"/{i}", status="x") for i in range(120)])
        alice, found, path = sign_in("alice"), [], "/logs/rejected"
        while path:
            page = alice.get(path).text
            found += re.findall(r"letter-(\d+)", page)
            older = re.search(r'href="(/logs/rejected\?before=\d+)"', page)
            path = older.group(1) if older else ""
        assert [int(number) for number in found] == [letter.id for letter in letters(app)][::-1]
        for before in ("x", "-1", "0", "9" * 30):
            assert alice.get(f"/logs/rejected?before={before}").status_code in (200, 400)


@pytest.mark.parametrize(
    ("said", "gone"),
    [
        ('password: "s3cr3t"', "s3cr3t"), ("token = 's3cr3t'", "s3cr3t"), ('{"token":"a\\"s3cr3t"}', "s3cr3t"),
        ('<user password="s3cr3t"/>', "s3cr3t"), ("x\ncookie: s3cr3t", "s3cr3t"), ('login(secret: "s3cr3t")', "s3cr3t"),
    ],
)  # fmt: skip
def test_secrets_in_texts_of_other_kinds(said: str, gone: str) -> None:
    assert gone not in scrub_text(said)


@pytest.mark.parametrize("name", ["gatewright.request_body", "http.response.body", "http.request.body.content", "body"])
def test_bodies_of_what_is_rejected_are_not_kept(app: Flask, node: str, name: str) -> None:
    push(app, node, a_batch(a_record(code="x", **{name: "data:text/plain;base64,aGVsbG8="})))
    send(app, node, "/ingest/json", nginx(status="x") | {name: "aGVsbG8="})
    assert ["aGVsbG8" in letter.text for letter in letters(app)] == [False, False]
